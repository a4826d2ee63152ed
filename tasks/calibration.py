"""How much probabilities can be believed, and the temperature that makes them believable.

Shapes: N examples, C classes. Labels are class numbers [N], or 0/1 flags [N, C] where an example may
carry several labels. Probabilities are [N, C].
"""

import math

import numpy as np


def calibration(labels, probabilities, bins=15):
    """Examples grouped by confidence, their highest probability, in bins of equal width.

    Returns: count [bins], mean confidence [bins], accuracy [bins]; 0 where a bin is empty
    Source:  Guo et al. 2017, bin m holds the confidences in ((m-1)/M, m/M]
    """
    labels, probabilities = classes(labels, probabilities)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(int)
    count = np.bincount(bin_of, minlength=bins)
    sums = [np.bincount(bin_of, weights, bins) for weights in (confidence, right)]
    return count, *(total / np.maximum(count, 1) for total in sums)


def expected_calibration_error(labels, probabilities, bins=15):
    """Σ_m |B_m|/N · |accuracy(B_m) − confidence(B_m)|, Guo et al. 2017.

    >>> expected_calibration_error([0, 1], [[0.75, 0.25], [0.75, 0.25]])
    0.25
    """
    count, confidence, right = calibration(labels, probabilities, bins)
    return float(np.sum(count * np.abs(right - confidence)) / count.sum())


def fit_temperature(logits, labels, low=0.05, high=20.0):
    """The T between `low` and `high` that minimises the log loss of softmax(logits / T).

    With labels [N, C]: of sigmoid(logits / T). The loss is convex in 1/T, so on log T it has one
    minimum, found by golden section. Where every example is right by a margin there is none, for
    smaller is always better: that is no evidence, and T is 1. T never changes which class is first.

    >>> logits = [[4.0, 0.0]] * 4            # 98 % sure, but right three times out of four
    >>> T = fit_temperature(logits, [0, 0, 0, 1])
    >>> round(float(softmax([4.0 / T, 0.0])[0]), 4)
    0.75

    Source:  temperature scaling, Guo et al. 2017; golden section, Kiefer 1953
    """
    logits = np.asarray(logits, np.float64)
    (flags if np.ndim(labels) == 2 else classes)(labels, logits)
    log_t = _golden_section(lambda log_t: _surprise(logits / math.exp(log_t), labels),
                            math.log(low), math.log(high))
    return 1.0 if log_t - math.log(low) < 1e-3 else math.exp(log_t)


def softmax(logits):
    """exp(x_c) / Σ exp(x), over the last axis."""
    logits = np.asarray(logits, np.float64)
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def sigmoid(logits):
    """1 / (1 + exp(−x)), written with tanh so that nothing overflows."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, np.float64)))


def _golden_section(loss, low, high, tolerance=1e-6):
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    while high - low > tolerance:
        if loss_left <= loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - ratio * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + ratio * (high - low)
            loss_right = loss(right)
    return (low + high) / 2


def _surprise(logits, labels):
    """The log loss of logits, exact however sure they are."""
    if np.ndim(labels) == 2:
        return np.logaddexp(0, np.where(labels, -logits, logits)).mean()
    true = np.take_along_axis(logits, np.asarray(labels)[:, None], axis=1)[:, 0]
    return (np.logaddexp.reduce(logits, axis=1) - true).mean()


def classes(labels, probabilities):
    """Class numbers [N] and probabilities [N, C] as arrays. Raises ValueError: others."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if labels.ndim != 1 or probabilities.shape[:1] != labels.shape or probabilities.ndim != 2:
        raise ValueError("expected labels [N] and probabilities [N, C], received "
                         f"{list(labels.shape)} and {list(probabilities.shape)}")
    not_empty(labels)
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(f"expected labels from 0 to {probabilities.shape[1] - 1}, received "
                         f"{labels.min()} to {labels.max()}")
    return labels.astype(int), probabilities


def flags(labels, probabilities):
    """Flags and probabilities, both [N, C], as arrays. Raises ValueError: others."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if labels.ndim != 2 or probabilities.shape != labels.shape:
        raise ValueError("expected labels and probabilities [N, C], received "
                         f"{list(labels.shape)} and {list(probabilities.shape)}")
    not_empty(labels)
    return labels.astype(bool), probabilities


def not_empty(labels):
    """ValueError where there is nothing to measure."""
    if not len(labels):
        raise ValueError("expected at least one example to measure, received none")
