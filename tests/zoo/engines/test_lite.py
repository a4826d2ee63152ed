"""The loop by pieces, as TFLite files have it, gives the numbers of the plain loop."""
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export import tflite
from conftest import diagonal, slow_but
from heads import as_lite
from zoo import engines
from zoo.engines import lite

P = lite.PIECE
LENGTHS = [1, P, P + 1, 2 * P, 2 * P + 5]
CELLS = {"LSTM": zoo.LSTM, "GRU": zoo.GRU, "SimpleRNN": zoo.SimpleRNN}


def layer_of(cell, **options):
    layer = CELLS[cell](5, engine="loop", return_sequences=True, return_state=True, **options)
    layer.build((None, None, 3))
    random = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.5))
    return layer


def inputs(B, T, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(B, T, 3)).astype("float32"), random.random((B, T)) < 0.7


@pytest.mark.parametrize("cell, options", diagonal(CELLS, [{}, {"zoneout": 0.3}, {"go_backwards": True}]))
def test_sequences_and_states_equal_the_loops_at_any_length_and_mask(cell, options):
    layer = layer_of(cell, **options)
    call = tf.function(lambda x, **given: layer(x, **given), reduce_retracing=True)
    for T in LENGTHS:
        x, mask = inputs(3, T)
        start = [0.5 * np.ones([3, 5], np.float32)] * layer.cell.states
        for given in (None, mask, ~mask):
            right = layer(x, mask=given, initial_state=start)
            with engines.exporting("lite"):
                assert layer.engine_in_use == "lite"
                found = call(x, mask=given, initial_state=start)
            for one, other in zip(found, right, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6, err_msg=f"T={T}")


@pytest.mark.parametrize("cell", slow_but(["LSTM"], CELLS))
def test_a_file_takes_any_batch_and_length_and_answers_as_the_loop(cell, tmp_path):
    layer = layer_of(cell, zoneout=0.1)

    @tf.function(autograph=False, input_signature=[
        tf.TensorSpec([None, None, 3], tf.float32, "x"), tf.TensorSpec([None, None], tf.bool, "mask")])
    def ids(x, mask):
        return dict(zip("yhc", layer(x, mask=mask)))

    run = as_lite(tmp_path, layer.weights, ids=ids)
    names = tflite.op_names(tmp_path / "float32.tflite")
    assert {"WHILE", "DYNAMIC_UPDATE_SLICE"} <= set(names)
    for B, T in [(1, 1), (2, P), (3, 2 * P + 5), (1, 3)]:
        x, mask = inputs(B, T, seed=T)
        found = run(x=x, mask=mask)
        for name, right in zip("yhc", layer(x, mask=mask)):
            np.testing.assert_allclose(found[name], right, atol=1e-6)


def test_without_sequences_no_pieces_are_made():
    layer = zoo.LSTM(4)
    x = np.ones([2, 3 * P, 3], np.float32)
    right = layer(x)
    with engines.exporting("lite"):
        graph = tf.function(layer).get_concrete_function(tf.TensorSpec([None, None, 3])).graph
        np.testing.assert_allclose(layer(x), right, atol=1e-6)
    loops = [node for node in graph.as_graph_def().node if node.op in ("While", "StatelessWhile")]
    assert len(loops) == 1
    assert not any(node.op.startswith("TensorList") for function in graph.as_graph_def().library.function
                   for node in function.node_def)


def test_only_an_export_chooses_it():
    assert lite.unmet(zoo.LSTM(3)) and zoo.LSTM(3).engine_in_use != "lite"
    with pytest.raises(ValueError, match="engine='lite' cannot run .* needs a TFLite file to be traced"):
        zoo.LSTM(3, engine="lite")(np.ones([1, 2, 3], np.float32))
    with engines.exporting("lite"), engines.exporting():
        assert zoo.LSTM(3).engine_in_use == "loop"
