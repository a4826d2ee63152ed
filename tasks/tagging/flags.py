"""The flags of `python -m tasks.tagging`."""

from absl import flags

from tasks import cli
from tasks.tagging import corpora
from zoo import names
from zoo.models.configurations import TAGGERS
from zoo.text.spans import SCHEMES


def define():
    """Called by the program alone: whoever imports this module may have flags of the same names."""
    cli.define_task_flags("tagging", TAGGERS)
    cli.define_file_flags()
    flags.adopt_module_key_flags(cli)
    flags.DEFINE_string("token_column", None, "The tokens' column in a file: a number from 1, or a name "
                        "of a header or of CoNLL-U; of JSON the key of the text.")
    flags.DEFINE_string("tag_column", None, "The tags' column in a file: a number from 1, -1 for the "
                        "last, or a name of a header or of CoNLL-U; of JSON the key of the spans.")
    flags.DEFINE_bool("comments", None, "Lines of a file that start with # before a sentence are "
                      "comments; found out if it is left open.")
    flags.DEFINE_enum("scheme", None, list(corpora.SCHEMES), "Of the corpus's tags; found out "
                      "if it is left open.")
    flags.DEFINE_bool("strip_position", None, "Tokens end in their position in a word.")
    flags.DEFINE_enum("tagset", None, ["own", "universal"], "Of NLTK's parts of speech.")
    flags.DEFINE_enum("model_scheme", None, list(SCHEMES), "The scheme that spans are learnt in.")
    flags.DEFINE_enum("tokenizer", None, names.TOKENS, "How the exported model cuts a text, "
                      "and a corpus of texts with character spans.")
    flags.DEFINE_integer("vocabulary_size", 50000, "Largest vocabulary.", 3)
    flags.DEFINE_integer("min_count", 1, "How often a word occurs to be in the vocabulary.", 1)
    flags.DEFINE_bool("digits", True, "Look words up with every digit as 0.")
    flags.DEFINE_string("vectors", None, "Word vectors, in the text format of GloVe or word2vec.")
    flags.DEFINE_bool("bidirectional", None, "Read both ways.")
    flags.DEFINE_bool("crf", None, "A conditional random field over the tags.")
    flags.DEFINE_enum("characters", None, names.ENCODERS, "How a word's characters are read.")
    flags.DEFINE_integer("character_embedding", None, "Width of a character.", 1)
    flags.DEFINE_integer("character_units", None, "Width of what is made of a word's characters.", 1)
    flags.DEFINE_integer("affixes", None, "Width of what is made of a word's prefixes and "
                         "suffixes; 0 for none.", 0)
    flags.DEFINE_bool("shapes", None, "Read which case a word's letters have.")
    flags.DEFINE_bool("feedback", None, "Read the last output in place of a linear layer.")
    flags.DEFINE_float("sampling", None, "Share of steps that read the network's own output, with "
                       "--feedback, while it is trained.")
    flags.DEFINE_float("rare_dropout", None, "word_dropout of words that occur once.")
    flags.DEFINE_float("recurrent_dropout", None, "Rate for the states of the recurrent layers.")
    cli.rates("sampling", "rare_dropout", "recurrent_dropout")
