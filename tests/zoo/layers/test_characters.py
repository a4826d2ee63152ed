"""Words from their characters, against NumPy straight from the equations."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from zoo.layers.characters import ENCODERS, CharacterCNN, CharacterLSTM

# Two words are equal, one is empty, and one fills the width.
WORDS = tf.constant([[[3, 4, 5, 0], [6, 0, 0, 0], [0, 0, 0, 0]],
                     [[3, 4, 5, 0], [2, 7, 8, 1], [5, 4, 0, 0]]])


def encoder(kind, **options):
    built = ENCODERS[kind](alphabet=9, embedding=4, units=6, **options)
    built.build()
    random = np.random.default_rng(3)
    for weight in built.weights:
        if weight.dtype == "float32":
            weight.assign(random.normal(0, 0.5, weight.shape))
    return built


def cnn(built, word):
    """max_c (e_{c-1}·W_1 + e_c·W_2 + e_{c+1}·W_3 + b), float64."""
    table, W, b = (np.array(weight, np.float64) for weight in (
        built.embedding.embeddings, built.encoder.kernel, built.encoder.bias))
    e = np.pad(table[word], [(1, 1), (0, 0)])
    return np.max([sum(e[c + k] @ W[k] for k in range(3)) + b for c in range(len(word))], 0)


def lstm(built, word):
    """The last states of both directions, float64."""
    e, found = np.array(built.embedding.embeddings, np.float64)[word], []
    for layer, steps in ((built.encoder.forward_layer, e), (built.encoder.backward_layer, e[::-1])):
        weights = reference.Weights(*(np.array(weight, np.float64) for weight in layer.weights[:3]))
        state = np.zeros([1, 3]), np.zeros([1, 3])
        for x in steps:
            state, _ = reference.LSTM.step(x[None], state, weights, 1.0)
        found.append(state[0][0])
    return np.concatenate(found)


@pytest.mark.parametrize("kind, expected", [("cnn", cnn), ("lstm", lstm)])
@pytest.mark.parametrize("training", [False, True])
def test_a_word_is_what_the_equations_say_and_no_word_is_zeros(kind, expected, training):
    built = encoder(kind)
    found = built(WORDS, training=training).numpy()
    for place in np.ndindex(2, 3):
        word = WORDS.numpy()[place]
        word = word[word > 0]
        right = expected(built, word) if len(word) else np.zeros(6)
        assert np.abs(found[place] - right).max() <= 1e-5 * max(1, np.abs(right).max())


@pytest.mark.parametrize("kind", ENCODERS)
def test_padding_changes_nothing(kind):
    built = encoder(kind)
    wide = tf.pad(WORDS, [[0, 0], [0, 2], [0, 5]])
    np.testing.assert_allclose(built(wide)[:, :3], built(WORDS), atol=1e-6)
    assert not built(wide)[:, 3:].numpy().any()


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_gradient_reaches_every_weight_and_is_that_of_words_read_one_by_one(kind):
    built, gradients = encoder(kind), []
    for training in (True, False):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(built(WORDS, training=training)))
        found = tape.gradient(loss, built.trainable_variables)
        gradients.append(list(map(tf.convert_to_tensor, found)))
    for once, one_by_one in zip(*gradients):
        assert float(tf.reduce_max(tf.abs(once))) > 0
        np.testing.assert_allclose(once, one_by_one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_dropout_acts_in_training_only(kind):
    built = encoder(kind, dropout=0.5)
    assert np.abs(built(WORDS, training=True) - built(WORDS)).max() > 0.01
    np.testing.assert_array_equal(built(WORDS), built(WORDS))


@pytest.mark.parametrize("encoder_class", [CharacterCNN, CharacterLSTM])
def test_the_configuration_gives_the_same_layer(encoder_class):
    one = encoder_class(alphabet=7, embedding=3, units=4, dropout=0.1)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(one))
    assert again.get_config() == one.get_config() and type(again) is encoder_class


def test_an_odd_width_cannot_be_halved():
    with pytest.raises(ValueError, match="units: expected an even number.*received 5"):
        CharacterLSTM(alphabet=7, units=5)
