"""Sequence tagging (N→N): data → model → train → evaluate → export.

    python -m tasks.tagging                                            train on the standard corpus
    python -m tasks.tagging --predict "What time is it in Boston?"     ask the exported model
    python -m tasks.tagging --corpus=mine.conll                        your own tokens and tags

Tags may mark spans (BIO, IOB1, BIOES: chunks, names, slots of a request) or be one a token, as parts of
speech are.
"""

import collections

import numpy as np
import tensorflow as tf
from absl import flags

from tasks import command, plots, report, tagged_corpora, tagging_baselines, tagging_metrics
from tasks.batches import Batch
from tasks.data import Data, right_padded
from tasks.objectives import Objective
from tasks.recipes import TAGGING, recipe
from tasks.task import Task
from zoo import vectors
from zoo.characters import ENCODERS
from zoo.configurations import TAGGERS, configuration
from zoo.spans import SCHEMES, convert
from zoo.tagger import Tagger, TextTagger
from zoo.text import RESERVED
from zoo.tokens import TOKENS, Tokens, padded

FLAGS = flags.FLAGS
OVERRIDES = (*command.NETWORK, "bidirectional", "crf", "characters", "character_embedding",
             "character_units", "affixes", "shapes", "feedback", "sampling", "rare_dropout",
             "recurrent_dropout", "language_cost")
BASELINES = {"most frequent tag": tagging_baselines.most_frequent_tag,
             "HMM (NLTK)": tagging_baselines.hidden_markov}
MOST_TAGS_DRAWN = 40


class Tagging(Task):
    """What tagging has of its own."""

    name = "tagging"
    corpus_flags = ("tag_column", "scheme", "strip_position", "tagset")
    unit = "sentences"
    kind, example = "A recurrent tagger", "What time is it in Boston?"

    def define_flags(self):
        """Called by the program alone: whoever imports this module may have flags of the same names."""
        command.define_task_flags(self.name, TAGGERS)
        flags.adopt_module_key_flags(command)
        flags.DEFINE_string("tag_column", None, "The tags' column in a file: a number from 1, -1 for the "
                            "last, or a name of CoNLL-U.")
        flags.DEFINE_enum("scheme", None, list(tagged_corpora.SCHEMES), "Of the corpus's tags; found out "
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
        command.rates("sampling", "rare_dropout", "recurrent_dropout")

    def load_corpus(self):
        """The corpus of the flags; says what it is and what was odd about it."""
        column = FLAGS.tag_column
        corpus = tagged_corpora.load(
            FLAGS.corpus, 0, int(column) if column and column.lstrip("-").isdecimal() else column,
            FLAGS.scheme, FLAGS.strip_position, FLAGS.tagset)
        return command.introduced(corpus, self.unit)

    def recipe(self, corpus):
        """The settings of the corpus, else of its kind."""
        return recipe(TAGGING, corpus.name, "default" if corpus.scheme else "plain tags")

    def untrained(self, corpus):
        """A head whose vocabulary and labels are learnt and whose network is new."""
        scheme = corpus.scheme and FLAGS.model_scheme
        words, known = vectors.read(FLAGS.vectors) if FLAGS.vectors else ([], None)
        text = Tokens.learn([sentence.tokens for sentence in corpus.train], FLAGS.vocabulary_size,
                            FLAGS.min_count, words, tokenizer=FLAGS.tokenizer, digits=FLAGS.digits)
        labels = sorted({tag for sentence in corpus.train for tag in in_scheme(sentence.tags, scheme)})
        options = configuration(TAGGERS, FLAGS.model, command.chosen(OVERRIDES))
        network = Tagger(len(text.words), labels, scheme, alphabet_size=len(text.alphabet),
                         rare=first_rare(text, corpus.train), **options)
        if FLAGS.vectors:
            vectors.into(network.embedding, text.vocabulary, words, known)
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
        rows = tagging_metrics.per_label(targets, answers, head.scheme)
        print("", *tagging_metrics.table(rows), sep="\n")
        labels = sorted({tag for rows in (targets, answers) for tags in rows for tag in tags})
        if len(labels) <= MOST_TAGS_DRAWN:
            plots.confusion_matrix(tagging_metrics.confusion_matrix(targets, answers, labels), labels,
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
        return report.marked(row, text)


def first_rare(text, sentences):
    """The id from which on words occur at most once: ids are in the order of falling counts."""
    counts = collections.Counter(token for sentence in sentences for token in sentence.tokens)
    ids = text.words(text.keys(tf.constant(list(counts)))).numpy()
    return int(np.flatnonzero(np.bincount(ids, list(counts.values())) > 1).max(initial=1)) + 1


def in_scheme(tags, scheme):
    """The tags in a scheme; as they are where they mark no spans. None, for no tag, stays at the end."""
    known = [tag for tag in tags if tag is not None]
    return [*(convert(known, scheme) if scheme else known), *[None] * (len(tags) - len(known))]


class Sentences(Data):
    """The sentences of one part: what the network reads of each token, and their tags.

    Tags are compared as BIO, whatever the scheme of the corpus and that of the network.
    """

    exact = True

    def __init__(self, head, sentences):
        self.network, self.labels, self.scheme = head.network, head.labels, head.scheme
        quality = tagging_metrics.quality(head.scheme)
        self.objective = Objective(
            None, None, "nats a token", None, quality, "max", quality, "tags", None, BASELINES)
        self.tokens = [list(sentence.tokens) for sentence in sentences]
        self.texts = [" ".join(tokens) for tokens in self.tokens]
        self.tags = [sentence.tags for sentence in sentences]
        self.targets = self.answered(self.tags)
        self.lengths = np.array([len(tokens) for tokens in self.tokens])
        self._look_up(head)

    def _look_up(self, head):
        """Every word once: its row in `features`, of which row 0 is padding."""
        words = sorted({token for tokens in self.tokens for token in tokens})
        number = {word: n for n, word in enumerate(words, 1)}
        features = {name: np.array(tensor)[0] for name, tensor in head.read(padded([words])).items()}
        unknown = RESERVED.index("[UNK]")
        self.known = {word for word, n in zip(words, features["ids"]) if n != unknown}
        self.features = {name: np.concatenate([np.zeros_like(array[:1]), array])
                         for name, array in features.items()}
        self.numbers = [[number[token] for token in tokens] for tokens in self.tokens]

    def batch(self, rows):
        """One training step's data; the loss is a mean over its tokens."""
        number = {label: n for n, label in enumerate(self.labels)}
        tags = right_padded([[number[tag] for tag in in_scheme(self.tags[row], self.scheme)]
                             for row in rows], fill=-1)
        given = {"tags": tags} if self.network.feedback else {}
        tokens = int(self.lengths[rows].sum())
        return Batch({**self.padded(rows), **given}, tags, tokens, tokens)

    def padded(self, rows):
        """What the network reads of some sentences, 0 after the end."""
        numbers = right_padded([self.numbers[row] for row in rows])
        return {name: array[numbers] for name, array in self.features.items()}

    def served(self, signatures):
        """What a loaded SavedModel answers to the tokens."""
        return self.outputs(lambda tokens: signatures["tokens"](tokens=tokens)["tags"],
                            read=lambda rows: {"tokens": padded([self.tokens[row] for row in rows])})

    def collected(self, answers):
        """Numbers or names of tags, padded, as names; None where a token was cut."""
        def name(tag):
            if isinstance(tag, bytes):
                return tag.decode()
            return self.labels[tag] if tag >= 0 else None

        return self.answered([list(map(name, row[:length].tolist()))
                              for row, length in zip(answers, self.lengths)])

    def answered(self, tags):
        return [in_scheme(row, self.scheme and "BIO") for row in tags]

    def measures(self, answers):
        measures = tagging_metrics.tagging(self.tokens, self.targets, answers, self.scheme, self.known)
        return {name: value for name, value in measures.items() if value is not None}


TASK = Tagging()

if __name__ == "__main__":
    TASK.define_flags()
    command.main(TASK.main)
