"""The cost of guessing the words beside each word, against NumPy straight from the equation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.language_cost import LanguageCost

# Sentences of four, two, one and no words; 9 and 7 are rare: the softmax has 7 rows.
IDS = np.array([[2, 9, 3, 6], [5, 7, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]], np.int32)
WORDS, UNKNOWN, H = 7, 1, 3


def layer(bidirectional=True, **options):
    built = LanguageCost(WORDS, bidirectional, units=4, **options)
    built.build((None, None, H * (1 + bidirectional)))
    random = np.random.default_rng(3)
    for weight in built.weights:
        weight.assign(random.normal(0, 0.7, weight.shape))
    return built


def states(bidirectional=True):
    return np.random.default_rng(5).normal(size=(*IDS.shape, H * (1 + bidirectional))).astype("float32")


def log_probability(built, direction, state, word):
    """log softmax(tanh(h·W + b)·Q + q)[word], float64; a rare word is the unknown one."""
    W, b, Q, q = (np.array(weight, np.float64) for weight in (
        *built.hidden[direction].weights, *built.linear[direction].weights))
    z = np.tanh(state @ W + b) @ Q + q
    return z[word if word < WORDS else UNKNOWN] - np.log(np.exp(z).sum())


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_cost_is_the_mean_surprise_of_the_next_and_of_the_last_word(bidirectional):
    built, h = layer(bidirectional), states(bidirectional)
    total = 0.0
    for state, words in zip(h, ([2, 9, 3, 6], [5, 7], [4], [])):
        for t in range(len(words) - 1):
            total -= log_probability(built, 0, state[t, :H], words[t + 1])
            if bidirectional:
                total -= log_probability(built, 1, state[t + 1, H:], words[t])
    np.testing.assert_allclose(built(h, IDS), total / 7, rtol=1e-5)


def test_padding_changes_nothing():
    built, h = layer(), states()
    wide = np.pad(h, [(0, 2), (0, 3), (0, 0)], constant_values=9)
    np.testing.assert_allclose(built(wide, np.pad(IDS, [(0, 2), (0, 3)])), built(h, IDS), rtol=1e-6)


@pytest.mark.parametrize("ids", [[[4]], [[4], [5]], [[0, 0]]])
def test_words_that_stand_alone_cost_nothing(ids):
    built, h = layer(), tf.ones([len(ids), len(ids[0]), 2 * H])
    with tf.GradientTape() as tape:
        tape.watch(h)
        cost = built(h, tf.constant(ids))
    assert float(cost) == 0 and not np.any(tf.convert_to_tensor(tape.gradient(cost, h)))


def test_the_softmax_is_in_float32_under_mixed_precision():
    half, whole = layer(dtype="mixed_bfloat16"), layer()
    cost = half(states(), IDS)
    assert cost.dtype == tf.float32
    np.testing.assert_allclose(cost, whole(states(), IDS), rtol=2e-2)


def test_a_configuration_makes_the_same_layer():
    built = layer(bidirectional=False)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(built))
    assert again.options == built.options
    again.set_weights(built.get_weights())
    np.testing.assert_array_equal(again(states(False), IDS), built(states(False), IDS))
