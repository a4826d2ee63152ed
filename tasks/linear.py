"""The linear model of n-grams: support vector machines with a squared hinge, a label against the rest.

    minimise  λ/2·|w|² + ½·Σ_i c_i·max(0, 1 − y_i f_i)²        f_i = w·x_i, y_i = ±1

by dual coordinate descent: w = Σ β_i x_i, and example by example, for all labels at once,

    β_i ← β_i + (y_i − f_i − λβ_i/c_i) / (|x_i|² + λ/c_i)        0 where the sign is not that of y_i

For numbers the loss is ½·c_i·(y_i − f_i)², and β_i has any sign. A feature may weigh more where it says
more of the labels: the penalty is λ/2·Σ_f (w_f/s_f)², with the same s_f = 1 for all, or

    s_f ∝ 0.3 + √(2·Σ_k [q·log(q/p_k) + (1−q)·log((1−q)/(1−p_k))])      q = (n_fk + p_k) / (n_f + 1)

p_k the share of texts that have label k, n_f the texts that have feature f, n_fk those of label k. s and
λ are the ones that predict best out of fold; those predictions are also what a network learns to
correct, because a model looks too sure of the texts it was fitted on.

Source: Hsieh et al. 2008 (dual coordinate descent); Wang & Manning 2012 (features scaled by what they say
        of the labels); Wolpert 1992 (stacking out-of-fold predictions)
"""

import typing

import numpy as np
import tensorflow as tf

from tasks import calibration

PENALTIES = 2.0, 0.5, 0.12     # λ; each fit starts from the one before
SAME = 0.3                      # what s has of a feature that says nothing
FOLDS = 5
EPOCHS, CLOSE = 10, 0.02            # passes for one λ; fewer once β changes by a smaller share


class Row(typing.NamedTuple):
    """The features of a text that are not 0."""

    places: np.ndarray
    values: np.ndarray


class Fit(typing.NamedTuple):
    """kernel [V, K], bias [K], and the predictions of a model for texts it has not seen, [N, K]."""

    kernel: np.ndarray
    bias: np.ndarray
    out_of_fold: np.ndarray

    def scaled(self, factor):
        """The model that says `factor` times as much."""
        return Fit(*(factor * array for array in self))

    def give(self, layer):
        """Put the weights into an `NGrams`."""
        layer.kernel.assign(self.kernel)
        layer.bias.assign(self.bias)


def fit_layer(layer, batches, targets, score, numbers=False, seed=0, costs=1.0):
    """Fit an `NGrams` and put the weights into it; → what it says of these texts out of fold, [N, K].

    Of labels it says it as sure as it is right: by the temperature of those predictions.

    Args:    batches  () → the code points of some texts at a time, in order: arrays [B, T, C]
             targets  [N] of int, [N, K] of 0 and 1, or numbers [N, K]
             score, numbers, seed, costs   as of `fit`
    """
    seen = sum((n > 0).sum(0) for n in compiled(layer.counts, batches()))
    layer.idf.assign(np.log((1 + len(targets)) / (1 + seen)) + 1)
    rows = [row for x in compiled(layer.features, batches()) for row in rows_of(x)]
    flags = np.eye(layer.outputs)[targets] if np.ndim(targets) == 1 else targets
    wanted = targets if numbers else 2 * flags - 1
    found = fit(rows, wanted, layer.buckets, score, numbers, seed, costs)
    if not numbers:
        found = found.scaled(1 / calibration.fit_temperature(found.out_of_fold, targets))
    found.give(layer)
    return found.out_of_fold


def compiled(function, batches):
    """function(code points) of each batch, as a graph: arrays."""
    graph = tf.function(function, [tf.TensorSpec([None] * 3, tf.int32)], autograph=False)
    return (graph(batch).numpy() for batch in batches)


def rows_of(x):
    """Features [N, V] → a `Row` each."""
    return [Row(places, line[places]) for line in x for places in [np.flatnonzero(line)]]


def fit(rows, targets, width, score, numbers=False, seed=0, costs=1.0):
    """The model whose s and λ have the best score out of fold.

    Args:    rows     a `Row` a text
             targets  [N, K] of ±1, or numbers
             width    V
             score    predictions [N, K] → the higher the better
             costs    c, that can be broadcast to [N, K]
    """
    rows = [Row(np.append(row.places, width), np.append(row.values, np.float32(1))) for row in rows]
    targets, rng = np.asarray(targets, np.float32), np.random.default_rng(seed)
    costs = np.broadcast_to(np.float32(costs), targets.shape)
    fold = rng.permutation(len(rows)) % FOLDS
    scales = [uniform] if numbers else [uniform, informed]

    def path(some, scale):
        """(weights of all rows' features, as they are, for each λ) of the model of some texts."""
        inside, wanted = [rows[i] for i in some], targets[some]
        s = scale(inside, wanted, width)
        scaled = [Row(row.places, row.values * s[row.places]) for row in inside]
        return (s[:, None] * weights for weights in solutions(scaled, wanted, costs[some], width, numbers,
                                                              rng))

    predictions = np.zeros((len(scales), len(PENALTIES), *targets.shape), np.float32)
    for n in range(FOLDS):
        outside = np.flatnonzero(fold == n)
        if not len(outside):
            continue
        for scale, of_scale in zip(scales, predictions):
            for weights, found in zip(path(np.flatnonzero(fold != n), scale), of_scale):
                found[outside] = [rows[i].values @ weights[rows[i].places] for i in outside]
    scores = np.array([[score(found) for found in of_scale] for of_scale in predictions])
    scale, penalty = np.unravel_index(np.argmax(scores), scores.shape)
    for _, weights in zip(range(penalty + 1), path(np.arange(len(rows)), scales[scale])):
        pass
    return Fit(weights[:-1], weights[-1], predictions[scale, penalty])


def uniform(rows, targets, width):
    """s [V + 1] where all features are alike."""
    return np.ones(width + 1, np.float32)


def informed(rows, targets, width):
    """s [V + 1] where features that say more of the labels may weigh more; |x|² stays in the mean."""
    has = targets > 0
    with_label, texts = np.zeros((width + 1, has.shape[1])), np.zeros((width + 1, 1))
    for row, label in zip(rows, has):
        with_label[row.places] += label
        texts[row.places] += 1
    p = np.clip(has.mean(0), 1e-6, 1 - 1e-6)
    q = (with_label + p) / (texts + 1)
    s = SAME + np.sqrt(2 * np.maximum(relative_entropy(q, p) + relative_entropy(1 - q, 1 - p), 0).sum(1))
    s[width] = 0    # the bias
    longer = np.mean([np.square(row.values * s[row.places]).sum() for row in rows])
    before = np.mean([np.square(row.values).sum() - 1 for row in rows])
    s *= np.sqrt(max(before, 1e-12) / max(longer, 1e-12))
    s[width] = 1
    return np.float32(s)


def relative_entropy(q, p):
    """q·log(q/p), 0 where q is 0."""
    return q * np.log(np.maximum(q, 1e-12) / p)


def solutions(rows, targets, costs, width, numbers, rng):
    """The weights [V + 1, K] for each λ, the bias last; each is the array of the one before, changed."""
    weights = np.zeros((width + 1, targets.shape[1]), np.float32)
    dual = np.zeros_like(targets)
    for penalty in PENALTIES:
        for _ in range(EPOCHS):
            changed = descend(rows, targets, penalty / costs, weights, dual, numbers, rng)
            if changed < CLOSE * np.abs(dual).sum():
                break
        yield weights


def descend(rows, targets, penalties, weights, dual, numbers, rng):
    """One pass over all texts, in a random order, that changes `weights` and `dual`; → Σ|Δβ|."""
    changed = 0.0
    for i in rng.permutation(len(rows)):
        places, values = rows[i]
        some, before, y, penalty = weights[places], dual[i], targets[i], penalties[i]
        after = before + (y - values @ some - penalty * before) / (values @ values + penalty)
        if not numbers:
            after = np.where(after * y > 0, after, 0)
        weights[places] = some + values[:, None] * (after - before)
        changed += float(np.abs(after - before).sum())
        dual[i] = after
    return changed
