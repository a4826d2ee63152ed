"""The label of a sentence by its tokens' states and its n-grams."""

import keras
import numpy as np
import tensorflow as tf

from zoo.layers.intent import Intent

H = np.random.default_rng(0).normal(size=[2, 4, 3]).astype("float32")
MASK = np.array([[True, True, True, False], [True, False, False, False]])
WORDS = tf.constant([[[97, 98], [99, 0], [98, 0], [0, 0]], [[97, 0], [0, 0], [0, 0], [0, 0]]])


def layer(**options):
    built = Intent(outputs=3, labels=5, **options)
    built.build((None, None, 3))
    random = np.random.default_rng(1)
    for weight in built.weights:
        if "idf" not in weight.path:
            weight.assign(random.normal(size=weight.shape))
    return built


def softmax(z):
    odds = np.exp(z - z.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def test_the_logits_are_those_of_the_equation():
    built = layer()
    kernel, bias, score = map(np.array, (*built.attention.hidden.weights, built.attention.score))
    a = np.where(MASK, (np.tanh(H @ kernel + bias) @ score)[..., 0], -np.inf)
    top = np.where(MASK[..., None], H, -np.inf).max(1)
    y = np.concatenate([top, (softmax(a)[..., None] * H).sum(1)], -1)
    expected = y @ np.array(built.linear.kernel) + np.array(built.bias)
    np.testing.assert_allclose(built(H, MASK), expected, rtol=1e-5)
    np.testing.assert_allclose(built.of_tags(tf.constant(expected))[:, 0],
                               softmax(expected) @ np.array(built.given.kernel), rtol=1e-5)


def test_n_grams_are_added_but_while_it_is_trained():
    built = layer(ngrams=64)
    alone, both = built(H, MASK, WORDS, training=True), built(H, MASK, WORDS)
    np.testing.assert_allclose(both - alone, built.wide(WORDS), rtol=1e-4, atol=1e-5)
    assert np.abs(built.wide(WORDS)).max() > 0.1


def test_without_states_n_grams_are_all_but_for_the_bias():
    built = Intent(outputs=3, labels=5, ngrams=64)
    built.build(None)
    built.wide.kernel.assign(np.random.default_rng(2).normal(size=[64, 3]))
    built.bias.assign([1.0, 2.0, 3.0])
    np.testing.assert_allclose(built(None, MASK, WORDS), built.wide(WORDS) + [1.0, 2.0, 3.0], rtol=1e-5)
    np.testing.assert_allclose(built(None, MASK, training=True), [[1.0, 2.0, 3.0]] * 2)


def test_many_labels_get_fewer_buckets():
    assert Intent(outputs=64, labels=5, ngrams=1 << 16).wide.buckets == 16384


def test_it_is_made_again_from_its_configuration():
    built = layer(ngrams=64, dropout=0.25)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(built))
    assert again.get_config() == built.get_config() and again.wide.buckets == 64
