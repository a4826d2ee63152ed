"""The settings of decoding: each is stated here alone, with its help, range and source."""

import dataclasses

from zoo.options import Options, option

LENGTH = 200    # symbols that a language model generates by default
WIDEST, LONGEST = 64, 1024      # of a beam search in an exported file


@dataclasses.dataclass(frozen=True)
class SamplingOptions(Options):
    """Of `zoo.decoding.sampling`."""

    temperature: float = option(0.8, "Temperature of the choice of a symbol; 0 takes the most probable "
                                "one.", least=0)
    top_k: int = option(0, "Sample from this many most probable symbols; 0 for all.", least=0,
                        source="Fan et al. 2018")
    top_p: float = option(1.0, "Sample from the most probable symbols with this probability together.",
                          least=0, most=1, source="Holtzman et al. 2020")
    typical: float = option(1.0, "Sample from the most typical symbols with this probability together.",
                            least=0, most=1, source="Meister et al. 2022")
    repetition_penalty: float = option(1.0, "Above 1, makes symbols less probable that were generated "
                                       "before.", least=0.1, source="Keskar et al. 2019")


@dataclasses.dataclass(frozen=True)
class BeamOptions(Options):
    """Of `zoo.decoding.beam_search`."""

    width: int = option(5, "Hypotheses of the beam search.", least=1, most=WIDEST,
                        source="Sutskever et al. 2014")
    alpha: float = option(0.75, "Length penalty of the beam search: 0 favours short texts, 1 compares "
                          "means over symbols.", least=0, source="Cho et al. 2014")
