"""Pooling against sums and maxima written out in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import pooling

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


def test_convolution_is_the_best_match_of_each_n_gram_in_the_text():
    layer = pooling.ConvolutionPooling(5, widths=(2, 3, 4))
    layer.build(H.shape)
    for n, convolution in enumerate(layer.convolutions):
        kernel, bias = (np.array(w) for w in convolution.weights)
        bias = bias + RNG.normal(size=5)
        convolution.bias.assign(bias)
        shown = np.pad(H * MASK[..., None], [[0, 0], [(n + 1) // 2, (n + 2) // 2], [0, 0]])
        grams = np.stack([shown[:, t:t + n + 2] for t in range(6)], 1)
        features = np.einsum("btnd,ndf->btf", grams, kernel) + bias
        expected = (np.maximum(features, 0) * MASK[..., None]).max(1)
        y = layer(tf.constant(H), tf.constant(MASK))
        np.testing.assert_allclose(y[:, 5 * n:5 * n + 5], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pool", [pooling.mean, pooling.maximum, pooling.AttentionPooling(),
                                  pooling.ConvolutionPooling(5)])
def test_padding_does_not_change_a_text(pool):
    padded = np.pad(H, [[0, 0], [0, 5], [0, 0]], constant_values=7)
    longer = np.pad(MASK, [[0, 0], [0, 5]])
    np.testing.assert_allclose(pool(tf.constant(H), tf.constant(MASK)),
                               pool(tf.constant(padded), tf.constant(longer)), atol=1e-6)


@pytest.mark.parametrize("layer", [pooling.AttentionPooling(),
                                   pooling.ConvolutionPooling(5, widths=(1, 4))])
def test_a_layer_survives_a_keras_file(tmp_path, layer):
    inputs = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    model = keras.Model(inputs, layer(*inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model([H, MASK]), again([H, MASK]))
