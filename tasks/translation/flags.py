"""The flags of `python -m tasks.translation`."""

from absl import flags

from tasks import cli
from zoo import names
from zoo.models.configurations import TRANSLATORS


def define():
    """Called by the program alone: whoever imports this module may have flags of the same names."""
    cli.define_task_flags("translation", TRANSLATORS)
    define_corpus_flags()
    define_network_flags()
    flags.DEFINE_integer("max_length", 100, "Pairs with more tokens on a side are not trained on.", 2)
    flags.DEFINE_integer("width", names.WIDTH, "Hypotheses of the beam search, for --predict and the "
                         "test part.", 1)
    flags.DEFINE_float("alpha", names.ALPHA, "The beam search's preference for long translations.", 0)
    flags.DEFINE_integer("n_best", 1, "Translations that --predict prints.", 1)
    flags.DEFINE_multi_string("banned", [], "Phrase that no translation of --predict contains, spelt as "
                              "the corpus has it; may be given several times.")
    flags.DEFINE_multi_string("required", [], "Phrase that every translation of --predict contains; "
                              "raise --width above the number of its tokens.")
    flags.DEFINE_string("picture", None, "File that --predict of one text draws into, as SVG: where "
                        "attention looked.")


def define_corpus_flags():
    flags.DEFINE_string("source_language", None, "A code such as de.")
    flags.DEFINE_string("target_language", None, "A code such as en.")
    flags.DEFINE_bool("reverse", False, "Translate from the second side into the first.")
    cli.define_file_flags("source", "target", "id")
    flags.adopt_module_key_flags(cli)
    flags.DEFINE_enum("source_level", None, names.LEVELS, "What a symbol of the source is: by default a "
                      "character of Chinese and Japanese, else a word piece.")
    flags.DEFINE_enum("target_level", None, names.LEVELS, "What a symbol of the target is: by default as "
                      "for the source.")
    flags.DEFINE_integer("vocabulary_size", None, "Largest vocabulary, of either side.", 6)
    flags.DEFINE_integer("min_count", 1, "How often a symbol occurs to be in the vocabulary.", 1)


def define_network_flags():
    flags.DEFINE_bool("bidirectional", None, "Read the source both ways.")
    flags.DEFINE_enum("attention", None, names.ATTENTIONS, "How attention scores a position of the "
                      "source.")
    flags.DEFINE_enum("feeds", None, names.FEEDS, "What attention gives back to the states.")
    flags.DEFINE_bool("coverage", None, "Attention sees where it looked before.")
    flags.DEFINE_enum("context", None, names.FORMS, "The vector that the encoder hands on.")
    flags.DEFINE_enum("vector", None, names.USES, "Where the context enters, without attention.")
    flags.DEFINE_bool("residual", None, "Add a layer's input to its output.")
    flags.DEFINE_bool("tied", None, "One matrix reads and predicts what is written.")
    flags.DEFINE_float("layer_dropout", None, "Rate between layers, and before attention.")
    flags.DEFINE_float("recurrent_dropout", None, "Rate for the states of the recurrent layers.")
    flags.DEFINE_float("weight_drop", None, "Share of the recurrent weights that are dropped.")
    flags.DEFINE_float("label_smoothing", None, "Share of a target that is spread over all words.")
    flags.DEFINE_float("sampling", None, "Scheduled sampling: share of the words read in training "
                       "that are the network's own.")
    cli.rates("layer_dropout", "recurrent_dropout", "weight_drop", "label_smoothing", "sampling")
