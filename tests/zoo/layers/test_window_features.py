"""Features of a token and its neighbours against Python straight from the table."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from heads import as_lite
from zoo.layers.window_features import COUNT, WindowFeatures, buckets_of

V = 4096
SENTENCES = [["hello", "new", "york", "!"], ["a"], [],
             ["好", "é\U0010ffff", "x" * 30, "the", "the", "cat", "42"]]
SHAPES = [[2, 3, 2, 6], [1], [], [1, 4, 1, 7, 1, 1, 5]]


def arrays(sentences, shapes, steps=0, letters=0):
    """[B, T, C] and [B, T], at least as wide as `steps` and `letters`."""
    steps = max([1, steps, *map(len, sentences)])
    letters = max([1, letters, *(len(word) for words in sentences for word in words)])
    points = np.zeros([len(sentences), steps, letters], np.int32)
    kinds = np.zeros([len(sentences), steps], np.int32)
    for b, (words, row) in enumerate(zip(sentences, shapes)):
        kinds[b, :len(row)] = row
        for t, word in enumerate(words):
            points[b, t, :len(word)] = [ord(c) for c in word]
    return tf.constant(points), tf.constant(kinds)


def chained(seed, sequence):
    for a in sequence:
        seed = seed if a == 0 else (251 * seed + a) % 8388593
    return seed


def expected(words, shapes, t):
    """The buckets of token t."""
    letters = [[ord(c) for c in word[:24]] for word in words]

    def w(i):
        return chained(1, letters[i]) if 0 <= i < len(words) else 1

    def e(i):
        return chained(1, letters[i][::-1][:3]) if 0 <= i < len(words) else 1

    def look(i):
        return [shapes[i], min(8, len(letters[i]))] if 0 <= i < len(words) else [0, 0]

    sides = letters[t], letters[t][::-1]
    affixes = [side[:n] if len(side) >= n else [] for side in sides for n in (1, 2, 3, 4)]
    around = [a for d in (-2, -1, 1, 2) for a in ([w(t + d)], look(t + d), [e(t + d)])]
    grams = [[w(i + k) for k in range(n)] for n in (2, 3) for i in range(t - 2, t + 4 - n)]
    found = [[w(t)], [w(t), shapes[t]], look(t), *affixes, *around, *grams]
    return [chained(seed, a) % V for seed, a in enumerate(found, 16)]


def layer(outputs=3, **options):
    built = WindowFeatures(outputs, V, **options)
    built.build()
    random = np.random.default_rng(0)
    for weight in built.weights:
        weight.assign(random.normal(size=weight.shape))
    return built


def test_the_buckets_are_those_of_the_table():
    found = buckets_of(*arrays(SENTENCES, SHAPES), V).numpy()
    for b, (words, shapes) in enumerate(zip(SENTENCES, SHAPES)):
        for t in range(len(words)):
            assert found[b, t].tolist() == expected(words, shapes, t)
    assert found.shape[-1] == COUNT


@pytest.mark.parametrize("rank", [2, 32])
def test_a_score_is_the_sum_of_the_rows_of_the_features(rank):
    built = layer(rank=rank)
    table, *projection = (np.array(weight, np.float64) for weight in built.weights)
    table = table @ projection[0] if projection else table
    z = built(*arrays(SENTENCES, SHAPES)).numpy()
    assert len(projection) == (rank == 2)
    for b, (words, shapes) in enumerate(zip(SENTENCES, SHAPES)):
        for t in range(len(words)):
            np.testing.assert_allclose(z[b, t], table[expected(words, shapes, t)].sum(0), atol=1e-4)


def test_padding_changes_nothing():
    built = layer()
    z, wide = built(*arrays(SENTENCES, SHAPES)), built(*arrays(SENTENCES, SHAPES, steps=11, letters=40))
    for b, words in enumerate(SENTENCES):
        np.testing.assert_allclose(z[b, :len(words)], wide[b, :len(words)], rtol=1e-6)
    np.testing.assert_allclose(built(*arrays(SENTENCES[1:2], SHAPES[1:2]))[0, 0], z[1, 0], rtol=1e-6)


def test_dropout_drops_whole_features_and_keeps_the_mean():
    keras.utils.set_random_seed(0)
    built = layer(outputs=2, dropout=0.5)
    built.table.assign(tf.ones_like(built.table))
    given = arrays([["word"] * 5000], [[1] * 5000])
    z = built(*given, training=True).numpy()
    np.testing.assert_array_equal(z[..., 0], z[..., 1])
    assert abs(z.mean() - COUNT) < 0.5 and z.std() > 3
    np.testing.assert_array_equal(built(*given), COUNT)


def test_it_is_the_same_after_a_round_trip():
    built = layer(outputs=5, rank=3, dropout=0.1)
    copy = WindowFeatures.from_config(built.get_config())
    copy.build()
    copy.set_weights(built.get_weights())
    np.testing.assert_array_equal(copy(*arrays(SENTENCES, SHAPES)), built(*arrays(SENTENCES, SHAPES)))


@pytest.mark.slow
def test_a_tflite_file_of_builtin_ops_finds_the_same_buckets(tmp_path):
    built = layer(outputs=5, rank=3)
    spec = tf.TensorSpec([None, None, None], tf.int32, "code_points")
    lite = as_lite(tmp_path, built.weights, ids=tf.function(
        lambda code_points, shapes: {"buckets": buckets_of(code_points, shapes, V),
                                     "z": built(code_points, shapes)},
        autograph=False, input_signature=[spec, tf.TensorSpec([None, None], tf.int32, "shapes")]))
    random = np.random.default_rng(1)
    drawn = random.integers(1, 0x110000, (3, 5, 26)), random.integers(0, 8, (3, 5))
    for code_points, shapes in (arrays(SENTENCES, SHAPES), arrays(["a"], [[1]]), drawn):
        code_points, shapes = tf.cast(code_points, tf.int32), tf.cast(shapes, tf.int32)
        answer = lite(code_points=code_points, shapes=shapes)
        np.testing.assert_array_equal(answer["buckets"], buckets_of(code_points, shapes, V))
        np.testing.assert_allclose(answer["z"], built(code_points, shapes), rtol=1e-4, atol=1e-4)
