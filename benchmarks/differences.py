"""Metrics of predictions that can be computed again for texts drawn with replacement: paired bootstrap.

A metric is a function of means over texts: each text counts in some numbers, as right, predicted and true
labels, and the metric is computed of their means, as F1 = 2·right / (predicted + true).

Source:  Efron & Tibshirani 1993; for systems of language, Koehn 2004
"""

import typing

import numpy as np

from tasks.reporting.comparison import bootstrap
from zoo.text.spans import spans

SAMPLES = 10_000


class Measure(typing.NamedTuple):
    """counts   (label, prediction) of a text → a list of numbers
    value    the list of their means → the metric
    """

    counts: typing.Callable
    value: typing.Callable


def overlap(label, predicted):
    """How many of two sets are in both, in the predicted one and in the true one."""
    label, predicted = set(label), set(predicted)
    return [len(label & predicted), len(predicted), len(label)]


def f1(means):
    right, predicted, true = means
    return 2 * right / max(predicted + true, 1e-12)


def explained(means):
    """R² of the means of (y − ŷ)², y² and y; 0 where all y are equal."""
    error, square, mean = means
    variance = square - mean ** 2
    return 1 - error / variance if variance > 1e-12 else 0.0


MEASURES = {
    "accuracy": Measure(lambda label, predicted: [label == predicted], lambda means: means[0]),
    "micro_f1": Measure(overlap, f1),
    "r_squared": Measure(lambda y, found: [(y - found) ** 2, y ** 2, y], explained),
    "span_f1": Measure(lambda label, predicted: overlap(spans(label), spans(predicted)), f1),
    "token_accuracy": Measure(lambda label, predicted: [
        sum(a == b for a, b in zip(label, predicted)), len(label)], lambda means: means[0] / means[1]),
}


def counted(metric, labels, predicted):
    """What each text counts in: [N, …]."""
    counts = MEASURES[metric].counts
    return np.array([counts(*pair) for pair in zip(labels, predicted, strict=True)], np.float64)


def score(metric, labels, predicted):
    """The metric of predictions.

    >>> float(score("micro_f1", [["a", "b"], []], [["a"], ["c"]]))
    0.5
    """
    return float(MEASURES[metric].value(counted(metric, labels, predicted).mean(0)))


def difference(metric, labels, ours, theirs, samples=SAMPLES):
    """The metric of ours − that of theirs, and its 95 % interval: (difference, low, high)."""
    pairs = np.stack([counted(metric, labels, one) for one in (ours, theirs)], 1)

    def apart(means):
        return MEASURES[metric].value(means[0]) - MEASURES[metric].value(means[1])

    return (float(apart(pairs.mean(0))), *bootstrap(pairs, apart, samples))
