"""The options of `python -m tasks.generation`."""

import dataclasses

from tasks import options
from tasks.options import ACTION, TUNED, column
from zoo import names
from zoo.decoding.options import LENGTH, WIDEST, SamplingOptions
from zoo.models.configurations import GENERATORS
from zoo.models.options import GeneratorOptions
from zoo.options import option


@dataclasses.dataclass(frozen=True)
class CorpusOptions(options.CorpusOptions):
    """How a text, or texts with labels, are read."""

    text_column: str = column("text")
    label_column: str = column("label")
    id_column: str = column("id")
    level: str = option(None, "What a symbol is.", names.LEVELS, **TUNED)
    vocabulary_size: int = option(40000, "Largest number of symbols in the vocabulary.", least=5)
    min_count: int = option(1, "Smallest number of occurrences of a symbol in the vocabulary.", least=1)


@dataclasses.dataclass(frozen=True)
class TrainingOptions(options.TrainingOptions, output_dir="runs/generation"):
    """How a language model is trained."""

    window: int = option(None, "Symbols that the gradient flows back through.", least=2, **TUNED)
    varied: bool = option(None, "Draw windows of random length around --window.", **TUNED)


@dataclasses.dataclass(frozen=True)
class EvaluationOptions(options.EvaluationOptions):
    """How a running text is evaluated."""

    dynamic: bool = option(False, "With --mode=evaluate: go on learning from the text that is scored, "
                           "after each window.", **ACTION)
    dynamic_window: int = option(20, "Symbols of a window of --dynamic.", least=1, **ACTION)
    dynamic_rate: float = option(0.2, "Learning rate of --dynamic.", least=0, **ACTION)
    dynamic_decay: float = option(0.002, "Share of the way back to the trained weights, each window of "
                                  "--dynamic.", least=0, most=1, **ACTION)


@dataclasses.dataclass(frozen=True)
class PredictionOptions(options.actions(SamplingOptions), options.PredictionOptions):
    """How a text is generated."""

    length: int = option(LENGTH, "Largest number of symbols that --predict generates.", least=1,
                         **ACTION)
    temperature: tuple = option(
        (SamplingOptions().temperature,), "Temperature of the choice of a symbol; 0 takes the most "
        "probable one; several, with commas between, give a text each.", of=float, least=0, **ACTION)
    beam_width: int = option(None, "Search for the likeliest text with a beam of this width, in place of "
                             "sampling.", least=1, most=WIDEST, **ACTION)
    stop: str = option(None, "Text before which generation stops.", **ACTION)


Settings = options.settings(
    data=CorpusOptions, model=options.model_options(GeneratorOptions, GENERATORS),
    training=TrainingOptions, evaluation=EvaluationOptions, prediction=PredictionOptions,
    export=options.ExportOptions)
