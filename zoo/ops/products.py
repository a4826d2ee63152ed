"""Products, sums and biases over any number of leading axes."""

import tensorflow as tf


def wide(a):
    """In at least float32."""
    return tf.cast(a, tf.float64 if a.dtype == tf.float64 else tf.float32)


def dropped(x, mask):
    """States or weights under their dropout mask, if there is one."""
    return x if mask is None else x * mask


def dot(x, weights):
    """x·weights over the last axis, any number of leading axes folded into one matrix product."""
    if x.shape.rank == 2:
        return tf.matmul(x, weights)
    flat = tf.matmul(tf.reshape(x, [-1, weights.shape[0]]), weights)
    return tf.reshape(flat, tf.concat([tf.shape(x)[:-1], [weights.shape[1]]], 0))


def dot_transposed(x, weights):
    """x·weightsᵀ, the way back through `dot`."""
    if x.shape.rank == 2:
        return tf.matmul(x, weights, transpose_b=True)
    flat = tf.matmul(tf.reshape(x, [-1, weights.shape[1]]), weights, transpose_b=True)
    return tf.reshape(flat, tf.concat([tf.shape(x)[:-1], [weights.shape[0]]], 0))


def outer(x, delta):
    """Σ_t Σ_b x ⊗ δ as a single product: [T, B, M], [T, B, N] → [M, N]."""
    return tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), tf.reshape(delta, [-1, delta.shape[-1]]),
                     transpose_a=True)


def sum_over_steps(delta):
    """Σ_t Σ_b δ, summed in at least float32: in bfloat16 the sum stops growing after 256 terms."""
    return tf.cast(tf.reduce_sum(wide(delta), list(range(delta.shape.rank - 1))), delta.dtype)


@tf.custom_gradient
def add_bias(x, bias):
    """x + bias, with the bias gradient of `sum_over_steps`."""
    return x + bias, lambda upstream: (upstream, sum_over_steps(upstream))
