"""Attention: another context for every output step, and the weights that show where it came from.

    e_ti = score(q_t, h_i)        a_t = softmax_i(e_t)        c_t = Σ_i a_ti·h_i

h_i, the values [B, S, V], are what an encoder put out; q_t, the queries, are states of a decoder.
What depends on the values alone, the keys k_i, is computed once for a sequence: the *memory*.
"""

import typing

import keras
import tensorflow as tf

from zoo.cells.arguments import is_count
from zoo.layers.sequences import autocast
from zoo.names import SCORES
from zoo.ops.masks import cleared
from zoo.ops.products import dot


class Memory(typing.NamedTuple):
    """What attention looks at: keys [B, S, K], values [B, S, V], mask [B, S] bool."""

    keys: tf.Tensor
    values: tf.Tensor
    mask: tf.Tensor


@keras.saving.register_keras_serializable("zoo")
class Attention(keras.layers.Layer):
    """Where a decoder looks, and what it sees there.

        "additive"   e_ti = v·tanh(q_t·W + k_i)        k_i = h_i·U + b
        "concat"     another name of it: [q; h]·W is the sum of two products
        "dot"        e_ti = q_t·k_i                    k_i = h_i
        "general"    e_ti = q_t·k_i                    k_i = h_i·Uᵀ

    Masked positions get a weight of exactly zero, whatever their values; where all are masked, so is the
    context.
    With `coverage`, what was looked at before counts: e_ti = v·tanh(q_t·W + k_i + w·Σ_{t'<t} a_t'i).

    Args:    score     "additive", "concat", "dot" or "general"
             units     the width of additive attention's hidden layer; by default the queries'
             scale     divide the product of "dot" and "general" by √(its width)
             coverage  let the additive score see the sum of the earlier weights
    Call:    queries [B, T, Q] (all at once) or [B, Q], values [B, S, V], `values_mask` [B, S]
             → contexts [B, T, V] or [B, V], weights [B, T, S] or [B, S]
    Raises:  ValueError: an unknown score, an option that the score does not have, widths that the dot
             product cannot join, coverage with several queries at once
    Source:  Bahdanau et al. 2015 (additive); Luong et al. 2015 (the others); Vaswani et al. 2017
             (scale); Tu et al. 2016, See et al. 2017 (coverage)

    >>> context, weights = Attention("general")(tf.ones([2, 3, 4]), tf.ones([2, 5, 6]))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 3, 6), (2, 3, 5))
    """

    def __init__(self, score="additive", units=None, scale=False, coverage=False, **kwargs):
        super().__init__(**kwargs)
        if score not in SCORES:
            raise ValueError(f"score: expected one of {list(SCORES)}, received {score!r}")
        self.additive = score in ("additive", "concat")
        if not self.additive and (coverage or units):
            raise ValueError("coverage and units: expected score='additive' with them, "
                             f"received {score!r}")
        if self.additive and scale:
            raise ValueError(f"scale: expected score='dot' or 'general' with it, received {score!r}")
        if not (units is None or is_count(units)):
            raise ValueError(f"units: expected None or a positive integer, received {units!r}")
        self.score, self.units, self.scale, self.coverage = score, units, scale, coverage
        self.supports_masking = True

    def build(self, query_shape, values_shape):
        width, read = query_shape[-1], values_shape[-1]
        if self.score == "dot" and width != read:
            raise ValueError("score='dot': expected queries and values of one width, "
                             f"received {width} and {read}; score='general' takes any")
        if self.additive:
            width = self.units or width
            self.query_kernel = self.add_weight(name="query_kernel", shape=(query_shape[-1], width))
            self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
            self.score_kernel = self.add_weight(name="score_kernel", shape=(width, 1))
        if self.score != "dot":
            self.key_kernel = self.add_weight(name="key_kernel", shape=(read, width))
        if self.coverage:
            self.coverage_kernel = self.add_weight(name="coverage_kernel", shape=(1, width))
        self.key_width = width
        self.built = True

    def call(self, query, values, values_mask=None):
        return self.attend(query, self.memory(values, values_mask))

    @autocast
    def memory(self, values, mask=None):
        """All that does not depend on the queries: values [B, S, V] → `Memory`."""
        shown = tf.ones(tf.shape(values)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
        values = cleared(tf.cast(values, self.compute_dtype), None if mask is None else shown)
        keys = values if self.score == "dot" else dot(values, tf.convert_to_tensor(self.key_kernel))
        return Memory(keys + tf.convert_to_tensor(self.bias) if self.additive else keys, values, shown)

    @autocast
    def attend(self, query, memory, coverage=None):
        """query [B, Q] or [B, T, Q], coverage [B, S] → context and weights, as a call returns them.

        A query [B·K, Q], coverage [B·K, S], is K for each sequence: hypotheses that share a memory.
        """
        query = tf.cast(query, self.compute_dtype)
        queries = grouped(query, memory) if query.shape.rank == 2 else query
        scores = (self._sum if self.additive else self._product)(queries, memory.keys, coverage)
        weights = masked_softmax(scores, tf.expand_dims(memory.mask, 1))
        context = tf.matmul(weights, memory.values)
        if query.shape.rank == 2:
            return flat(context), flat(weights)
        return context, weights

    def _product(self, queries, keys, coverage):
        if self.scale:
            queries /= self.key_width ** 0.5
        return tf.matmul(queries, keys, transpose_b=True)

    def _sum(self, queries, keys, coverage):
        """All pairs are held at once: [B, T, S, K]."""
        queries = dot(queries, tf.convert_to_tensor(self.query_kernel))
        a = tf.expand_dims(queries, 2) + tf.expand_dims(keys, 1)
        if self.coverage:
            a += self._covered(queries, coverage)
        return tf.squeeze(dot(tf.tanh(a), tf.convert_to_tensor(self.score_kernel)), -1)

    def _covered(self, queries, coverage):
        """w·coverage, [B, T, S, K]; before the first step nothing is covered."""
        if coverage is None and queries.shape[1] not in (1, None):
            raise ValueError("coverage: expected one query [B, Q] at a time, with the sum of the earlier "
                             f"weights, received queries {list(queries.shape)}")
        if coverage is None:
            return tf.zeros([], queries.dtype)
        shape = tf.stack([*tf.unstack(tf.shape(queries)[:2]), tf.shape(coverage)[1], 1])
        return dot(tf.reshape(coverage, shape), tf.convert_to_tensor(self.coverage_kernel))

    def compute_mask(self, query, mask=None):
        return [mask, None]

    def get_config(self):
        return {**super().get_config(), "score": self.score, "units": self.units,
                "scale": self.scale, "coverage": self.coverage}


def grouped(query, memory):
    """[B·K, Q] → [B, K, Q], for a memory of B sequences."""
    return tf.reshape(query, tf.stack([tf.shape(memory.keys)[0], -1, query.shape[1]]))


def flat(array):
    """[B, K, N] → [B·K, N]."""
    return tf.reshape(array, tf.stack([-1, tf.shape(array)[2]]) if array.shape[2] is None
                      else [-1, array.shape[2]])


def masked_softmax(scores, mask):
    """exp(e_i)·m_i / Σ_j exp(e_j)·m_j over the last axis; zeros where everything is masked.

    >>> shown = tf.constant([[True, True, False]])
    >>> masked_softmax(tf.constant([[1.0, 1.0, 9.0]]), shown).numpy().tolist()
    [[0.5, 0.5, 0.0]]
    """
    scores = tf.where(mask, scores, tf.fill([1] * scores.shape.rank, scores.dtype.min))
    return tf.nn.softmax(scores) * tf.cast(mask, scores.dtype)
