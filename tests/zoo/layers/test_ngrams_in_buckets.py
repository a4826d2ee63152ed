"""N-grams in buckets against Python straight from the equations."""

import collections
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from heads import as_lite
from zoo import names
from zoo.layers.ngrams import NGrams

V = 64
TEXTS = [["the", "cat"], ["a"], [], ["好", "é", "\U0010ffff\U0010fffe\U0010fffd", "x" * 30, "the", "the"]]


def code_points(texts, steps=0, letters=0):
    """[B, T, C], at least as wide as `steps` and `letters`."""
    steps = max([1, steps, *map(len, texts)])
    letters = max([1, letters, *(len(word) for words in texts for word in words)])
    array = np.zeros([len(texts), steps, letters], np.int32)
    for row, words in zip(array, texts):
        for line, word in zip(row, words):
            line[:len(word)] = [ord(c) for c in word]
    return array


def chained(seed, sequence):
    h = seed
    for a in sequence:
        h = (251 * h + a) % 8388593
        assert 251 * h + 0x10ffff < 2 ** 31
    return h


def grams(words):
    """The hashes of a text's words and pairs, and of its characters."""
    words = [[ord(c) for c in word[:24]] for word in words]
    hashes = [chained(1, word) for word in words]
    neighbours = zip([1, *hashes], [*hashes, 1]) if hashes else []
    marked = [[32, *word, 32] for word in words]
    return (hashes + [chained(6, pair) for pair in neighbours],
            [chained(n, word[at:at + n]) for word in marked for n in (2, 3, 4, 5)
             for at in range(len(word) - n + 1)])


def expected(words, idf, kernel, bias):
    """z [K] of a text, n-gram by n-gram."""
    z = bias.copy()
    for half, hashes in enumerate(grams(words)):
        n = collections.Counter(h % V + half * V for h in hashes)
        x = {bucket: math.log(1 + count) * idf[bucket] for bucket, count in n.items()}
        length = math.sqrt(sum(value ** 2 for value in x.values()))
        for bucket, value in x.items():
            z += value / length * kernel[bucket]
    return z


def layer():
    built = NGrams(outputs=3, buckets=2 * V)
    built.build()
    random = np.random.default_rng(0)
    for weight in built.weights:
        weight.assign(random.uniform(0.1, 1, weight.shape))
    return built


@pytest.mark.parametrize("words", TEXTS)
def test_the_counts_are_those_of_the_equation(words):
    found = layer().counts(code_points([words]))[0].numpy()
    for half, hashes in enumerate(grams(words)):
        wanted = np.bincount([h % V for h in hashes], minlength=V)
        np.testing.assert_array_equal(found[half * V:(half + 1) * V], wanted)


def test_the_sum_is_that_of_the_equation():
    built = layer()
    idf, kernel, bias = (np.array(weight, np.float64) for weight in built.weights)
    wanted = [expected(words, idf, kernel, bias) for words in TEXTS]
    np.testing.assert_allclose(built(code_points(TEXTS)), wanted, rtol=1e-5)


def test_padding_changes_nothing():
    wide = code_points(TEXTS, steps=9, letters=40)
    np.testing.assert_allclose(layer()(wide), layer()(code_points(TEXTS)), rtol=1e-6)
    np.testing.assert_allclose(layer()(wide[1:2]), layer()(code_points(TEXTS[1:2])), rtol=1e-6)


def test_its_weights_are_not_trained_and_stay_float32():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        built = layer()
        assert not built.trainable_weights and built(code_points(TEXTS)).dtype == tf.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_it_is_the_same_after_a_round_trip():
    built = layer()
    copy = NGrams.from_config(built.get_config())
    copy.build()
    copy.set_weights(built.get_weights())
    np.testing.assert_array_equal(copy(code_points(TEXTS)), built(code_points(TEXTS)))


@pytest.mark.slow
def test_a_tflite_file_of_builtin_ops_finds_the_same_buckets(tmp_path):
    built = layer()
    lite = as_lite(tmp_path, built.weights, ids=tf.function(
        lambda code_points: {"n": built.counts(code_points), "z": built(code_points)}, autograph=False,
        input_signature=[tf.TensorSpec([None, None, None], tf.int32, "code_points")]))
    random = np.random.default_rng(1).integers(1, 0x110000, (3, 5, 26)).astype(np.int32)
    for given in (code_points(TEXTS), code_points(TEXTS[1:2]), random, random[:1]):
        answer = lite(code_points=given)
        np.testing.assert_array_equal(answer["n"], built.counts(given))
        np.testing.assert_allclose(answer["z"], built(given), rtol=1e-5)


def test_an_odd_number_of_buckets_is_refused():
    with pytest.raises(ValueError, match="expected an even number of buckets, .* received 7"):
        NGrams(outputs=2, buckets=7)


def test_the_last_character_read_is_the_24th():
    assert names.CHARACTERS == 24
    one, other = ["x" * 24 + "y"], ["x" * 24 + "z"]
    np.testing.assert_array_equal(layer()(code_points([one])), layer()(code_points([other])))
