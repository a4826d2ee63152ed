"""What a classifier reads of a part of a corpus."""

import numpy as np
import tensorflow as tf

from tasks.sentiment import metrics
from tasks.training.batches import Batch
from tasks.training.dataset import Data, right_padded
from zoo.layers.naive_bayes import CrossFit
from zoo.models.head import in_slices


class Texts(Data):
    """The texts of one part as ids, and their targets.

    A subclass is one kind of answer, and says

        encoded(examples, labels)        targets, an array whose first axis is the examples
        loss(targets, logits, smoothing) a scalar, summed over the examples
        indicators(targets, K)           [N, K] of 0 and 1: which labels a text has
    """

    unit, output = "nats", "probabilities"

    def __init__(self, head, examples):
        self.texts = [example.text for example in examples]
        self.targets = self.encoded(examples, head.labels)
        self.ids = [row for n in range(0, len(self.texts), 1024)
                    for row in head.text(self.texts[n:n + 1024]).numpy()]
        self.lengths = np.array([len(row) for row in self.ids])
        self.wanted, self.crossfit = self.targets, None

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
    def loss(targets, logits, smoothing):
        """-Σ q·log softmax(logits), q the target with a share `smoothing` spread over all classes."""
        classes = logits.shape[-1]
        q = tf.one_hot(targets, classes) * (1 - smoothing) + smoothing / classes
        return tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits(q, logits))

    @staticmethod
    def indicators(targets, count):
        return np.eye(count)[targets]

    def measures(self, answers):
        return metrics.classification(self.targets, answers)


class MultiLabel(Texts):
    """Any number of labels a text."""

    monitor = quality = "micro_f1"

    @staticmethod
    def encoded(examples, labels):
        check_known((label for example in examples for label in example.label), labels)
        return np.array([[label in example.label for label in labels] for example in examples],
                        np.float32)

    @staticmethod
    def loss(targets, logits, smoothing):
        """-Σ q·log σ(logits) + (1 - q)·log σ(-logits), summed over labels too."""
        q = targets * (1 - smoothing) + smoothing / 2
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(q, logits))

    @staticmethod
    def indicators(targets, count):
        return targets

    def measures(self, answers):
        return metrics.multi_label(self.targets, answers)


class Regression(Texts):
    """A number a text; the loss takes targets of mean 0 and deviation 1."""

    unit, output = "variance of the targets", "values"
    monitor, mode, quality = "mean_squared_error", "min", "r_squared"

    @staticmethod
    def encoded(examples, labels):
        return np.array([[example.label] for example in examples], np.float32)

    @staticmethod
    def loss(targets, values, smoothing):
        return tf.reduce_sum(tf.square(targets - values))

    def measures(self, answers):
        return metrics.regression(self.targets[:, 0], np.reshape(answers, -1))


DATASETS = {"single": SingleLabel, "multi": MultiLabel, "regression": Regression}


def check_known(found, labels):
    """Refuse a label that the model does not know."""
    unknown = next((label for label in found if label not in labels), None)
    if unknown is not None:
        raise ValueError(f"the corpus has a label the model does not know, {unknown!r}; expected "
                         f"labels among {', '.join(map(repr, labels))}")
