"""A linear-chain conditional random field: the best sequence of tags, not a sequence of best tags.

    s(x, y) = start[y_1] + Σ_t x_t[y_t] + Σ_{t>1} A[y_{t-1}, y_t] + end[y_T]
    log p(y|x) = s(x, y) − log Z(x)        Z(x) = Σ_y exp s(x, y)

x_t are a network's scores of the tags (logits), A those of one tag following another. Sums and maxima
over all C^T sequences are taken step by step:

    α_t[j] = x_t[j] + log Σ_i exp(α_{t-1}[i] + A[i, j])          all beginnings that end in j
    β_{t-1}[i] = log Σ_j exp(A[i, j] + x_t[j] + β_t[j])          all ends that come after i
    log Z = log Σ_j exp(α_T[j] + end[j])        P(y_t = j) = softmax_j(α_t[j] + β_t[j])

A step's sum is taken as a matrix product, exp(α − max α)·exp(A), not as a log-sum-exp over [B, C, C]:
it is cheaper, and the gradient of log Z in A becomes one product over all t. The columns of A are shifted
to a maximum of 0 first, so that a sum is nearly lost only if every tag that leads to j is e^55 times less
likely than the best tag of its step (float32). A batch with such a sum takes the log-sum-exp instead.

Masks may have any pattern: masked steps are skipped. A row without steps has one path, of score 0.

Outside arrays are batch-major: emissions x [B, T, C], tags and mask [B, T]; in the loops time-major.

Source: Lafferty et al. 2001; Rabiner 1989 (α, β, Viterbi); Collobert et al. 2011 (start scores, training
        a network); Huang et al. 2015 (over an LSTM); Seshadri & Sundberg 1994 (the k best paths)
"""

import keras
import numpy as np
import tensorflow as tf

from zoo.ops.masks import cleared
from zoo.ops.ranges import in_range
from zoo.ops.while_loop import loop, put, reserve, stack
from zoo.text.spans import may_follow

FORBIDDEN = -1e4  # finite in float16 too; more than the scores of a few tags can outweigh
NO_PATH = -1e9  # the score where fewer than k paths exist


def score(emissions, tags, mask, transitions, start, end):
    """s(x, y) of one path a row. Differentiable: the gradient is the path's counts. → [B]

    A masked step may hold any tag and any emissions.

    Raises:  ValueError: a tag of an unmasked step outside 0 … C-1; in a graph an error of TensorFlow, and
             −∞ where XLA leaves checks out
    """
    count = emissions.shape[-1]
    tags = tf.cast(tags, tf.int32)
    tags, known = in_range("tags at unmasked steps", tf.where(mask, tags, 0), count)
    first, last = _ends(mask)
    chosen = tf.one_hot(tf.where(mask, tags, -1), count, True, False, dtype=tf.bool)
    ends = tf.where(first, tf.gather(start, tags), 0) + tf.where(last, tf.gather(end, tags), 0)
    moves = tf.reduce_sum(_moves(tags, mask, transitions), 1)
    scores = tf.reduce_sum(tf.where(chosen, emissions, 0), [1, 2]) + tf.reduce_sum(ends, 1) + moves
    return tf.where(tf.reduce_all(known, 1), scores, -np.inf)


def _moves(tags, mask, transitions):
    """A[y_{t-1}, y_t] of each row's unmasked steps, then zeros: [B, T-1]."""
    # A stable sort puts the unmasked steps side by side.
    path = tf.gather(tags, tf.argsort(tf.cast(~mask, tf.int32), stable=True), batch_dims=1)
    moved = tf.sequence_mask(tf.reduce_sum(tf.cast(mask, tf.int32), 1, keepdims=True) - 1,
                             tf.maximum(tf.shape(path)[1] - 1, 0))
    return tf.where(tf.squeeze(moved, 1), tf.gather(tf.reshape(transitions, [-1]),
                    path[:, :-1] * transitions.shape[1] + path[:, 1:]), 0)


def _ends(mask):
    """Where each row has its first and its last unmasked step, both [B, T]."""
    count = tf.cumsum(tf.cast(mask, tf.int32), 1)
    return mask & tf.equal(count, 1), mask & tf.equal(count, count[:, -1:])


def _in_time(steps):
    """[B, T] → [T, B, 1]."""
    return tf.expand_dims(tf.transpose(steps), -1)


def log_partition(emissions, mask, transitions, start, end):
    """log Z(x), [B], by the forward algorithm. Its gradient, expected counts, by the backward one.

        ∂log Z/∂x_t[j] = P(y_t = j)        ∂log Z/∂A[i, j] = Σ_t P(y_{t-1} = i, y_t = j)
    """

    @tf.custom_gradient
    def log_z(emissions, transitions, start, end):
        lattice = Lattice(emissions, mask, transitions, start, end)
        alphas, final = lattice.forward()
        total = tf.reduce_logsumexp(final + end, -1)

        def gradient(upstream):
            return lattice.gradient(alphas, lattice.backward(), upstream)

        return tf.where(tf.reduce_any(mask, 1), total, tf.zeros_like(total)), gradient

    return log_z(emissions, transitions, start, end)


def log_likelihood(emissions, tags, mask, transitions, start, end):
    """log p(y|x) = s(x, y) − log Z(x), [B]. Finite for every y: a forbidden path has about FORBIDDEN.

    Raises:  as `score`
    """
    weights = transitions, start, end
    return score(emissions, tags, mask, *weights) - log_partition(emissions, mask, *weights)


def marginals(emissions, mask, transitions, start, end):
    """P(y_t = j | x), [B, T, C]; zeros where masked."""
    lattice = Lattice(cleared(emissions, mask), mask, transitions, start, end, relative=True)
    found = lattice.marginals(lattice.forward()[0], lattice.backward())
    # The shape, which a choice between two graphs has made TFLite forget.
    return tf.reshape(tf.transpose(found, [1, 0, 2]), tf.shape(emissions))


class Lattice:
    """All paths of a batch: the sums over their beginnings and ends. Time-major: [T, B, …].

    `relative`: those of a step are known up to a factor, which is enough for marginals. They do not grow
    with the length of the text then, and neither does what rounding loses of them.
    """

    def __init__(self, emissions, mask, transitions, start, end, relative=False):
        first, last = _ends(mask)
        self.relative = relative
        self.start, self.end = start, end
        self.mask, self.first, self.last = (_in_time(steps) for steps in (mask, first, last))
        self.moved = self.mask & ~self.first  # steps that come from another step
        # exp(A[i, j]) = factors[i, j]·exp(peak[j])
        peak = tf.reduce_max(transitions, 0)
        self.arrival = tf.transpose(emissions, [1, 0, 2]) + tf.where(self.first, start, peak)
        self.shape = tf.shape(self.arrival)
        # A zero that is no constant: TFLite's int8 would round constant factors, and with them every α.
        zero = tf.cast(tf.minimum(self.shape[0], 0), transitions.dtype)
        self.log_factors = transitions - peak + zero
        # A floor keeps the gradient of a lost sum's logarithm finite.
        self.factors = tf.maximum(tf.exp(self.log_factors), _numbers(self.log_factors.dtype).tiny)

    def forward(self):
        """α_1 … α_T [T, B, C], repeated where masked, and the last one."""
        alphas, final = self._forward(_log_product, self.factors)
        lost = self._lost(_least_of(alphas - self.arrival), lambda: _later(_most_of(alphas)))
        return tf.cond(lost, lambda: self._forward(_log_sum, self.log_factors), lambda: (alphas, final))

    def backward(self):
        """β_1 … β_T [T, B, C]."""
        betas = self._backward(_log_product, tf.transpose(self.factors))
        lost = self._lost(_later(_least_of(betas)), lambda: _most_of(betas + self.arrival))
        return tf.cond(lost, lambda: self._backward(_log_sum, tf.transpose(self.log_factors)),
                       lambda: betas)

    def _lost(self, smallest, largest):
        """Whether a step's smallest sum may lack terms that underflowed beside its largest term."""
        beside = smallest if self.relative else smallest - largest()
        return tf.reduce_any((beside < np.log(_threshold(beside.dtype))) & self.moved)

    def _scaled(self, logs):
        return logs - _most_of(logs) if self.relative else logs

    def _forward(self, log_sums, factors):
        def step(t, states, sequences):
            before = self._scaled(states[0])
            moved = tf.where(tf.gather(self.moved, t), log_sums(before, factors), 0)
            alpha = tf.where(tf.gather(self.mask, t), tf.gather(self.arrival, t) + moved, before)
            return [alpha], [put(sequences[0], t, alpha)]

        return self._scan(step, tf.zeros(self.shape[1:], self.arrival.dtype))

    def _backward(self, log_sums, factors):
        def step(s, states, sequences):
            t, beta = self.shape[0] - 1 - s, states[0]
            before = log_sums(self._scaled(tf.gather(self.arrival, t) + beta), factors)
            sequences = [put(sequences[0], s, beta)]
            return [tf.where(tf.gather(self.moved, t), before, beta)], sequences

        return tf.reverse(self._scan(step, tf.broadcast_to(self.end, self.shape[1:]))[0], [0])

    def _scan(self, step, state):
        empty = reserve(self.shape[0], self.shape[1:], state.dtype)
        states, sequences = loop(step, self.shape[0], [state], [empty], False)
        return stack(sequences[0], self.shape[1:], state.dtype), states[0]

    def marginals(self, alphas, betas):
        return tf.where(self.mask, tf.nn.softmax(alphas + betas), 0)

    def gradient(self, alphas, betas, upstream):
        """Expected counts times the `upstream` [B] gradient: of x [B, T, C], A [C, C], start and end [C].

            P(y_{t-1} = i, y_t = j) = u_i·factors_ij·w_j / Σ_ij u_i·factors_ij·w_j

        with u = exp(α_{t-1}), w = exp(β_t + arrival_t), each up to a factor.
        """
        upstream = tf.reshape(upstream, [1, -1, 1])
        dx = upstream * self.marginals(alphas, betas)
        dstart, dend = (tf.reduce_sum(tf.where(steps, dx, 0), [0, 1])
                        for steps in (self.first, self.last))
        before, after = _later(alphas), tf.where(self.moved, betas + self.arrival, 0)
        weights = tf.where(self.moved, upstream, 0)
        u, w = _scaled_exp(before), _scaled_exp(after)
        total = tf.reduce_sum(tf.linalg.matvec(tf.transpose(self.factors), u) * w, -1, keepdims=True)
        # Where the likely beginnings and ends hardly meet, their product has lost the pairs that do.
        lost = tf.reduce_any((total < _threshold(total.dtype)) & self.moved)
        w *= tf.math.divide_no_nan(weights, total)
        pairs = tf.cond(lost, lambda: self._pairs(before, after, weights),
                        lambda: self.factors * tf.tensordot(u, w, [[0, 1], [0, 1]]))
        return tf.transpose(dx, [1, 0, 2]), pairs, dstart, dend

    def _pairs(self, before, after, weights):
        """Σ_t Σ_b weights·P(y_{t-1} = i, y_t = j), [C, C]: at every step a softmax over all pairs."""
        def step(t, states, _):
            logs = tf.expand_dims(before[t], 2) + self.log_factors + tf.expand_dims(after[t], 1)
            shares = tf.nn.softmax(tf.reshape(logs, [self.shape[1], -1]))
            return [states[0] + tf.reduce_sum(weights[t] * shares, 0)], []

        zeros = tf.zeros([tf.size(self.factors)], self.factors.dtype)
        return tf.reshape(loop(step, self.shape[0], [zeros], [], False)[0][0], self.factors.shape)


def _least_of(steps):
    return tf.reduce_min(steps, -1, keepdims=True)


def _most_of(steps):
    return tf.reduce_max(steps, -1, keepdims=True)


def _later(steps):
    """What stood one step earlier, at every step but the first."""
    return tf.concat([steps[:1], steps[:-1]], 0)


def _log_product(logs, factors):
    """log(exp(logs)·factors): [B, C], [C, C] → [B, C]."""
    return tf.math.log(tf.matmul(_scaled_exp(logs), factors)) + _most_of(logs)


def _log_sum(logs, log_factors):
    """The same of the factors' logarithms, exact over any range."""
    terms = tf.expand_dims(logs, 2) + log_factors
    top = tf.maximum(tf.reduce_max(terms, 1, keepdims=True), terms.dtype.min)
    return tf.math.log(tf.reduce_sum(tf.exp(terms - top), 1)) + tf.squeeze(top, 1)


def _threshold(dtype):
    """The smallest sum of products that those of its terms that underflow do not change."""
    return _numbers(dtype).tiny / _numbers(dtype).eps**2


def _numbers(dtype):
    return np.finfo(dtype.as_numpy_dtype)


def _scaled_exp(logs):
    return tf.exp(logs - _most_of(logs))


def n_best(emissions, mask, transitions, start, end, k=1):
    """The k best paths, best first, all different: Viterbi with k ranks a tag.

        δ_t[j, ·] = x_t[j] + the k largest of δ_{t-1}[i, r] + A[i, j] over i and r

    Returns: paths [B, k, T] int32, 0 where masked; their scores s(x, y) [B, k]. Where fewer than k paths
             exist, the rest score about NO_PATH; forbidden ones about FORBIDDEN
    """
    scores, origins = _best_routes(emissions, mask, transitions, start, k)
    scores, last = tf.math.top_k(scores + tf.repeat(end, k), k)
    slots = tf.where(_in_time(mask), _follow_back(origins, last), 0)
    scores = tf.where(tf.reduce_any(mask, 1, keepdims=True), scores, _one_path(k, scores.dtype))
    return tf.transpose(slots // k, [1, 2, 0]), scores


def _one_path(k, dtype):
    """The scores of k ranks where there is one path, of score 0."""
    return tf.constant([0.0] + [NO_PATH] * (k - 1), dtype)


def _best_routes(emissions, mask, transitions, start, k):
    """Scores of the slots at the end [B, C·k], and the slots they came from [T, B, C·k].

    Slot j·k + r holds the path of rank r that ends in tag j.
    """
    tags = emissions.shape[-1]
    x = tf.repeat(tf.transpose(emissions, [1, 0, 2]), k, 2)
    first, mask = _in_time(_ends(mask)[0]), _in_time(mask)
    shape = tf.shape(x)
    moves = tf.repeat(tf.transpose(transitions), k, 1)  # [C, C·k]: to tag j from slot i·k + r
    fresh = tf.reshape(tf.expand_dims(start, 1) + _one_path(k, x.dtype), [-1])
    stay = tf.range(tags * k)

    def step(t, states, sequences):
        best = states[0]
        new, origin = tf.math.top_k(tf.expand_dims(best, 1) + moves, k)
        shown, begins = tf.gather(mask, t), tf.gather(first, t)
        new = tf.where(begins, fresh, tf.reshape(new, shape[1:])) + tf.gather(x, t)
        origin = tf.where(shown, tf.reshape(origin, shape[1:]), stay)
        return [tf.where(shown, new, best)], [put(sequences[0], t, origin)]

    empty = reserve(shape[0], shape[1:], tf.int32)
    states, sequences = loop(step, shape[0], [tf.zeros(shape[1:], x.dtype)], [empty], False)
    return states[0], stack(sequences[0], shape[1:], tf.int32)


def _follow_back(origins, slots):
    """The slots of every step, [T, B, k], from those of the last step [B, k]."""
    steps, shape = tf.shape(origins)[0], tf.shape(slots)

    def step(s, states, sequences):
        t = steps - 1 - s
        before = tf.gather(tf.gather(origins, t), states[0], batch_dims=1)
        return [before], [put(sequences[0], s, states[0])]

    _, sequences = loop(step, steps, [slots], [reserve(steps, shape, tf.int32)], False)
    return tf.reverse(stack(sequences[0], shape, tf.int32), [0])


def allowed_transitions(labels, scheme):
    """What a label scheme allows: [C, C] from → to, [C] first, [C] last, all bool.

    >>> moves, first, last = allowed_transitions(["O", "B-X", "I-X"], "BIO")
    >>> moves.astype(int).tolist(), first.astype(int).tolist(), last.astype(int).tolist()
    ([[1, 1, 0], [1, 1, 1], [1, 1, 1]], [1, 1, 0], [1, 1, 1])
    """
    moves = [[may_follow(label, previous, scheme) for label in labels] for previous in labels]
    first = [may_follow(label, "O", scheme) for label in labels]
    last = [may_follow("O", label, scheme) for label in labels]
    return np.array(moves), np.array(first), np.array(last)


@keras.saving.register_keras_serializable("zoo")
class CRF(keras.layers.Layer):
    """The layer: start, end and transition scores, zero at first; what the label scheme forbids stays so.

    Args:    labels  the names of the C tags
             scheme  None, or one of `zoo.text.spans.SCHEMES`: forbidden transitions score FORBIDDEN
    Call:    emissions [B, T, C], mask [B, T] or None → the best tags [B, T] int32, 0 where masked
    Weights: transitions [C, C], start [C], end [C]
    Raises:  ValueError: an unknown scheme, a label that is not of the scheme

    Train on the mean of −`log_likelihood`. Arithmetic is in float32 at least, whatever the policy.
    Gold tags that the scheme forbids (see `zoo.text.spans.may_follow`) cost about 1e4 for each
    forbidden transition, which itself learns nothing.

    >>> crf = CRF(["O", "B-X", "I-X"], "BIO")
    >>> crf(tf.constant([[[0.0, 1.0, 3.0], [0.0, 1.0, 2.0]]])).numpy().tolist()
    [[1, 2]]
    """

    def __init__(self, labels, scheme=None, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True
        self.labels, self.scheme = list(labels), scheme
        self.allowed = scheme and allowed_transitions(self.labels, scheme)
        self.precision = keras.backend.result_type(self.variable_dtype, "float32")
        self.build()

    def build(self, emissions_shape=None):
        tags = len(self.labels)
        self.transitions = self._zeros("transitions", tags, tags)
        self.start, self.end = self._zeros("start", tags), self._zeros("end", tags)
        self.built = True

    def _zeros(self, name, *shape):
        return self.add_weight(name=name, shape=shape, initializer="zeros", autocast=False)

    def call(self, emissions, mask=None):
        return self.n_best(emissions, mask)[0][:, 0]

    def log_likelihood(self, emissions, tags, mask=None):
        """log p(tags | emissions), [B]; `tags` are any where masked. Raises: as `score`."""
        emissions, mask, *weights = self._arguments(emissions, mask)
        return log_likelihood(emissions, tags, mask, *weights)

    def marginals(self, emissions, mask=None):
        """P(y_t = j), [B, T, C]; zeros where masked."""
        return marginals(*self._arguments(emissions, mask))

    def n_best(self, emissions, mask=None, k=1):
        """The k best paths [B, k, T] and their scores [B, k], best first; see `zoo.layers.crf.n_best`."""
        return n_best(*self._arguments(emissions, mask), k)

    def _arguments(self, emissions, mask):
        """Emissions, mask, transitions, start, end as the functions of this file take them."""
        emissions = tf.cast(emissions, self.precision)
        if mask is None:
            mask = tf.ones(tf.shape(emissions)[:2], tf.bool)
        weights = [tf.cast(weight, self.precision) for weight in (self.transitions, self.start, self.end)]
        if self.allowed:
            forbidden = tf.constant(FORBIDDEN, self.precision)
            weights = [tf.where(yes, weight, forbidden) for yes, weight in zip(self.allowed, weights)]
        return emissions, tf.cast(mask, tf.bool), *weights

    def compute_mask(self, emissions, mask=None):
        return mask

    def compute_output_spec(self, emissions, mask=None):
        return keras.KerasTensor(emissions.shape[:2], "int32")

    def get_config(self):
        return {**super().get_config(), "labels": self.labels, "scheme": self.scheme}
