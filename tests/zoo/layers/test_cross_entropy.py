"""The loss of a choice among many and its gradient are those of TensorFlow's operation."""
import numpy as np
import pytest
import tensorflow as tf

from zoo.ops.cross_entropy import cross_entropy

Z = tf.constant([[0.0, np.log(3), -2.0], [1000.0, 0.0, -1000.0], [1.0, 1.0, 1.0]], tf.float32)
Y = tf.constant([1, 1, 2])


def peer(z, targets):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, z)


def derivatives(loss):
    """The loss of each row; its derivatives of the first and second order, each weighted."""
    with tf.GradientTape() as outer:
        outer.watch(Z)
        with tf.GradientTape() as inner:
            inner.watch(Z)
            losses = loss(Z, Y)
            total = tf.reduce_sum(losses * [1.0, -2.0, 0.5])
        first = inner.gradient(total, Z)
        squares = tf.reduce_sum(first ** 2)
    return losses, first, outer.gradient(squares, Z)


def test_values_are_the_formulas():
    losses = cross_entropy(Z, Y)
    np.testing.assert_allclose(losses, [np.log(4 + np.exp(-2)) - np.log(3), 1000, np.log(3)], rtol=1e-6)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "graph"])
def test_loss_and_derivatives_are_the_peers(traced):
    own = tf.function(lambda: derivatives(cross_entropy))() if traced else derivatives(cross_entropy)
    for mine, other in zip(own, derivatives(peer)):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


def test_no_rows_have_no_loss():
    assert cross_entropy(tf.zeros([0, 3]), tf.zeros([0], tf.int32)).shape == [0]
