"""Sequence tagging (N→N): data → model → train → evaluate → export.

    python -m tasks.tagging                                            train on the standard corpus
    python -m tasks.tagging --predict "What time is it in Boston?"     ask the exported model
    python -m tasks.tagging --corpus=mine.conll                        your own tokens and tags

Tags may mark spans (BIO, IOB1, BIOES: chunks, names, slots of a request) or be one a token, as parts of
speech are.
"""

from absl import flags

from tasks import cli
from tasks.recipes import TAGGING, recipe
from tasks.reporting import plots, tables
from tasks.tagging import corpora, metrics
from tasks.tagging.baselines import BASELINES
from tasks.tagging.dataset import Sentences, first_rare, in_scheme
from tasks.task import Task
from zoo.layers.characters import ENCODERS
from zoo.models.configurations import TAGGERS, configuration
from zoo.models.tagger import Tagger, TextTagger
from zoo.text import word_vectors
from zoo.text.spans import SCHEMES
from zoo.text.token_features import TOKENS, Tokens

FLAGS = flags.FLAGS
OVERRIDES = (*cli.NETWORK, "bidirectional", "crf", "characters", "character_embedding",
             "character_units", "affixes", "shapes", "feedback", "sampling", "rare_dropout",
             "recurrent_dropout", "language_cost")
MOST_TAGS_DRAWN = 40


class Tagging(Task):
    """What tagging has of its own."""

    name = "tagging"
    corpus_flags = ("tag_column", "scheme", "strip_position", "tagset")
    unit = "sentences"
    kind, example = "A recurrent tagger", "What time is it in Boston?"

    def define_flags(self):
        """Called by the program alone: whoever imports this module may have flags of the same names."""
        cli.define_task_flags(self.name, TAGGERS)
        flags.adopt_module_key_flags(cli)
        flags.DEFINE_string("tag_column", None, "The tags' column in a file: a number from 1, -1 for the "
                            "last, or a name of CoNLL-U.")
        flags.DEFINE_enum("scheme", None, list(corpora.SCHEMES), "Of the corpus's tags; found out "
                          "if it is left open.")
        flags.DEFINE_bool("strip_position", None, "Tokens end in their position in a word.")
        flags.DEFINE_enum("tagset", None, ["own", "universal"], "Of NLTK's parts of speech.")
        flags.DEFINE_enum("model_scheme", None, list(SCHEMES), "The scheme that spans are learnt in.")
        flags.DEFINE_enum("tokenizer", None, list(TOKENS), "How the exported model cuts a text.")
        flags.DEFINE_integer("vocabulary_size", 50000, "Largest vocabulary.", 3)
        flags.DEFINE_integer("min_count", 1, "How often a word occurs to be in the vocabulary.", 1)
        flags.DEFINE_bool("digits", True, "Look words up with every digit as 0.")
        flags.DEFINE_string("vectors", None, "Word vectors, in the text format of GloVe or word2vec.")
        flags.DEFINE_bool("bidirectional", None, "Read both ways.")
        flags.DEFINE_bool("crf", None, "A conditional random field over the tags.")
        flags.DEFINE_enum("characters", None, list(ENCODERS), "How a word's characters are read.")
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
        flags.DEFINE_float("language_cost", None, "Weight of guessing the words beside each word "
                           "while it is trained.", 0)
        cli.rates("sampling", "rare_dropout", "recurrent_dropout")

    def load_corpus(self):
        """The corpus of the flags; says what it is and what was odd about it."""
        column = FLAGS.tag_column
        corpus = corpora.load(
            FLAGS.corpus, 0, int(column) if column and column.lstrip("-").isdecimal() else column,
            FLAGS.scheme, FLAGS.strip_position, FLAGS.tagset)
        return cli.introduced(corpus, self.unit)

    def recipe(self, corpus):
        """The settings of the corpus, else of its kind."""
        return recipe(TAGGING, corpus.name, "default" if corpus.scheme else "plain tags")

    def untrained(self, corpus):
        """A head whose vocabulary and labels are learnt and whose network is new."""
        scheme = corpus.scheme and FLAGS.model_scheme
        words, known = word_vectors.read(FLAGS.vectors) if FLAGS.vectors else ([], None)
        text = Tokens.learn([sentence.tokens for sentence in corpus.train], FLAGS.vocabulary_size,
                            FLAGS.min_count, words, tokenizer=FLAGS.tokenizer, digits=FLAGS.digits)
        labels = sorted({tag for sentence in corpus.train for tag in in_scheme(sentence.tags, scheme)})
        options = configuration(TAGGERS, FLAGS.model, cli.chosen(OVERRIDES))
        network = Tagger(len(text.words), labels, scheme, alphabet_size=len(text.alphabet),
                         rare=first_rare(text, corpus.train), **options)
        if FLAGS.vectors:
            word_vectors.into(network.embedding, text.vocabulary, words, known)
        return TextTagger(network, text)

    def data(self, head, examples):
        return Sentences(head, examples)

    def loss(self, head):
        """−log p, summed over the tokens of a batch; the step divides it by their number."""
        return head.network.loss_of

    def baselines(self, corpus, test, head):
        return {name: test.answered(baseline(corpus.train, test.tokens))
                for name, baseline in BASELINES.items()}

    def draw(self, folder, head, targets, answers):
        """Confusion matrix; the table of all labels is printed."""
        rows = metrics.per_label(targets, answers, head.scheme)
        print("", *metrics.table(rows), sep="\n")
        labels = sorted({tag for rows in (targets, answers) for tags in rows for tag in tags})
        if len(labels) <= MOST_TAGS_DRAWN:
            plots.confusion_matrix(metrics.confusion_matrix(targets, answers, labels), labels,
                                   folder / "confusion_matrix.png")

    def limits(self):
        return ["Cuts texts by its own rules; what is already cut belongs into the signature `tokens`.",
                "A word that is not in the vocabulary is read as unknown, its characters as they are."]

    def show_answers(self, head, corpus, count=4):
        print()
        for sentence in corpus.test[:count]:
            text = " ".join(sentence.tokens)
            print(f"  {self.line(head.predict([text])[0], text)}")

    def line(self, row, text):
        return tables.marked(row, text)


TASK = Tagging()


if __name__ == "__main__":
    TASK.define_flags()
    cli.main(TASK.main)
