"""A SavedModel's LSTM in one operation gives the loop's numbers, and gives way to it."""
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import engines
from zoo.engines import block, loop


def layer_of(scale=0.5, cell=zoo.LSTM, **options):
    layer = cell(5, engine="loop", **{"return_sequences": True, "return_state": True, **options})
    layer.build((None, None, 3))
    random = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=scale))
    return layer


def exported(layer):
    """The layer as a SavedModel has it: x, mask, first states → a list of what it returns."""
    def call(x, mask=None, states=None):
        with engines.exporting("block"):
            assert layer.engine_in_use == "block"
            return layer(x, mask=mask, initial_state=states)
    return tf.function(call, reduce_retracing=True)


def inputs(B, T):
    random = np.random.default_rng(B * T)
    states = [random.normal(size=(B, 5)).astype("float32") for _ in range(2)]
    return random.normal(size=(B, T, 3)).astype("float32"), random.random((B, T)) < 0.6, states


@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"use_bias": False},
                                     {"return_sequences": False}, {"activation": "relu"},
                                     {"layer_normalization": True}, {"zoneout": 0.2}])
def test_numbers_equal_the_loops_for_few_and_many_texts_and_any_mask(options):
    layer = layer_of(**options)
    call = exported(layer)
    for B, T in [(1, 1), (1, 9), (block.FEW, 7), (block.FEW + 1, 7)]:
        x, mask, states = inputs(B, T)
        for given in (mask, np.ones_like(mask)):
            right = layer(x, mask=given, initial_state=states)
            for one, other in zip(call(x, given, states), right, strict=True):
                np.testing.assert_allclose(one, other, atol=2e-6)


def test_a_large_memory_is_not_clipped():
    layer, x = layer_of(3.0), 4 * np.ones([1, 60, 3], np.float32)
    *_, c = exported(layer)(x)  # without mask or states
    assert np.abs(c).max() > 10
    np.testing.assert_allclose(c, layer(x)[-1], rtol=1e-5)


@pytest.mark.parametrize("B, masked, there", [
    (1, False, True), (1, True, False), (block.FEW, False, True), (block.FEW + 1, False, False)])
def test_the_operation_is_taken_for_few_texts_without_padding_alone(B, masked, there, monkeypatch):
    layer = layer_of()
    by_steps = tf.fill([B, 7, 5], 99.0), [tf.zeros([B, 5])] * 2
    monkeypatch.setattr(loop, "run", lambda *given: by_steps)
    x, mask, _ = inputs(B, 7)
    mask[:] = True
    mask[0, 3] = not masked
    y, *_ = exported(layer)(x, mask)
    assert bool(np.all(np.asarray(y)[0, 4] != 99)) == there


def test_other_cells_have_no_such_operation():
    others = layer_of(cell=zoo.GRU), layer_of(cell=zoo.SimpleRNN), layer_of(layer_normalization=True)
    for layer in others:
        graph = exported(layer).get_concrete_function(tf.TensorSpec([None, None, 3])).graph
        graph = graph.as_graph_def()
        nodes = [*graph.node, *(n for function in graph.library.function for n in function.node_def)]
        assert not any(node.op == "BlockLSTMV2" for node in nodes)
