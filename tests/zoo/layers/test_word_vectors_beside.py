"""Given word vectors beside an embedding that is learnt."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import names
from zoo.layers.embedding import WordVectors

V = np.array([[0, 0], [0, 0], [1, 2], [3, 4]], np.float32)
IDS = tf.constant([[3, 2, 0]])
E = tf.constant([[[5.0, 6.0, 7.0], [8.0, 9.0, 0.5], [0.0, 0.0, 0.0]]])


def made(how):
    layer = WordVectors(4, 2, how)
    layer.build(IDS.shape, E.shape)
    layer.give(V)
    return layer


@pytest.mark.parametrize("how", ["frozen", "tuned"])
def test_they_stand_beside_the_learnt_rows(how):
    x = made(how)(IDS, E).numpy()
    np.testing.assert_array_equal(x, [[[5, 6, 7, 3, 4], [8, 9, 0.5, 1, 2], [0, 0, 0, 0, 0]]])


def test_projected_they_are_added_to_the_learnt_rows():
    layer = made("projected")
    p = np.array(layer.projection.kernel)
    assert p.shape == (2, 3)
    np.testing.assert_allclose(layer(IDS, E), E + V[np.array(IDS)] @ p, rtol=1e-6)


@pytest.mark.parametrize("how, trained", [("frozen", 0), ("tuned", 1), ("projected", 1)])
def test_what_is_trained(how, trained):
    layer = made(how)
    assert len(layer.trainable_weights) == trained
    assert layer.table.embeddings.trainable == (how == "tuned")


@pytest.mark.parametrize("how", names.VECTORS)
def test_the_layer_comes_back_from_its_configuration(how):
    layer = made(how)
    again = WordVectors.from_config(layer.get_config())
    again.build(IDS.shape, E.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(IDS, E), layer(IDS, E))
    assert layer.compute_output_shape(IDS.shape, E.shape) == tuple(layer(IDS, E).shape)
    assert keras.saving.get_registered_object("zoo>WordVectors") is WordVectors
