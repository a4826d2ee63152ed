"""The flags of `python -m tasks.sentiment`."""

from absl import flags

from tasks import cli
from zoo import names
from zoo.models.configurations import CLASSIFIERS


def define():
    """Called by the program alone: whoever imports this module may have flags of the same names."""
    cli.define_task_flags("sentiment", CLASSIFIERS)
    flags.DEFINE_bool("multi_label", False, "Any number of labels a text, separated by '|'.")
    flags.DEFINE_string("label_separator", None, "Between the labels of a cell, with --multi_label, in "
                        "place of '|'.")
    flags.DEFINE_bool("regression", False, "A number instead of a label.")
    cli.define_file_flags("text", "label", "id")
    flags.adopt_module_key_flags(cli)
    flags.DEFINE_integer("fold", None, "0 to 4: the test part of a fixed 5-fold split.")
    flags.DEFINE_enum("tokenizer", "word", names.TOKENIZERS, "How a text is cut.")
    flags.DEFINE_integer("vocabulary_size", 20000, "Largest vocabulary.", 3)
    flags.DEFINE_integer("min_count", 2, "How often a token occurs to be in the vocabulary.", 1)
    flags.DEFINE_integer("max_length", 1024, "Tokens of a text that are read.", 1)
    flags.DEFINE_bool("bidirectional", None, "Read both ways.")
    flags.DEFINE_string("pooling", None, "last, or some of mean, max, attention joined by '+'.")
    flags.DEFINE_bool("naive_bayes", None, "Read and correct log-count ratios of words and pairs.")
    flags.DEFINE_integer("window", None, "Read pieces of this many tokens side by side.", 1)
    flags.DEFINE_float("embedding_range", None, "A new embedding is uniform in plus or minus this.",
                       0)
    flags.DEFINE_integer("filters", None, "Learnt n-grams of each width, 2, 3 and 4; 0 for none.", 0)
    flags.DEFINE_integer("members", None, "Networks that answer together.", 1)
    flags.DEFINE_float("label_smoothing", None, "Share of the target spread over all labels.")
    cli.rates("label_smoothing")
