"""Numbers of labels and words as losses read them: one that does not exist is not scored as another."""

import tensorflow as tf


def in_range(name, numbers, count):
    """The numbers, 0 in place of those outside 0 … count-1, and which are inside, both in their shape.

    XLA leaves checks out of its graphs: so what is outside must get no probability all the same.

    Raises:  ValueError: a number outside; in a graph tf.errors.InvalidArgumentError, when it runs

    >>> in_range("labels", tf.constant([0, 2]), 3)[1].numpy().tolist()
    [True, True]
    """
    low, high = tf.reduce_min(numbers), tf.reduce_max(numbers)
    inside = is_inside(numbers, count)
    message = f"{name}: expected numbers from 0 to {count - 1}, received"
    if not tf.executing_eagerly():
        tf.debugging.Assert((low >= 0) & (high < count), [message, low, "to", high])
    elif not tf.reduce_all(inside):
        raise ValueError(f"{message} {low} to {high}")
    return tf.where(inside, numbers, tf.zeros_like(numbers)), inside


def is_inside(numbers, count):
    return (numbers >= 0) & (numbers < count)
