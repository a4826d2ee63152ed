"""Which engine runs a layer, and that none but the loop is ever exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export.verify import graph_nodes
from zoo import engines
from zoo.engines import native

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MISSING = native.unmet(zoo.LSTM(3))
built = pytest.mark.skipif(MISSING is not None, reason=f"the native engine needs {MISSING}")


class Named(keras.layers.Layer):
    """Remembers the engine that ran a layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.engines = layer, []

    def call(self, x):
        self.engines.append(self.layer.engine_in_use)
        return self.layer(x)


@built
def test_auto_takes_the_native_engine_and_the_loop_where_it_cannot_run():
    assert zoo.LSTM(3).engine_in_use == "native"
    assert zoo.LSTM(3, truncate=2).engine_in_use == "loop"
    assert zoo.GRU(3, dtype="float64").engine_in_use == "loop"
    assert zoo.LSTM(3, activation="softsign").engine_in_use == "loop"


@built
def test_a_named_engine_that_cannot_run_names_the_condition():
    with pytest.raises(ValueError, match="engine='native' cannot run .*truncate=None, not 2"):
        zoo.LSTM(3, engine="native", truncate=2)
    with pytest.raises(ValueError, match="engine: expected one of .*received 'steam'"):
        zoo.LSTM(3, engine="steam")


def test_xla_compiles_the_loop():
    watched = Named(zoo.LSTM(3))
    watched(X)
    compiled = tf.function(watched, jit_compile=True)(X)
    assert watched.engines[-1] == "loop"
    np.testing.assert_allclose(compiled, watched(X), atol=1e-6)


@built
def test_xla_refuses_the_named_native_engine():
    layer = zoo.GRU(3, engine="native")
    layer(X)
    with pytest.raises(ValueError, match="it needs a function that XLA does not compile"):
        tf.function(layer, jit_compile=True)(X)


def test_exporting_runs_the_loop_and_ends():
    layer = zoo.LSTM(3)
    before = layer.engine_in_use
    with engines.exporting():
        assert layer.engine_in_use == "loop"
        with engines.exporting():
            pass
        assert layer.engine_in_use == "loop"
    assert layer.engine_in_use == before


def test_keras_own_export_of_an_auto_model_holds_stock_ops_only(tmp_path):
    inputs = keras.Input((None, 4))
    outputs = zoo.Bidirectional(zoo.GRU(3))(zoo.LSTM(3, return_sequences=True)(inputs))
    model = keras.Model(inputs, outputs)
    expected = model(X)
    model.export(tmp_path, verbose=False)
    assert not [node.op for node in graph_nodes(tmp_path) if node.op.lower().startswith("zoo")]
    loaded = tf.saved_model.load(tmp_path)
    np.testing.assert_allclose(loaded.serve(X), expected, atol=1e-6)
