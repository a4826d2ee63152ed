"""What differs between one label, several labels and a number: targets, loss, measures."""

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from tasks.naive_bayes import multinomial_naive_bayes, naive_bayes
from tasks.sentiment import baselines, metrics


@dataclasses.dataclass(frozen=True)
class Objective:
    """One kind of answer.

    targets   (examples, labels) → array, first axis the examples
    loss      (targets, logits, smoothing) → scalar, summed over the examples; regression has
              targets of mean 0 and deviation 1
    unit      of the loss
    measures  (targets, answers) → {name: number}
    monitor   the measure that chooses, and whether "max" or "min" of it is best
    quality   the measure that judges exported files: higher is better, whatever the targets' unit
    output    the name of the answers in every signature
    members   (targets, K) → [N, K] of 0 and 1: which labels a text has
    baselines {name: (examples, texts, labels) → answers}
    budget    how much of its quality an exported file may lose
    """

    targets: typing.Callable
    loss: typing.Callable
    unit: str
    measures: typing.Callable
    monitor: str
    mode: str
    quality: str
    output: str
    members: typing.Callable
    baselines: dict
    budget: float = 0.005


def _class_numbers(examples, labels):
    _check_known((example.label for example in examples), labels)
    number = {label: n for n, label in enumerate(labels)}
    return np.array([number[example.label] for example in examples], np.int32)


def _flags(examples, labels):
    _check_known((label for example in examples for label in example.label), labels)
    return np.array([[label in example.label for label in labels] for example in examples],
                    np.float32)


def _check_known(found, labels):
    unknown = next((label for label in found if label not in labels), None)
    if unknown is not None:
        raise ValueError(f"the corpus has a label the model does not know, {unknown!r}; expected "
                         f"labels among {', '.join(map(repr, labels))}")


def _numbers(examples, labels):
    return np.array([[example.label] for example in examples], np.float32)


def _cross_entropy(targets, logits, smoothing):
    """-Σ q·log softmax(logits), q the target with a share `smoothing` spread over all classes."""
    classes = logits.shape[-1]
    q = tf.one_hot(targets, classes) * (1 - smoothing) + smoothing / classes
    return tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits(q, logits))


def _binary_cross_entropy(targets, logits, smoothing):
    """-Σ q·log σ(logits) + (1 - q)·log σ(-logits), summed over labels too."""
    q = targets * (1 - smoothing) + smoothing / 2
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(q, logits))


def _squared_error(targets, values, smoothing):
    return tf.reduce_sum(tf.square(targets - values))


OBJECTIVES = {
    "single": Objective(
        _class_numbers, _cross_entropy, "nats", metrics.classification,
        "accuracy", "max", "accuracy", "probabilities",
        lambda targets, width: np.eye(width)[targets],
        {"majority": baselines.majority, "naive Bayes (NLTK)": naive_bayes,
         "multinomial naive Bayes": multinomial_naive_bayes}),
    "multi": Objective(
        _flags, _binary_cross_entropy, "nats", metrics.multi_label,
        "micro_f1", "max", "micro_f1", "probabilities", lambda targets, width: targets,
        {"majority": baselines.majority,
         "naive Bayes (NLTK)": baselines.naive_bayes_multi_label}),
    "regression": Objective(
        _numbers, _squared_error, "variance of the targets",
        lambda targets, values: metrics.regression(targets[:, 0], np.reshape(values, -1)),
        "mean_squared_error", "min", "r_squared", "values", None,
        {"mean": lambda train, texts, labels: baselines.mean(train, texts)}),
}
