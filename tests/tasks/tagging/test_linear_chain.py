"""The linear chain over features: its sum by counting all sequences, its minimum, what is kept."""
import itertools
import types

import numpy as np
import pytest
import tensorflow as tf

from tasks import tagging
from tasks.tagging import linear_chain
from zoo.layers.window_features import WindowFeatures, buckets_of
from zoo.models.tagger import Tagger

LABELS = ["O", "B-X", "I-X"]
LENGTHS = [3, 1, 2]
V = 64


class Sentences:
    """Three sentences of random features; a token in the middle of the first has no tag."""

    lengths = np.array(LENGTHS)

    def __init__(self):
        draw = np.random.default_rng(0)
        inside = np.arange(3) < self.lengths[:, None]
        self.code_points = np.int32(draw.integers(97, 100, [3, 3, 2]) * inside[..., None])
        self.shapes = np.int32(draw.integers(1, 3, [3, 3]) * inside)
        self.tags = np.int32([[0, -1, 1], [1, -1, -1], [1, 2, -1]])

    def batch(self, rows):
        inputs = {"code_points": self.code_points[rows], "shapes": self.shapes[rows]}
        return types.SimpleNamespace(inputs=inputs, targets=self.tags[rows])


def network(**options):
    return Tagger(10, LABELS, None, layers=0, features=V, **{"crf": True, **options})


def a_chain(**options):
    data = Sentences()
    return linear_chain.Chain(network(**options), data, np.argsort(LENGTHS))


def by_counting(chain, table):
    """−Σ log p(y|x) by all sequences of tags; a token without a tag is left out."""
    data, crf = Sentences(), chain.network.crf
    rows = table[buckets_of(data.code_points, data.shapes, V).numpy()].sum(2)
    total = 0.0
    for z, tags in zip(rows, data.tags):
        z, tags = z[tags >= 0], tags[tags >= 0]

        def score(y):
            moves = sum(crf.transitions.numpy()[a, b] for a, b in zip(y, y[1:]))
            return z[range(len(y)), y].sum() + moves + crf.start.numpy()[y[0]] + crf.end.numpy()[y[-1]]
        every = [score(y) for y in itertools.product(range(3), repeat=len(tags))]
        total += np.log(np.exp(every).sum()) - score(tuple(tags))
    return total


def test_the_sum_is_that_over_all_sequences():
    chain = a_chain()
    parameters = np.random.default_rng(1).normal(size=len(chain.parameters()))
    found, _ = chain(parameters)
    penalty = linear_chain.PENALTY / 2 * (parameters @ parameters)
    np.testing.assert_allclose(found - penalty, by_counting(chain, chain.assigned(parameters)), rtol=1e-5)


@pytest.mark.parametrize("crf", [True, False])
def test_the_gradient_is_that_of_small_differences(crf):
    chain = a_chain(crf=crf)
    draw = np.random.default_rng(2)
    parameters, direction = draw.normal(size=(2, len(chain.parameters())))
    ahead, behind = (chain(parameters + step * direction)[0] for step in (1e-2, -1e-2))
    np.testing.assert_allclose(chain(parameters)[1] @ direction, (ahead - behind) / 2e-2, rtol=1e-3)


def test_what_is_fitted_is_the_minimum_and_stays():
    tagger, data = network(), Sentences()
    linear_chain.fit(tagger, data)
    chain = linear_chain.Chain(tagger, data, np.argsort(LENGTHS))
    found = linear_chain.joined([tagger.features.table.numpy(),
                                 *(weight.numpy() for weight in tagger.crf.trainable_weights)])
    least, gradient = chain(found)
    assert abs(gradient).max() < 0.02 < abs(chain(chain.parameters() * 0)[1]).max()
    assert not tagger.features.trainable_weights
    rest = np.random.default_rng(3).normal(size=len(found)) * 0.05
    assert chain(found + rest)[0] > least


def test_a_table_of_a_lower_rank_is_the_nearest():
    weights = np.float32(np.random.default_rng(4).normal(size=(V, 5)))
    layer = WindowFeatures(5, V, rank=2)
    layer.build()
    layer.give(weights)
    u, s, v = np.linalg.svd(weights, full_matrices=False)
    np.testing.assert_allclose(layer.table.numpy() @ layer.projection.numpy(),
                               (u[:, :2] * s[:2]) @ v[:2], rtol=1e-4, atol=1e-5)


def test_of_many_sentences_some_are_drawn(monkeypatch):
    lengths = np.array([3, 2, 2, 1, 9])
    for name, most in (("MOST_TOKENS", 4), ("MOST_SCORES", 12)):
        with monkeypatch.context() as patch:
            patch.setattr(linear_chain, name, most)
            rows = linear_chain.some(lengths, 3, 0)
            assert 1 <= len(rows) <= 3 and list(lengths[rows]) == sorted(lengths[rows])
            assert list(rows) == list(linear_chain.some(lengths, 3, 0))
            assert list(linear_chain.some(np.array([9, 9]), 3, 0)) in ([0], [1])


def test_many_weights_and_those_of_an_earlier_model_are_trained_as_before(monkeypatch):
    tagger, data = network(), Sentences()
    tagger.features.table.assign(tf.ones([V, 3]))
    linear_chain.fit(tagger, data)
    assert np.all(tagger.features.table == 1) and tagger.features.trainable_weights
    monkeypatch.setattr(linear_chain, "MOST_WEIGHTS", 3 * V - 1)
    tagger = network()
    linear_chain.fit(tagger, data)
    assert not np.any(tagger.features.table) and tagger.features.trainable_weights


def test_a_model_of_features_alone_is_what_was_fitted():
    tokens = [["in", city] for city in ("Oslo", "Rome", "Bonn", "Kiel")] * 5 + [["in", "bed"]] * 5
    tags = [["O", "B-place"]] * 20 + [["O", "O"]] * 5
    model = tagging.fit(tokens, tags, validation=(tokens[:4], tags[:4]), model="crf", epochs=1,
                        verbose=False)
    inputs = model.read(tf.constant([["in", "Rome"], ["in", "bed"]]))
    found = model.network.decode(model.network(inputs), inputs["ids"] > 0)["tags"]
    assert [[model.labels[tag] for tag in row] for row in found] == [["O", "S-place"], ["O", "O"]]
