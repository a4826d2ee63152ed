"""Which engine runs a layer, and that none but the loop is ever exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export.verify import graph_nodes
from zoo import engines
from zoo.engines.native import ops

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MISSING = ops.unmet(zoo.LSTM(3))
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


@pytest.mark.slow
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


def function_of(layer):
    layer.build((None, None, 4))
    return tf.function(lambda x: layer(x))


WRAPPED = {
    "itself": lambda f: f,
    "in another function": lambda f: tf.function(lambda x: f(x) + 1),
    "in a loop": lambda f: tf.function(lambda x: tf.while_loop(
        lambda n, y: n < 3, lambda n, y: (n + 1, f(x)), (0, tf.zeros([3, 3])))[1]),
    "in its gradient": lambda f: tf.function(lambda x: tf.gradients(f(x), x)[0]),
}


@built
@pytest.mark.parametrize("wrap", WRAPPED)
def test_a_graph_traced_before_it_is_saved_is_refused_in_words(wrap, tmp_path):
    layer = zoo.LSTM(3)
    function = function_of(layer)
    module = tf.Module()
    module.layer, module.function = layer, WRAPPED[wrap](function)
    traced = module.function.get_concrete_function(tf.TensorSpec((3, 5, 4)))
    with pytest.raises(ValueError, match="runs on this machine alone: trace a new tf.function inside"):
        tf.saved_model.save(module, tmp_path / "saved", signatures=traced)


def test_what_is_traced_inside_exporting_can_be_saved(tmp_path):
    module, layer = tf.Module(), zoo.LSTM(3)
    module.layer, function = layer, function_of(layer)
    with engines.exporting():
        traced = function.get_concrete_function(tf.TensorSpec((None, 5, 4)))
    tf.saved_model.save(module, tmp_path, signatures=traced)
    loaded = tf.saved_model.load(tmp_path)
    found, = loaded.signatures["serving_default"](tf.constant(X)).values()
    np.testing.assert_allclose(found, layer(X), atol=1e-6)


@pytest.mark.parametrize("signature", (None, [tf.TensorSpec((None, None, 4))]), ids=("free", "fixed"))
def test_a_function_that_was_called_before_is_saved_with_stock_ops(signature, tmp_path):
    module, layer = tf.Module(), zoo.LSTM(3)
    layer.build((None, None, 4))
    module.layer, module.function = layer, tf.function(lambda x: layer(x), input_signature=signature)
    expected = module.function(X)
    tf.saved_model.save(module, tmp_path)
    assert not [node.op for node in graph_nodes(tmp_path) if node.op.lower().startswith("zoo")]
    loaded = tf.saved_model.load(tmp_path)
    np.testing.assert_allclose(loaded.function(X), expected, atol=1e-6)


@built
def test_tflite_refuses_what_was_traced_before_by_a_name_that_says_what_to_do():
    function = function_of(zoo.LSTM(3))
    traced = function.get_concrete_function(tf.TensorSpec((2, 5, 4)))
    with pytest.raises(Exception, match="if_unknown_use_engine_loop"):
        tf.lite.TFLiteConverter.from_concrete_functions([traced], function).convert()
