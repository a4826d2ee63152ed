"""The flags of `python -m tasks.generation`."""

from absl import flags

from tasks import cli
from zoo import names
from zoo.models.configurations import GENERATORS


def define():
    """Called by the program alone: whoever imports this module may have flags of the same names."""
    cli.define_task_flags("generation", GENERATORS)
    cli.define_file_flags("text", "label", "id")
    flags.DEFINE_enum("level", None, names.LEVELS, "What a symbol is.")
    flags.DEFINE_integer("vocabulary_size", 40000, "Largest vocabulary.", 5)
    flags.DEFINE_integer("min_count", 1, "How often a symbol occurs to be in the vocabulary.", 1)
    flags.DEFINE_enum("vector", None, names.USES, "Where a label's vector enters.")
    flags.DEFINE_bool("tied", None, "One matrix reads and predicts.")
    cli.define_numbers("cutoffs", "Where the clusters of an adaptive softmax begin, for large "
                       "vocabularies: 2000,10000.")
    flags.adopt_module_key_flags(cli)
    flags.DEFINE_float("layer_dropout", None, "Rate between recurrent layers.")
    flags.DEFINE_float("recurrent_dropout", None, "Rate for the states of the recurrent layers.")
    flags.DEFINE_float("weight_drop", None, "Share of the recurrent weights that are dropped.")
    flags.DEFINE_float("activation_penalty", None, "On large activations.", 0)
    flags.DEFINE_float("temporal_penalty", None, "On activations that change.", 0)
    flags.DEFINE_integer("window", None, "Symbols an error flows back through.", 2)
    flags.DEFINE_bool("varied", None, "Windows of random length around --window.")
    flags.DEFINE_integer("length", names.LENGTH, "Most symbols that --predict writes.", 1)
    flags.DEFINE_float("temperature", names.SETTINGS["temperature"], "Of the choice of a symbol; 0 takes "
                       "the likeliest.", 0)
    flags.DEFINE_integer("top_k", names.SETTINGS["top_k"], "Choose among so many; 0 for all.", 0)
    flags.DEFINE_float("top_p", names.SETTINGS["top_p"], "Choose among the likeliest with this mass.", 0,
                       1)
    flags.DEFINE_float("typical", names.SETTINGS["typical"], "Choose among the most typical.", 0, 1)
    flags.DEFINE_float("repetition_penalty", names.SETTINGS["repetition_penalty"], "Above 1 against "
                       "repetition.", 0.1)
    flags.DEFINE_integer("beam_width", None, "Search for the likeliest text instead.", 1)
    flags.DEFINE_string("stop", None, "Text that --predict stops before.")
    cli.rates("layer_dropout", "recurrent_dropout", "weight_drop")
    define_evaluation_flags()


def define_evaluation_flags():
    """Of --mode=evaluate on a running text."""
    flags.DEFINE_bool("dynamic", False, "With --mode=evaluate: go on learning from the text that is "
                      "scored, after each window.")
    flags.DEFINE_integer("dynamic_window", 20, "Symbols of a window of --dynamic.", 1)
    flags.DEFINE_float("dynamic_rate", 0.2, "Learning rate of --dynamic.", 0)
    flags.DEFINE_float("dynamic_decay", 0.002, "Share of the way back to the trained weights, each "
                       "window of --dynamic.", 0, 1)
