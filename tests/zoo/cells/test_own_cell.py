"""A cell of one's own: `step` alone, trained by autodiff, against one whose gradient is written out."""

import doctest

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import ROOT, diagonal

x = np.random.default_rng(0).normal(size=(3, 6, 4))
MASK = np.arange(6) < np.array([[6], [3], [1]])


@keras.saving.register_keras_serializable("own")
class PlainCell(zoo.Cell):
    """The simple recurrent network's step, and nothing else."""

    def step(self, x_gates, states, weights, dropout=None):
        h = states[0] if dropout is None else states[0] * dropout
        return [self.activation(x_gates + h @ weights[0])]


@keras.saving.register_keras_serializable("own")
class Plain(zoo.Recurrent):
    cell_class = PlainCell


def twins(**options):
    """A layer with a step alone and one with a gradient by hand, of the same weights."""
    pair = [kind(5, dtype="float64", engine="loop", **options) for kind in (Plain, zoo.SimpleRNN)]
    for layer in pair:
        layer.build(x.shape)
    pair[0].set_weights(pair[1].get_weights())
    return pair


def gradients(layer, **call):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(layer(tf.constant(x), **call)))
    return tape.gradient(loss, layer.trainable_weights)


@pytest.mark.parametrize("mask, options", diagonal([None, MASK], [
    {}, {"return_sequences": True}, {"go_backwards": True}, {"return_sequences": True, "zoneout": 0.3}]))
@pytest.mark.parametrize("compiled", [False, True])
def test_a_step_alone_trains_as_the_gradient_by_hand_does(options, mask, compiled):
    found = []
    for layer in twins(**options):
        take = tf.function(gradients) if compiled else gradients
        found.append((layer(x, mask=mask), *take(layer, mask=mask)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_truncation_needs_a_gradient_by_hand():
    with pytest.raises(ValueError, match="truncate: expected a cell whose step has linearise.*PlainCell"):
        Plain(3, truncate=2)


def test_an_own_cell_runs_in_both_directions_and_is_saved(tmp_path):
    model = keras.Sequential([keras.Input((None, 4)), zoo.Bidirectional(Plain(5))])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(x), again(x))


def test_the_page_of_own_cells_runs():
    failed, tried = doctest.testfile(str(ROOT / "docs/cells.md"), module_relative=False)
    assert not failed and tried > 5
