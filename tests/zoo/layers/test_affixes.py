"""A word from its affixes, against Python straight from the equation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from heads import as_lite
from zoo.layers.affixes import BASE, BUCKETS, Affixes, codes

WORDS = tf.constant([[[3, 4, 5, 6, 7, 8], [4, 5, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
                     [[9, 9, 9, 6, 7, 8], [6, 0, 0, 0, 0, 0], [9999, 9998, 9997, 9996, 9995, 0]]])


def code(n, affix):
    """(offset(n) + Σ_i a_i·1009^i) mod 32749, in whole numbers of any size."""
    return (3571 * n + sum(a * BASE ** i for i, a in enumerate(affix, 1))) % BUCKETS


def expected_codes(word):
    word = [c for c in word if c]
    return ([code(n, word[:n]) for n in (1, 2, 3, 4)]
            + [code(-n, word[::-1][:n]) for n in (1, 2, 3, 4)])


def layer(units=5):
    built = Affixes(units)
    built.build()
    built.embedding.embeddings.assign(np.random.default_rng(3).normal(size=[BUCKETS, units]))
    return built


@pytest.mark.parametrize("place", np.ndindex(2, 3))
def test_the_codes_are_what_the_equation_says(place):
    found = [int(array[place]) for array in codes(WORDS)]
    assert found == expected_codes(WORDS.numpy()[place].tolist())


def test_a_word_is_the_sum_of_its_affixes():
    built = layer()
    table, found = np.array(built.embedding.embeddings, np.float64), built(WORDS)
    for place in np.ndindex(2, 3):
        rows = expected_codes(WORDS.numpy()[place].tolist())
        np.testing.assert_allclose(found[place], table[rows].sum(0), rtol=1e-5, atol=1e-5)


def test_every_length_at_either_end_has_codes_of_its_own():
    assert len({int(array[0, 0]) for array in codes(tf.constant([[[7, 7, 7, 7, 7]]]))}) == 8


def test_padding_changes_nothing():
    built = layer()
    wide = tf.pad(WORDS, [[0, 0], [0, 2], [0, 3]])
    np.testing.assert_array_equal(built(wide)[:, :3], built(WORDS))
    np.testing.assert_array_equal(built(WORDS[:, 1:2, :2])[0], built(WORDS)[0, 1:2])


def test_it_runs_in_a_tflite_file_of_builtin_ops(tmp_path):
    built = layer()
    call = tf.function(lambda characters: {"h": built(characters)}, autograph=False,
                       input_signature=[tf.TensorSpec([None, None, None], tf.int32, "characters")])
    lite = as_lite(tmp_path, [variable.value for variable in built.variables], ids=call)
    for words in (WORDS, WORDS[:1, :2, :2]):
        np.testing.assert_allclose(lite(characters=words)["h"], built(words), atol=1e-6)


def test_a_configuration_makes_the_same_layer():
    built = layer()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(built))
    again.set_weights(built.get_weights())
    np.testing.assert_array_equal(again(WORDS), built(WORDS))
