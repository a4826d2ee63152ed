"""What a classifier reads of a split of a corpus."""

import functools

import numpy as np
import tensorflow as tf

from tasks import calibration, linear
from tasks.reporting.report import ERRORS, scores
from tasks.sentiment import metrics
from tasks.training.batches import Batch
from tasks.training.dataset import Data, check_known, right_padded
from zoo.layers.naive_bayes import CrossFit
from zoo.models.head import in_slices


class Texts(Data):
    """The texts of one split as ids, and their targets.

    A subclass is one kind of prediction, and defines

        encoded(examples, labels)        targets, an array whose first axis is the examples
        score(targets, logits)           how good logits [N, K] are, higher is better
        loss(targets, logits, smoothing, weights)   a scalar, summed over the examples
        indicators(targets, K)           [N, K] of 0 and 1: which labels a text has
        balanced()                       `weights` of the loss: rare labels weigh as much as frequent ones
        costs(weights)                   what they make of each text and label, [N, K] or [N, 1]
    """

    unit, output = "nats", "probabilities"

    def __init__(self, head, examples):
        self.texts = [example.text for example in examples]
        self.targets = self.encoded(examples, head.labels)
        self.wanted, self.labels, self.head = self.targets, head.labels, head
        self.crossfit, self.wide = None, None
        self.ids = [row for some in self.slices() for row in head.text(some).numpy()]
        self.lengths = np.array([len(row) for row in self.ids])

    @functools.cached_property
    def code_points(self):
        """The words of each text: see `zoo.text.tokenizer.Text.code_points`."""
        return [row[:np.count_nonzero(row[:, 0])] for some in self.slices()
                for row in self.head.text.code_points(some).numpy()]

    @property
    def reads(self):
        """The names of the network's inputs."""
        return self.head.network.reads

    def slices(self, size=1024):
        """The texts, some at a time."""
        return (self.texts[n:n + size] for n in range(0, len(self.texts), size))

    def learn_scale(self, head):
        """Learn numbers of mean 0 and deviation 1, whatever their unit; the head turns them back."""
        head.mean, head.deviation = float(self.targets.mean()), float(self.targets.std()) or 1.0
        self.standardise(head)

    def standardise(self, head):
        """Take the targets on the scale that the head has learnt."""
        self.wanted = (self.targets - head.mean) / head.deviation

    def count(self, network, seed):
        """Count log-count ratios, for the network and, out of fold, for training on these texts."""
        indicators = self.indicators(self.targets, network.ratios.outputs)
        ids = [np.asarray(network.known(ids)) for ids in self.ids]
        self.crossfit = CrossFit(ids, indicators, network.ratios.vocabulary_size, seed)
        self.crossfit.give(network.ratios)

    def fit_linear(self, layer, seed, weights=None):
        """Fit a linear model of n-grams; → what it says of these texts out of fold, [N, K]."""
        return linear.fit_layer(
            layer, self.in_batches, self.wanted, lambda z: self.score(self.wanted, z),
            self.head.kind == "regression", seed, 1.0 if weights is None else self.costs(weights))

    def in_batches(self, size=64):
        """The code points of some texts at a time, in order."""
        return (stacked(self.code_points[n:n + size]) for n in range(0, len(self), size))

    def batch(self, rows):
        """One training step's data, padded to its longest text."""
        inputs = {"ids": right_padded([self.ids[row] for row in rows])} if "ids" in self.reads else {}
        if self.crossfit:
            ids = np.asarray(self.head.network.known(inputs["ids"]))
            inputs["ratios"] = self.crossfit.ratios(rows, ids)
        if self.wide is not None:
            inputs["wide"] = self.wide[rows]
        return Batch(inputs, self.wanted[rows], len(rows), int(self.lengths[rows].sum()))

    def padded(self, rows):
        """What the network reads of some texts, 0 after the end."""
        read = {"ids": lambda: right_padded([self.ids[row] for row in rows]),
                "code_points": lambda: stacked([self.code_points[row] for row in rows])}
        return {name: read[name]() for name in self.reads}

    def served(self, signatures):
        """The predictions of a loaded SavedModel for the texts themselves."""
        serve, output = signatures["serving_default"], self.output
        return np.array(in_slices(lambda strings: serve(text=strings), self.texts,
                                  lambda row: row[output]))


class SingleLabel(Texts):
    """One label a text."""

    monitor = quality = "accuracy"
    score = staticmethod(metrics.accuracy)

    @staticmethod
    def encoded(examples, labels):
        check_known((example.label for example in examples), labels)
        number = {label: n for n, label in enumerate(labels)}
        return np.array([number[example.label] for example in examples], np.int32)

    @staticmethod
    def loss(targets, logits, smoothing, weights=None):
        """-Σ w·q·log softmax(logits), q the target with a share `smoothing` spread over all classes.

        w [C], by the target's class, is 1 without `weights`.
        """
        classes = logits.shape[-1]
        q = tf.one_hot(targets, classes) * (1 - smoothing) + smoothing / classes
        losses = tf.nn.softmax_cross_entropy_with_logits(q, logits)
        return tf.reduce_sum(losses if weights is None else losses * tf.gather(weights, targets))

    def balanced(self):
        """N / (C·n_c) of each class, as scikit-learn's class_weight="balanced"."""
        counts = np.bincount(self.targets, minlength=len(self.labels))
        return np.float32(len(self.targets) / (len(self.labels) * np.maximum(counts, 1)))

    def costs(self, weights):
        return weights[self.targets][:, None]

    @staticmethod
    def indicators(targets, count):
        return np.eye(count)[targets]

    def metrics(self, predictions):
        return metrics.classification(self.targets, predictions)

    def rows(self, predictions):
        for text, target, row in zip(self.texts, self.targets, predictions):
            yield {"text": text, "label": self.labels[target], "predicted": self.labels[np.argmax(row)],
                   "confidence": float(np.max(row)), "probabilities": by_label(self.labels, row)}

    def details(self, predictions):
        matrix = metrics.confusion_matrix(self.targets, predictions)
        wrong = [row for row in self.rows(predictions) if row["label"] != row["predicted"]]
        return {"per_class": per_class(self.labels, np.diag(matrix), matrix.sum(0), matrix.sum(1)),
                "confusion_matrix": {"labels": self.labels, "counts": matrix.tolist()},
                "errors": worst(wrong, "confidence")}


class MultiLabel(Texts):
    """Any number of labels a text."""

    monitor = quality = "micro_f1"

    @staticmethod
    def score(targets, logits):
        return metrics.multi_label(targets, calibration.sigmoid(logits))["micro_f1"]

    @staticmethod
    def encoded(examples, labels):
        check_known((label for example in examples for label in example.label), labels)
        return np.array([[label in example.label for label in labels] for example in examples],
                        np.float32)

    @staticmethod
    def loss(targets, logits, smoothing, weights=None):
        """-Σ w·(q·log σ(logits) + (1 - q)·log σ(-logits)), summed over labels too.

        w is the first row of `weights` [2, C] where a label is absent, else the second.
        """
        q = targets * (1 - smoothing) + smoothing / 2
        losses = tf.nn.sigmoid_cross_entropy_with_logits(q, logits)
        return tf.reduce_sum(losses if weights is None else
                             losses * tf.where(targets > 0, weights[1], weights[0]))

    def balanced(self):
        """N / (2·n) of the texts without and with each label."""
        given = self.targets.sum(0)
        counts = np.stack([len(self.targets) - given, given])
        return np.float32(len(self.targets) / (2 * np.maximum(counts, 1)))

    def costs(self, weights):
        return np.where(self.targets > 0, weights[1], weights[0])

    @staticmethod
    def indicators(targets, count):
        return targets

    def metrics(self, predictions):
        return metrics.multi_label(self.targets, predictions, self.head.thresholds)

    def metrics_of_baseline(self, predictions):
        return metrics.multi_label(self.targets, predictions)

    def rows(self, predictions):
        for text, target, row in zip(self.texts, self.targets, predictions):
            yield {"text": text, "label": chosen(self.labels, target),
                   "predicted": chosen(self.labels, row, self.head.thresholds),
                   "probabilities": by_label(self.labels, row)}

    def details(self, predictions):
        truth, found = self.targets > 0.5, np.asarray(predictions) > self.head.thresholds
        surest = np.max(np.where(found, predictions, 1 - np.asarray(predictions)) * (truth != found), 1)
        wrong = [{**row, "confidence": float(p)} for row, p in zip(self.rows(predictions), surest)
                 if row["label"] != row["predicted"]]
        return {"per_class": per_class(self.labels, (truth & found).sum(0), found.sum(0), truth.sum(0)),
                "errors": worst(wrong, "confidence")}


class Regression(Texts):
    """A number a text; the loss takes targets of mean 0 and deviation 1."""

    unit, output = "variance of the targets", "values"
    monitor, mode, quality = "mean_squared_error", "min", "r_squared"

    @staticmethod
    def encoded(examples, labels):
        return np.array([[example.label] for example in examples], np.float32)

    @staticmethod
    def score(targets, values):
        return -np.square(targets - values).mean()

    @staticmethod
    def loss(targets, values, smoothing, weights=None):
        return tf.reduce_sum(tf.square(targets - values))

    def balanced(self):
        raise ValueError("class_weight: expected labels to weigh, received numbers; leave it out")

    def metrics(self, predictions):
        return metrics.regression(self.targets[:, 0], np.reshape(predictions, -1))

    def rows(self, predictions):
        for text, target, value in zip(self.texts, self.targets[:, 0], np.reshape(predictions, -1)):
            yield {"text": text, "label": float(target), "predicted": float(value)}

    def details(self, predictions):
        return {"errors": worst([{**row, "error": abs(row["label"] - row["predicted"])}
                                 for row in self.rows(predictions)], "error")}


def stacked(arrays):
    """Arrays [T, C] of different sizes as one, 0 after their ends: [N, T, C], T ≥ 1.

    >>> stacked([np.ones([2, 1]), np.ones([0, 3])]).tolist()
    [[[1, 0, 0], [1, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    """
    steps, letters = np.max([array.shape for array in arrays], 0)
    whole = np.zeros([len(arrays), max(1, steps), letters], np.int32)
    for some, array in zip(whole, arrays):
        some[:array.shape[0], :array.shape[1]] = array
    return whole


DATASETS = {"single": SingleLabel, "multi": MultiLabel, "regression": Regression}


def by_label(labels, row):
    """{label: probability}."""
    return dict(zip(labels, map(float, row)))


def chosen(labels, row, thresholds=None):
    """The labels of a text of several, of 0 and 1 or of probabilities [C] above thresholds [C].

    >>> chosen(["a", "b", "c"], [0.9, 0.1, 0.4], [0.5, 0.5, 0.3])
    ['a', 'c']
    """
    return [label for label, p, least in zip(labels, row, thresholds or [0.5] * len(labels)) if p > least]


def per_class(labels, right, predicted, support):
    """{label: scores} of counts [C]."""
    return {label: scores(*counts) for label, *counts in zip(labels, right, predicted, support)}


def worst(rows, key):
    """The rows where a number is largest, without all their probabilities."""
    rows = sorted(rows, key=lambda row: -row[key])[:ERRORS]
    return [{name: value for name, value in row.items() if name != "probabilities"} for row in rows]
