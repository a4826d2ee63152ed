"""Layer normalisation inside the recurrence: every gate's H units at one step, mean 0 and variance 1.

    n = (a - mean(a)) / √(variance(a) + ε)        y = gain ⊙ n

Backward, linear in the error dy once the slope gain / √(variance + ε) is known:

    e  = slope ⊙ dy
    da = e - mean(e) - n ⊙ mean(e ⊙ n)        ∂L/∂gain = Σ_t dy ⊙ n

The means are taken in float32 at least: with half the bits those of many units are off by percents.

Source: Ba, Kiros & Hinton 2016, who take the means over all gates of an LSTM together; one gate at a
        time, as here, is how TensorFlow 1 had it; ε is that of `keras.layers.LayerNormalization`
"""

import tensorflow as tf

from zoo.ops.products import wide

EPSILON = 1e-3


def normalize(a, gain, units):
    """gain ⊙ n, and what the way back needs: [n, slope].

    Args:    a [..., G·H], gain [G·H], units H

    >>> y, _ = normalize(tf.constant([[1., 3., 10., 30.]]), tf.constant([1., 1., 5., 5.]), 2)
    >>> y.numpy().round(2).tolist()
    [[-1.0, 1.0, -5.0, 5.0]]
    """
    groups = grouped(a, units)
    average, variance = tf.nn.moments(groups, -1, keepdims=True)
    inverse = tf.math.rsqrt(variance + EPSILON)
    n, gain = (groups - average) * inverse, grouped(gain, units)
    y, n, slope = (tf.cast(tf.reshape(v, tf.shape(a)), a.dtype) for v in (gain * n, n, gain * inverse))
    return y, [n, slope]


def normalize_back(dy, n, slope, units):
    """From the error of `normalize`'s value to that of its argument, [..., G·H]."""
    e, n = grouped(slope * dy, units), grouped(n, units)
    da = e - mean(e) - n * mean(e * n)
    return tf.cast(tf.reshape(da, tf.shape(dy)), dy.dtype)


def mean(a):
    return tf.reduce_mean(a, -1, keepdims=True)


def grouped(a, units):
    """[..., G·H] → [..., G, H], in at least float32."""
    return tf.reshape(wide(a), tf.concat([tf.shape(a)[:-1], [a.shape[-1] // units, units]], 0))
