"""Log-count ratios against counting by hand, and the network that corrects them."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from heads import as_lite
from zoo.layers import naive_bayes
from zoo.layers.naive_bayes import CrossFit, LogCountRatios, first_occurrences, pairs
from zoo.models.classifier import Classifier, TextClassifier
from zoo.text.tokenizer import Text

TEXTS = [np.array(ids) for ids in ([2, 3, 2], [2, 4], [5, 3], [3, 3, 4, 5], [4], [2, 5])]
LABELS = np.array([0, 1, 0, 1, 1, 0])
IDS = np.array([[2, 3, 2, 0, 0], [4, 4, 5, 3, 4], [0, 0, 0, 0, 0]], np.int32)


def fitted(folds=10):
    return CrossFit(TEXTS, np.eye(2)[LABELS], vocabulary_size=6, folds=folds)


def test_a_ratio_is_that_of_smoothed_counts():
    texts_with = {0: {2: 2, 3: 2, 5: 2}, 1: {2: 1, 3: 1, 4: 3, 5: 1}}
    for label, sign in ((0, 1), (1, -1)):
        for word in (2, 3, 4, 5):
            p = [(texts_with[k].get(word, 0) + 1) / (sum(texts_with[k].values()) + 6) for k in (0, 1)]
            expected = sign * 0.5 * math.log(p[0] / p[1])
            assert fitted().words[0, word, label] == pytest.approx(expected, rel=1e-5)


def test_a_training_text_reads_ratios_without_its_own_part():
    fit = fitted(folds=3)
    for row in range(len(TEXTS)):
        kept = fit.fold != fit.fold[row]
        without = CrossFit([t for t, k in zip(TEXTS, kept) if k], np.eye(2)[LABELS[kept]], 6)
        read = fit.ratios(np.array([row]), TEXTS[row][None])
        np.testing.assert_allclose(read[0, :, 0], without.words[0, TEXTS[row]], rtol=1e-5)
        np.testing.assert_allclose(read[0, :, 1], without.pairs[0, pairs(TEXTS[row][None], np)[0]],
                                   rtol=1e-5)


def test_padding_and_unknown_words_say_nothing():
    layer = LogCountRatios(6, 2)
    layer(IDS)
    fitted().give(layer)
    ratios = layer(tf.constant([[1, 2, 0]])).numpy()
    assert not ratios[0, 0, 0].any() and ratios[0, 1, 0].any() and not ratios[0, 2].any()


def test_the_sum_counts_each_feature_once_and_shrinks_with_length():
    layer = LogCountRatios(6, 2)
    layer(IDS)
    fit = fitted()
    fit.give(layer)
    layer.scales.assign([1.5, 0.5])
    total = layer.sum(tf.constant(IDS), layer(IDS)).numpy()
    for row, ids in enumerate(IDS):
        words = ids[ids != 0]
        hashed = pairs(words[None], np)[0] if len(words) else []
        expected = (1.5 * fit.words[0, np.unique(words)].sum(0)
                    + 0.5 * fit.pairs[0, np.unique(hashed).astype(int)].sum(0))
        np.testing.assert_allclose(total[row], expected / math.sqrt(max(len(words), 1)), atol=1e-6)


def test_numpy_and_tensorflow_hash_alike_up_to_the_largest_ids():
    ids = np.random.default_rng(0).integers(0, 2 ** 30, (5, 40)).astype(np.int32)
    hashed = pairs(tf.constant(ids)).numpy()
    np.testing.assert_array_equal(hashed, pairs(ids, np))
    assert hashed.min() >= 0 and hashed.max() < naive_bayes.BUCKETS


def test_first_occurrences_are_those_of_a_set():
    features = np.random.default_rng(1).integers(0, 5, (4, 12))
    assert first_occurrences(tf.constant(features[:, :0])).shape == (4, 0)
    for row, once in zip(features, first_occurrences(tf.constant(features)).numpy()):
        assert [n for n, f in enumerate(once) if f] == sorted({f: n for n, f in
                                                              reversed(list(enumerate(row)))}.values())


def test_no_array_of_the_sum_grows_with_the_square_of_the_length():
    layer, T = LogCountRatios(6, 2), 500
    layer.build((None, None))
    graph = tf.function(lambda ids: layer.sum(ids, layer(ids))).get_concrete_function(
        tf.TensorSpec([1, T], tf.int32)).graph
    shapes = [output.shape for op in graph.get_operations() for output in op.outputs]
    assert max(shape.num_elements() or 0 for shape in shapes if shape not in (
        layer.words.shape, layer.pairs.shape)) < 10 * T


def correcting(**options):
    network = Classifier(6, 2, units=3, embedding=4, naive_bayes=True, pooling="max+attention",
                         **options)
    network(IDS)
    fitted().give(network.ratios)
    return network


def test_the_network_starts_as_naive_bayes():
    network = correcting()
    expected = network.ratios.sum(tf.constant(IDS), network.ratios(IDS))
    np.testing.assert_allclose(network(IDS), expected, atol=1e-6)
    assert len(network.ratios.trainable_weights) == 1  # the scales; the tables are counted


def test_given_ratios_take_the_place_of_its_own():
    network = correcting()
    own = network({"ids": IDS, "ratios": network.ratios(IDS)})
    np.testing.assert_allclose(network(IDS), own, atol=1e-6)
    assert np.abs(network({"ids": IDS, "ratios": tf.zeros([3, 5, 2, 2])}).numpy()).max() == 0


def test_windows_are_read_side_by_side_and_pooled_together():
    network = correcting(window=2)
    network.linear.kernel.assign(tf.ones_like(network.linear.kernel))
    ids = tf.constant([[4, 4, 5, 3, 4]])
    x = tf.concat([network.embedding(ids), tf.reshape(network.ratios(ids), [1, 5, 4])], -1)
    h = tf.concat([network.recurrent(x[:, n:n + 2]) for n in (0, 2, 4)], 1)
    np.testing.assert_allclose(network.represent(ids)[0, :6], tf.reduce_max(h[0], 0), rtol=1e-5)
    with pytest.raises(ValueError, match="window: expected a pooling over the whole text"):
        Classifier(6, 2, pooling="last", window=4)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"window": 2}, {"filters": 5, "ensemble": 2}])
def test_tflite_equals_keras(tmp_path, options):
    network = correcting(**options)
    for one in network.networks():
        one.linear.kernel.assign(keras.random.normal(one.linear.kernel.shape, seed=1))
    text = Text(["[PAD]", "[UNK]", "a", "b", "c", "d"])
    head = TextClassifier(network, text, ["bad", "good"])
    lite = as_lite(tmp_path, head.variables, **head.lite_signatures())
    long = np.random.default_rng(0).integers(0, 6, (2, 300)).astype(np.int32)
    for ids in (IDS, IDS[:1, :1], IDS[1:2], long):
        np.testing.assert_allclose(lite(ids=ids)["probabilities"],
                                   head.predict_ids(tf.constant(ids))["probabilities"], atol=1e-5)
