"""Pooling against sums and maxima written out in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import pooling

RNG = np.random.default_rng(5)
H = RNG.normal(size=(4, 6, 3)).astype("float32")
MASK = np.array([[1] * 6, [1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 1, 0], [0] * 6], bool)


def rows(function):
    """`function` of each text's unmasked states; zeros for the empty text."""
    return [function(h[m]) if m.any() else np.zeros(3) for h, m in zip(H, MASK)]


def test_mean_is_over_the_unmasked_steps():
    np.testing.assert_allclose(pooling.mean(tf.constant(H), MASK), rows(lambda h: h.mean(0)), rtol=1e-6)


def test_maximum_is_over_the_unmasked_steps_even_when_all_are_negative():
    negative = pooling.maximum(tf.constant(H - 9), MASK)
    np.testing.assert_allclose(negative[:3] + 9, rows(lambda h: h.max(0))[:3], rtol=1e-5)
    assert not np.any(pooling.maximum(tf.constant(H), MASK)[3])


def test_attention_is_the_softmax_weighted_mean():
    layer = pooling.AttentionPooling()
    y = layer(tf.constant(H), tf.constant(MASK))
    kernel, bias = (np.array(w) for w in layer.hidden.weights)
    score = np.array(layer.score)[:, 0]

    def attend(h):
        e = np.exp(np.tanh(h @ kernel + bias) @ score)
        return (e / e.sum()) @ h

    np.testing.assert_allclose(y, rows(attend), rtol=1e-4, atol=1e-6)
    weights = layer.weights_of(tf.constant(H), tf.constant(MASK))
    np.testing.assert_allclose(tf.reduce_sum(weights, 1)[:, 0], [1, 1, 1, 0], rtol=1e-6)


@pytest.mark.parametrize("pool", [pooling.mean, pooling.maximum, pooling.AttentionPooling()])
def test_padding_does_not_change_a_text(pool):
    padded = np.pad(H, [[0, 0], [0, 5], [0, 0]], constant_values=7)
    longer = np.pad(MASK, [[0, 0], [0, 5]])
    np.testing.assert_allclose(pool(tf.constant(H), tf.constant(MASK)),
                               pool(tf.constant(padded), tf.constant(longer)), atol=1e-6)


def test_attention_survives_a_keras_file(tmp_path):
    inputs = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    model = keras.Model(inputs, pooling.AttentionPooling()(*inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model([H, MASK]), again([H, MASK]))
