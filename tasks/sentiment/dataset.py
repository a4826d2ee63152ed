"""What a classifier reads of a part of a corpus."""

import numpy as np
import tensorflow as tf

from tasks.reporting.report import ERRORS, scores
from tasks.sentiment import metrics
from tasks.training.batches import Batch
from tasks.training.dataset import Data, right_padded
from zoo.layers.naive_bayes import CrossFit
from zoo.models.head import in_slices


class Texts(Data):
    """The texts of one part as ids, and their targets.

    A subclass is one kind of answer, and says

        encoded(examples, labels)        targets, an array whose first axis is the examples
        loss(targets, logits, smoothing, weights)   a scalar, summed over the examples
        indicators(targets, K)           [N, K] of 0 and 1: which labels a text has
        balanced()                       `weights` of the loss: rare labels weigh as much as frequent ones
    """

    unit, output = "nats", "probabilities"

    def __init__(self, head, examples):
        self.texts = [example.text for example in examples]
        self.targets = self.encoded(examples, head.labels)
        self.ids = [row for n in range(0, len(self.texts), 1024)
                    for row in head.text(self.texts[n:n + 1024]).numpy()]
        self.lengths = np.array([len(row) for row in self.ids])
        self.wanted, self.crossfit, self.labels, self.head = self.targets, None, head.labels, head

    def standardise(self, head):
        """Learn numbers of mean 0 and deviation 1, whatever their unit; the head turns them back."""
        head.mean, head.deviation = float(self.targets.mean()), float(self.targets.std()) or 1.0
        self.wanted = (self.targets - head.mean) / head.deviation

    def count(self, network, seed):
        """Count log-count ratios, for the network and, out of fold, for training on these texts."""
        indicators = self.indicators(self.targets, network.ratios.outputs)
        self.crossfit = CrossFit(self.ids, indicators, network.ratios.vocabulary_size, seed)
        self.crossfit.give(network.ratios)

    def batch(self, rows):
        """One training step's data, padded to its longest text."""
        ids = self.padded(rows)["ids"]
        if self.crossfit:
            ids = ids, self.crossfit.ratios(rows, ids)
        return Batch(ids, self.wanted[rows], len(rows), int(self.lengths[rows].sum()))

    def padded(self, rows):
        """The ids of some texts: [rows, T], 0 after the end."""
        return {"ids": right_padded([self.ids[row] for row in rows])}

    def served(self, signatures):
        """What a loaded SavedModel answers to the texts themselves."""
        serve, output = signatures["serving_default"], self.output
        return np.array(in_slices(lambda strings: serve(text=strings), self.texts,
                                  lambda row: row[output]))


class SingleLabel(Texts):
    """One label a text."""

    monitor = quality = "accuracy"

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

    @staticmethod
    def indicators(targets, count):
        return np.eye(count)[targets]

    def measures(self, answers):
        return metrics.classification(self.targets, answers)

    def predictions(self, answers):
        for text, target, row in zip(self.texts, self.targets, answers):
            yield {"text": text, "label": self.labels[target], "predicted": self.labels[np.argmax(row)],
                   "confidence": float(np.max(row)), "probabilities": by_label(self.labels, row)}

    def details(self, answers):
        matrix = metrics.confusion_matrix(self.targets, answers)
        wrong = [row for row in self.predictions(answers) if row["label"] != row["predicted"]]
        return {"per_class": per_class(self.labels, np.diag(matrix), matrix.sum(0), matrix.sum(1)),
                "confusion_matrix": {"labels": self.labels, "counts": matrix.tolist()},
                "errors": worst(wrong, "confidence")}


class MultiLabel(Texts):
    """Any number of labels a text."""

    monitor = quality = "micro_f1"

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

    @staticmethod
    def indicators(targets, count):
        return targets

    def measures(self, answers):
        return metrics.multi_label(self.targets, answers, self.head.thresholds)

    def predictions(self, answers):
        for text, target, row in zip(self.texts, self.targets, answers):
            yield {"text": text, "label": chosen(self.labels, target),
                   "predicted": chosen(self.labels, row, self.head.thresholds),
                   "probabilities": by_label(self.labels, row)}

    def details(self, answers):
        truth, found = self.targets > 0.5, np.asarray(answers) > self.head.thresholds
        surest = np.max(np.where(found, answers, 1 - np.asarray(answers)) * (truth != found), 1)
        wrong = [{**row, "confidence": float(p)} for row, p in zip(self.predictions(answers), surest)
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
    def loss(targets, values, smoothing, weights=None):
        return tf.reduce_sum(tf.square(targets - values))

    def balanced(self):
        raise ValueError("class_weight: expected labels to weigh, received numbers; leave it out")

    def measures(self, answers):
        return metrics.regression(self.targets[:, 0], np.reshape(answers, -1))

    def predictions(self, answers):
        for text, target, value in zip(self.texts, self.targets[:, 0], np.reshape(answers, -1)):
            yield {"text": text, "label": float(target), "predicted": float(value)}

    def details(self, answers):
        return {"errors": worst([{**row, "error": abs(row["label"] - row["predicted"])}
                                 for row in self.predictions(answers)], "error")}


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


def check_known(found, labels):
    """Refuse a label that the model does not know."""
    unknown = next((label for label in found if label not in labels), None)
    if unknown is not None:
        raise ValueError(f"the corpus has a label the model does not know, {unknown!r}; expected "
                         f"labels among {', '.join(map(repr, labels))}")
