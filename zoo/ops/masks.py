"""Masked steps."""

import tensorflow as tf


def cleared(sequence, mask):
    """The sequence with zeros at its masked steps, whatever stood there: [B, T, …], [B, T] or None.

    A product with the mask would not do: 0·NaN is NaN, and so is a weight's gradient that it enters.

    >>> cleared(tf.constant([[[1.0], [float("nan")]]]), tf.constant([[True, False]])).numpy().tolist()
    [[[1.0], [0.0]]]
    """
    if mask is None:
        return sequence
    # A choice of whole rows costs what the product does; one that broadcasts costs half as much again.
    rows = tf.reshape(sequence, [-1, *sequence.shape[2:]])
    shown = tf.reshape(tf.cast(mask, tf.bool), [-1])
    return tf.reshape(tf.compat.v1.where(shown, rows, tf.zeros_like(rows)), tf.shape(sequence))
