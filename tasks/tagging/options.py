"""The options of `python -m tasks.tagging`."""

import dataclasses

from tasks import options
from tasks.options import TUNED
from tasks.tagging import corpora
from zoo import names
from zoo.models.configurations import TAGGERS
from zoo.models.options import TaggerOptions
from zoo.options import option
from zoo.text.spans import SCHEMES

FOUND = {"of_corpus": True, "open": "from the files"}


@dataclasses.dataclass(frozen=True)
class CorpusOptions(options.CorpusOptions):
    """How tokens and tags are read."""

    token_column: str = option(None, "The column of the tokens in a file: a number from 1, or a name of "
                               "a header or of CoNLL-U; of JSON the key of the text.", first=True,
                               **FOUND)
    tag_column: str = option(None, "The column of the tags in a file: a number from 1, -1 for the last, "
                             "or a name of a header or of CoNLL-U; of JSON the key of the spans.",
                             first=True, **FOUND)
    intent: bool = option(None, "Learn the label of each sentence, its intent, together with the tags.",
                          of_corpus=True, open="where the corpus has labels", before=False)
    intent_column: str = option(None, "The column of the labels in a file, or their key in JSON.",
                                **FOUND)
    comments: bool = option(None, "Lines of a file that start with # before a sentence are comments.",
                            **FOUND)
    scheme: str = option(None, "Scheme of the corpus's tags.", tuple(corpora.SCHEMES), **FOUND)
    strip_position: bool = option(None, "Tokens end in their position in a word.", **FOUND)
    tagset: str = option(None, "Tagset of NLTK's parts of speech.", ("own", "universal"), **FOUND)
    fold: int = option(None, "Take this test fold, 0 to 4, of a fixed 5-fold split.", least=0, most=4,
                       of_corpus=True)
    model_scheme: str = option(None, "Scheme that spans are learnt in.", tuple(SCHEMES), **TUNED)
    tokenizer: str = option(None, "How the exported model splits a text into tokens, and a corpus of "
                            "texts with character spans.", names.TOKENS, **TUNED)
    vocabulary_size: int = option(50000, "Largest number of words that are learnt.", least=3)
    min_count: int = option(None, "Smallest number of occurrences of a word that is learnt.", least=1,
                            before=1, **TUNED)
    digits: bool = option(True, "Look words up with every digit as 0.")
    vectors: str = options.vectors(**TUNED)
    vector_words: int = option(20000, "Words of the vectors, the first ones, that are known beside those "
                               "of training.", least=0)


@dataclasses.dataclass(frozen=True)
class TrainingOptions(options.TrainingOptions, output_dir="runs/tagging"):
    """How a tagger is trained."""


Settings = options.settings(
    data=CorpusOptions, model=options.model_options(TaggerOptions, TAGGERS), training=TrainingOptions,
    evaluation=options.EvaluationOptions, prediction=options.PredictionOptions,
    export=options.ExportOptions)
