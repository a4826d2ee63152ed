"""The options of `python -m tasks.translation`."""

import dataclasses

from tasks import options
from tasks.options import ACTION, TUNED, column
from zoo import names
from zoo.decoding.options import BeamOptions
from zoo.models.configurations import TRANSLATORS
from zoo.models.options import TranslatorOptions
from zoo.options import option

BY_LANGUAGE = {"open": "by the language"}


@dataclasses.dataclass(frozen=True)
class CorpusOptions(options.CorpusOptions):
    """How pairs of sentences are read."""

    source_column: str = column("source")
    target_column: str = column("target")
    id_column: str = column("id")
    source_language: str = option(None, "Code of the source's language, such as de.", of_corpus=True,
                                  open="from the files")
    target_language: str = option(None, "Code of the target's language, such as en.", of_corpus=True,
                                  open="from the files")
    reverse: bool = option(False, "Translate from the second side into the first.", of_corpus=True)
    source_level: str = option(None, "What a symbol of the source is: by default a character of Chinese "
                               "and Japanese, else a subword.", names.LEVELS, **BY_LANGUAGE)
    target_level: str = option(None, "What a symbol of the target is: by default as for the source.",
                               names.LEVELS, **BY_LANGUAGE)
    vocabulary_size: int = option(None, "Largest number of symbols in the vocabulary of either side.",
                                  least=6, **TUNED)
    min_count: int = option(1, "Smallest number of occurrences of a symbol in the vocabulary.", least=1)
    max_length: int = option(100, "Pairs with more tokens on a side are not trained on.", least=2)


@dataclasses.dataclass(frozen=True)
class PredictionOptions(BeamOptions, options.PredictionOptions):
    """How a sentence is translated."""

    n_best: int = option(1, "Number of translations that --predict and --input give.", least=1, **ACTION)
    banned: tuple = option((), "Phrase that no translation of --predict contains, spelt as the corpus "
                           "has it; may be given several times.", repeated=True, **ACTION)
    required: tuple = option((), "Phrase that every translation of --predict contains; may be given "
                             "several times; raise --width above the number of its tokens.",
                             repeated=True, **ACTION)
    picture: str = option(None, "File that --predict of one text draws the attention into, as SVG.",
                          **ACTION)


@dataclasses.dataclass(frozen=True)
class TrainingOptions(options.TrainingOptions, output_dir="runs/translation"):
    """How a translator is trained."""


Settings = options.settings(
    data=CorpusOptions, model=options.model_options(TranslatorOptions, TRANSLATORS),
    training=TrainingOptions, evaluation=options.EvaluationOptions,
    prediction=PredictionOptions, export=options.ExportOptions)
