"""What a tagger reads of a split of a corpus."""

import collections
from operator import itemgetter

import numpy as np
import tensorflow as tf

from tasks.reporting.report import ERRORS
from tasks.tagging import metrics
from tasks.training.batches import Batch
from tasks.training.dataset import Data, right_padded
from zoo.text.spans import convert
from zoo.text.token_features import padded
from zoo.text.vocabulary import RESERVED


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
    """The sentences of one split: what the network reads of each token, and their tags.

    Tags are compared as BIO, whatever the scheme of the corpus and that of the network.
    """

    exact, unit, output = True, "nats a token", "tags"

    def __init__(self, head, sentences):
        self.network, self.labels, self.scheme = head.network, head.labels, head.scheme
        self.monitor = self.quality = metrics.quality(head.scheme)
        self.tokens = [list(sentence.tokens) for sentence in sentences]
        self.texts = [" ".join(tokens) for tokens in self.tokens]
        self.tags = [sentence.tags for sentence in sentences]
        self.targets = self.compared(self.tags)
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
        """The predictions of a loaded SavedModel for the tokens."""
        return self.outputs(lambda tokens: signatures["tokens"](tokens=tokens)["tags"],
                            read=lambda rows: {"tokens": padded([self.tokens[row] for row in rows])})

    def collected(self, outputs):
        """Numbers or names of tags, padded, as names; None where a token was cut."""
        def name(tag):
            if isinstance(tag, bytes):
                return tag.decode()
            return self.labels[tag] if tag >= 0 else None

        return self.compared([list(map(name, row[:length].tolist()))
                              for row, length in zip(outputs, self.lengths)])

    def compared(self, tags):
        return [in_scheme(row, self.scheme and "BIO") for row in tags]

    def metrics(self, predictions):
        scores = metrics.tagging(self.tokens, self.targets, predictions, self.scheme, self.known)
        return {name: value for name, value in scores.items() if value is not None}

    def rows(self, predictions):
        for text, tokens, target, tags in zip(self.texts, self.tokens, self.targets, predictions):
            yield {"text": text, "tokens": tokens, "label": target, "predicted": tags}

    def details(self, predictions):
        """Per class: per type of span or, where there are none, per tag."""
        rows = metrics.per_label(self.targets, predictions, self.scheme)
        wrong = [{"text": row["text"], "label": marked(row["tokens"], row["label"]),
                  "predicted": marked(row["tokens"], row["predicted"]),
                  "tokens_wrong": sum(a != b for a, b in zip(row["label"], row["predicted"]))}
                 for row in self.rows(predictions)]
        wrong = sorted(filter(itemgetter("tokens_wrong"), wrong), key=lambda row: -row["tokens_wrong"])
        return {"per_class": {row["label"]: {"precision": row["precision"], "recall": row["recall"],
                                             "f1": row["f1"], "support": row["gold"]} for row in rows},
                "errors": wrong[:ERRORS]}


def marked(tokens, tags):
    """The tokens that have a tag other than O, with it.

    >>> marked(["in", "New", "York"], ["O", "B-place", "I-place"])
    'New/B-place York/I-place'
    """
    return " ".join(f"{token}/{tag}" for token, tag in zip(tokens, tags) if tag not in ("O", None))
