"""What a tagger reads of a split of a corpus."""

import collections
import dataclasses

import numpy as np
import tensorflow as tf

from tasks import linear
from tasks.reporting.report import ERRORS
from tasks.tagging import metrics
from tasks.training.batches import Batch
from tasks.training.dataset import Data, right_padded
from zoo.names import CHARACTERS
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


@dataclasses.dataclass
class Tagged:
    """What is predicted of a sentence: its tags, and its intent with the probabilities of all [K]; None
    where nothing is. Two are equal whatever those are."""

    tags: list | None
    intent: str | None = None
    probabilities: object = dataclasses.field(default=None, compare=False)


class Sentences(Data):
    """The sentences of one split: what the network reads of each token, their tags and their intents.

    Tags are compared as BIO, whatever the scheme of the corpus and that of the network. Intents are None
    where the network predicts none, or not all sentences have one.
    """

    exact, unit = True, "nats a token"

    def __init__(self, head, sentences):
        self.network, self.labels, self.scheme = head.network, head.labels, head.scheme
        self.monitor = self.quality = metrics.quality(head.scheme, head.intents)
        self.known_intents, self.intents = head.intents, [sentence.intent for sentence in sentences]
        if not head.intents or None in self.intents:
            self.intents = None
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

    def widened(self, characters):
        """The same with as many letters a word as there can be: one step takes all groups of shards."""
        widths = {"characters": characters, "code_points": CHARACTERS}
        self.features = {
            name: np.pad(array, [(0, 0), (0, widths[name] - array.shape[1])]) if name in widths else array
            for name, array in self.features.items()}
        return self

    def fit_linear(self, layer, seed):
        """Fit the linear model of n-grams to the intents."""
        targets = np.array([self.known_intents.index(intent) for intent in self.intents])
        linear.fit_layer(layer, self.in_batches, targets,
                         lambda z: np.mean(np.argmax(z, 1) == targets), seed=seed)

    def in_batches(self, size=64):
        """The code points of some sentences at a time, in order."""
        return (self.padded(range(n, min(n + size, len(self))))["code_points"]
                for n in range(0, len(self), size))

    def batch(self, rows):
        """One training step's data; the loss is a mean over its tokens."""
        number = {label: n for n, label in enumerate(self.labels)}
        tags = right_padded([[number[tag] for tag in in_scheme(self.tags[row], self.scheme)]
                             for row in rows], fill=-1)
        given = {"tags": tags} if self.network.feedback else {}
        tokens = int(self.lengths[rows].sum())
        intents = np.array([self.known_intents.index(self.intents[row]) for row in rows],
                           np.int32) if self.intents else None
        targets = {"tags": tags, "intent": intents} if self.intents else tags
        return Batch({**self.padded(rows), **given}, targets, tokens, tokens)

    def padded(self, rows):
        """What the network reads of some sentences, 0 after the end."""
        numbers = right_padded([self.numbers[row] for row in rows])
        return {name: array[numbers] for name, array in self.features.items()}

    def served(self, signatures):
        """The predictions of a loaded SavedModel for the tokens."""
        return self.outputs(lambda tokens: self.taken(signatures["tokens"](tokens=tokens)),
                            read=lambda rows: {"tokens": padded([self.tokens[row] for row in rows])})

    def taken(self, outputs):
        return {name: outputs[name] for name in ("tags", "intents") if name in outputs}

    def collected(self, outputs):
        """A `Tagged` a sentence, of tags by number or name, padded; None where a token was cut."""
        def name(tag):
            if isinstance(tag, bytes):
                return tag.decode()
            return self.labels[tag] if tag >= 0 else None

        tags = self.compared([list(map(name, row["tags"][:length].tolist()))
                              for row, length in zip(outputs, self.lengths)])
        return [Tagged(one, *self.chosen(row.get("intents"))) for one, row in zip(tags, outputs)]

    def chosen(self, probabilities):
        """(the likeliest intent, the probabilities of all), or nothing of None."""
        return () if probabilities is None else (
            self.known_intents[np.argmax(probabilities)], probabilities)

    def of_baseline(self, tags=None, intents=None):
        """A `Tagged` a sentence: of a baseline's tags, a list each, or its probabilities [N, K]."""
        if tags is not None:
            return [Tagged(one) for one in self.compared(tags)]
        return [Tagged(None, *self.chosen(row)) for row in intents]

    def compared(self, tags):
        return [in_scheme(row, self.scheme and "BIO") for row in tags]

    def metrics(self, predictions):
        """Those of tags, of intents, and of both, as far as they are predicted."""
        tags, intents = tags_of(predictions), [one.intent for one in predictions]
        has_tags, has_intents = None not in tags, self.intents is not None and None not in intents
        scores = metrics.tagging(self.tokens, self.targets, tags, self.scheme,
                                 self.known) if has_tags else {}
        if has_intents:
            scores |= metrics.intents(self.intents, [one.probabilities for one in predictions],
                                      self.known_intents)
        if has_tags and has_intents:
            scores |= metrics.both(self.targets, tags, self.intents, intents)
            scores["mean_score"] = (scores[metrics.quality(self.scheme)] + scores["intent_accuracy"]) / 2
        return {name: value for name, value in scores.items() if value is not None}

    def rows(self, predictions):
        for n, one in enumerate(predictions):
            row = {"text": self.texts[n], "tokens": self.tokens[n], "label": self.targets[n],
                   "predicted": one.tags}
            yield {**row, "intent": self.intents[n], "predicted_intent": one.intent,
                   "confidence": float(np.max(one.probabilities))} if self.intents else row

    def details(self, predictions):
        """Per class: per type of span or, where there are none, per tag; and per intent."""
        wrong = sorted(filter(lambda one: any(badness(one)), map(error, self.rows(predictions))),
                       key=badness, reverse=True)
        found = {"per_class": metrics.per_class(self.targets, tags_of(predictions), self.scheme)}
        if self.intents:
            found["per_intent"] = metrics.per_class(
                [[intent] for intent in self.intents], [[one.intent] for one in predictions], None)
        return {**found, "errors": wrong[:ERRORS]}


def error(row):
    """A row as errors are listed."""
    intent = {name: row[name] for name in ("intent", "predicted_intent", "confidence") if name in row}
    return {"text": row["text"], "label": marked(row["tokens"], row["label"]),
            "predicted": marked(row["tokens"], row["predicted"]),
            "tokens_wrong": sum(a != b for a, b in zip(row["label"], row["predicted"])), **intent}


def badness(error):
    """How wrong it is: a wrong intent, if there is one, then the number of tokens."""
    return error.get("intent") != error.get("predicted_intent"), error["tokens_wrong"]


def tags_of(predictions):
    """The tags of each `Tagged`."""
    return [one.tags for one in predictions]


def marked(tokens, tags):
    """The tokens that have a tag other than O, with it.

    >>> marked(["in", "New", "York"], ["O", "B-place", "I-place"])
    'New/B-place York/I-place'
    """
    return " ".join(f"{token}/{tag}" for token, tag in zip(tokens, tags) if tag not in ("O", None))
