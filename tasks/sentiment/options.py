"""The options of `python -m tasks.sentiment`."""

import dataclasses

from tasks import options
from tasks.options import column
from zoo import names
from zoo.models.configurations import CLASSIFIERS
from zoo.models.options import ClassifierOptions
from zoo.options import RATE, option


@dataclasses.dataclass(frozen=True)
class CorpusOptions(options.CorpusOptions):
    """How texts and labels are read."""

    text_column: str = column("text")
    label_column: str = column("label")
    id_column: str = column("id")
    multi_label: bool = option(False, "A text has any number of labels, separated by '|'.")
    label_separator: str = option(None, "What separates the labels of a cell, with --multi_label, in "
                                  "place of '|'.", of_corpus=True)
    regression: bool = option(False, "Predict a number in place of a label.")
    fold: int = option(None, "Take this test fold, 0 to 4, of a fixed 5-fold split.", least=0, most=4,
                       of_corpus=True)
    tokenizer: str = option("word", "How a text becomes tokens.", names.TOKENIZERS)
    vocabulary_size: int = option(20000, "Largest number of tokens in the vocabulary.", least=3)
    min_count: int = option(2, "Smallest number of occurrences of a token in the vocabulary.", least=1)
    max_length: int = option(None, "Tokens of a text that are read.", least=1, **options.TUNED)
    vectors: str = options.vectors(**options.TUNED)
    vector_words: int = option(20000, "Number of words of the vectors, the first ones, that are known "
                               "beside those of training.", least=0)


@dataclasses.dataclass(frozen=True)
class PredictionOptions(options.PredictionOptions):
    """How labels are predicted."""

    top_k: int = option(None, "Give the k likeliest labels only.", least=1, open="all labels",
                        **options.ACTION)


@dataclasses.dataclass(frozen=True)
class TrainingOptions(options.TrainingOptions, output_dir="runs/sentiment"):
    """How a classifier is trained."""

    label_smoothing: float = option(None, "Share of the target's probability spread over all labels.",
                                    **RATE, **options.TUNED)
    class_weight: str = option(None, "balanced weighs an example's loss by the inverse frequency of "
                               "its label.", ("balanced",), source="King & Zeng 2001")


Settings = options.settings(
    data=CorpusOptions, model=options.model_options(
        ClassifierOptions, CLASSIFIERS, auto="linear or the recipe's model, whichever validates better"),
    training=TrainingOptions, evaluation=options.EvaluationOptions,
    prediction=PredictionOptions, export=options.ExportOptions)
