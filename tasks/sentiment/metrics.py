"""How good predictions are: scikit-learn's metrics.

Shapes: N examples, C classes. Labels are class numbers [N], or 0/1 flags [N, C] where an example
may carry several labels. Probabilities are [N, C]; a model that has none predicts flags, which are
bool, and is measured without log loss and calibration. Logarithms are natural. Every number is a
Python float, ready for JSON.
"""
import math

import numpy as np
from sklearn import metrics as peer

from tasks.calibration import classes, expected_calibration_error, flags, not_empty

SMALLEST = 1e-15    # a probability of zero would cost infinitely much


def classification(labels, probabilities):
    """The metrics of a single-label classifier in one dictionary.

    >>> classification([0, 1], [[0.75, 0.25], [0.75, 0.25]])["accuracy"]
    0.5
    """
    found = {"accuracy": accuracy(labels, probabilities), "macro_f1": macro_f1(labels, probabilities)}
    if are_flags(probabilities):
        return found
    return {**found, "log_loss": log_loss(labels, probabilities),
            "expected_calibration_error": expected_calibration_error(labels, probabilities)}


def are_flags(predictions):
    """Whether predictions are flags, and no probabilities."""
    return np.asarray(predictions).dtype == bool


def multi_label(labels, probabilities, thresholds=0.5):
    """The metrics of a multi-label classifier; a label is given above its threshold, [C] or one for all.

    micro_f1, macro_f1: as `macro_f1` has it, from the counts of all labels together, and label by label.
    subset_accuracy: the part of the examples whose labels are all right.
    expected_calibration_error: over all N·C decisions, each a choice between given and not.
    """
    are_sure, (labels, probabilities) = are_flags(probabilities), flags(labels, probabilities)
    found = probabilities > (0.5 if are_sure else np.asarray(thresholds))
    occurs = np.flatnonzero((labels | found).any(axis=0))
    scores = {
        "micro_f1": _f1(labels, found, occurs, "micro"),
        "macro_f1": _f1(labels, found, occurs, "macro"),
        "subset_accuracy": float(peer.accuracy_score(labels, found)),
    }
    return scores if are_sure else {
        **scores, "log_loss": log_loss(labels, probabilities),
        "expected_calibration_error": expected_calibration_error(
            labels.ravel(), np.stack([1 - probabilities.ravel(), probabilities.ravel()], 1))}


def regression(targets, predictions):
    """Mean squared and absolute error, R² (0 if the targets are constant), and Pearson's correlation (0
    if one side is).

        R² = 1 − mean squared error / variance of the targets

    >>> regression([1.0, 2.0, 3.0], [1.0, 2.0, 5.0])["mean_absolute_error"]
    0.6666666666666666
    """
    targets, predictions = _vectors(targets, predictions)
    squared = float(peer.mean_squared_error(targets, predictions))
    return {
        "mean_squared_error": squared,
        "mean_absolute_error": float(peer.mean_absolute_error(targets, predictions)),
        "r_squared": float(1 - squared / np.var(targets)) if np.var(targets) > SMALLEST else 0.0,
        "pearson": pearson(targets, predictions),
    }


def accuracy(labels, probabilities):
    """The part of the examples whose most probable class is the right one."""
    labels, probabilities = classes(labels, probabilities)
    return float(peer.accuracy_score(labels, probabilities.argmax(axis=1)))


def macro_f1(labels, probabilities):
    """F1 averaged over the classes that occur among the labels or the predictions.

        F1 = 2·TP / (2·TP + FP + FN)

    A class that neither has is left out, so that perfect predictions score 1; they do also where no class
    occurs, as flags can have it. This is scikit-learn's f1_score of the classes that occur, else its
    zero_division=1.
    """
    labels, probabilities = classes(labels, probabilities)
    found = probabilities.argmax(axis=1)
    return _f1(labels, found, np.union1d(labels, found), "macro")


def log_loss(labels, probabilities):
    """Mean negative logarithm of the probability given to the truth, in nats.

    With labels [N, C] each flag counts on its own (binary cross entropy, mean over N and C).
    """
    if np.ndim(labels) == 2:
        labels, probabilities = flags(labels, probabilities)
        given = np.where(labels, probabilities, 1 - probabilities)
    else:
        labels, probabilities = classes(labels, probabilities)
        given = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(given, SMALLEST)).mean())


def confusion_matrix(labels, probabilities):
    """[C, C] counts: row the true class, column the predicted one."""
    labels, probabilities = classes(labels, probabilities)
    return peer.confusion_matrix(labels, probabilities.argmax(axis=1),
                                 labels=np.arange(probabilities.shape[1]))


def fit_thresholds(labels, probabilities):
    """For each label [N, C] the threshold that gives the best F1 on these examples, [C].

    It lies halfway between two probabilities that occur; of equally good ones it is the nearest to 0.5,
    and 0.5 for a label that no example has.

    >>> fit_thresholds([[1], [1], [0]], [[0.4], [0.3], [0.1]])
    [0.2]
    """
    labels, probabilities = flags(labels, probabilities)
    return [_threshold(*column) for column in zip(labels.T, probabilities.T)]


def _threshold(labels, p):
    order = np.argsort(-p, kind="stable")
    p, right = p[order], np.cumsum(labels[order])
    if not right[-1]:
        return 0.5
    f1 = 2 * right / (np.arange(1, len(p) + 1) + right[-1])
    after = np.append(p[1:], 0.0)
    cuts, f1 = ((p + after) / 2)[p > after], f1[p > after]
    best = cuts[f1 >= f1.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])


def pearson(a, b):
    """cov(a, b) / (σ_a·σ_b); 0 where it is undefined because one side is constant."""
    a, b = (values - values.mean() for values in _vectors(a, b))
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale else 0.0


def _f1(labels, found, classes, average):
    """F1 over some classes; 1 if there is none."""
    if not len(classes):
        return 1.0
    if labels.ndim == 2 and labels.shape[1] == 1:       # which scikit-learn takes for two classes
        return float(peer.f1_score(labels[:, 0], found[:, 0], zero_division=0))
    return float(peer.f1_score(labels, found, labels=classes, average=average, zero_division=0))


def _vectors(targets, predictions):
    targets, predictions = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    if targets.ndim != 1 or predictions.shape != targets.shape:
        raise ValueError("expected targets and predictions [N], received "
                         f"{list(targets.shape)} and {list(predictions.shape)}")
    not_empty(targets)
    return targets, predictions
