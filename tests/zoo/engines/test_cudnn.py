"""The cuDNN engine of the plain layers, and what of it is in a graph."""
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from cudnn_checks import (ACTIVATION, EVERY, GATES, GPU, ORACLE, ROWS, STEPS, deep, each_mask, each_mode,
                          each_padding, passes, plain, with_gpu)
from layer_checks import AGREEMENT, B, D, H, T, assert_agree, case, computed, expected, mask

import zoo
from export.verify import graph_nodes
from zoo import engines
from zoo.engines import cudnn, loop


@each_mask
def test_compressing_moves_unmasked_steps_to_the_left(name):
    masked = np.ones((B, T), bool) if name == "none" else mask(name)
    x = case("gru").x
    found, lengths = cudnn.compress(x, masked)
    wanted = np.zeros((B, T + 1, D))
    for row, (steps, shown) in enumerate(zip(x, masked)):
        wanted[row, :shown.sum()] = steps[shown]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(lengths, masked.sum(1))


@each_mask
def test_expanding_repeats_the_last_unmasked_step(name):
    masked = np.ones((B, T), bool) if name == "none" else mask(name)
    steps = np.random.default_rng(0).normal(size=(B, T + 1, H))
    found = cudnn.expand(steps, masked)
    for row, t in np.ndindex(B, T):
        so_far = masked[row, :t + 1].sum()
        np.testing.assert_array_equal(found[row, t], steps[row, so_far - 1] if so_far else np.zeros(H))


def test_what_masked_steps_hold_reaches_nothing(stand_in):
    layer, masked, x = deep("lstm", 1, 2), EVERY, case("lstm", batch=ROWS, time=STEPS).x
    clean, *_ = passes(layer, np.where(masked[..., None], x, 0), masked)
    dirty, *_ = passes(layer, np.where(masked[..., None], x, np.nan), masked)
    assert_agree(dirty, clean)


@pytest.mark.parametrize("backwards", (False, True))
@each_padding
@each_mode
def test_the_engine_agrees_with_the_oracle(mode, masked, backwards, machine):
    layer = plain(mode, engine="cudnn", return_state=True, go_backwards=backwards)
    given, options = case(ORACLE[mode], batch=ROWS, time=STEPS), ACTIVATION.get(mode, {})
    wanted = expected(ORACLE[mode], given, mask=masked, go_backwards=backwards, **options)
    assert_agree(computed(layer, given, mask=masked), wanted)


def test_padding_and_none_can_take_turns(machine):
    """Also at equal lengths of arrays: TensorFlow remembers the first of equal calls."""
    layer, given = plain("gru", engine="cudnn"), case("gru", batch=ROWS, time=STEPS)
    layer.build((None, None, D))
    layer.set_weights(given.weights)
    longer = np.concatenate([given.x, given.x[:, :1]], 1)
    for x, masked in ((given.x, np.ones_like(EVERY)), (longer, None), (given.x, EVERY), (given.x, None)):
        wanted = reference.run("gru", given.weights, x, mask=masked).outputs
        np.testing.assert_allclose(layer(x, mask=masked), wanted, atol=1e-12)


@each_mode
def test_dropped_recurrent_weights_agree_with_the_loop(mode, machine):
    layer, given = plain(mode), case(ORACLE[mode])
    layer.build((None, None, D))
    layer.set_weights(given.weights)
    kept = np.random.default_rng(0).random(given.weights[1].shape) < 0.5
    timing = loop.Timing(weight_drop=tf.constant(kept / 0.5))
    found, wanted = (through(engine, layer.cell, given, timing) for engine in (cudnn, loop))
    assert_agree(found, wanted)
    undropped = through(cudnn, layer.cell, given, loop.Timing())
    assert np.abs(undropped["0"] - found["0"]).max() > 0.01


def through(engine, cell, given, timing):
    """Outputs, states and gradients of one engine's `run`."""
    with tf.GradientTape() as tape:
        sequence, last = engine.run(cell, tf.constant(given.x), [tf.constant(s) for s in given.states],
                                    timing, True)
        loss = tf.reduce_sum(sequence * given.dy)
    values = [sequence, *last, *tape.gradient(loss, [weight.value for weight in cell.weights])]
    return {str(n): value.numpy() for n, value in enumerate(values)}


def test_a_layer_without_biases_agrees_with_the_oracle(machine):
    given = case("gru", use_bias=False)
    layer = plain("gru", engine="cudnn", use_bias=False, return_state=True)
    assert_agree(computed(layer, given), expected("gru", given))


@with_gpu
@each_mode
def test_float32_agrees_without_the_rounding_of_tensor_cores(mode):
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        given, masked = case(ORACLE[mode]).to("float32"), mask("with holes")
        found = computed(plain(mode, engine="cudnn", return_state=True, dtype="float32"), given,
                         mask=masked, graph=True)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
    wanted = expected(ORACLE[mode], given, mask=masked, **ACTIVATION.get(mode, {}))
    assert_agree(found, wanted, AGREEMENT)


UNMET = {
    "bfloat16": ("gru", {"dtype": "mixed_bfloat16"}, "float16, float32 or float64, not bfloat16"),
    "activation": ("lstm", {"activation": "relu"}, "activation tanh, not relu"),
    "gate": ("lstm", {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation sigmoid"),
    "reset": ("gru", {"reset_after": False}, "reset_after=True, not False"),
    "zoneout": ("gru", {"zoneout": 0.1}, "zoneout=0, not 0.1"),
    "recurrent dropout": ("gru", {"recurrent_dropout": 0.1}, "recurrent_dropout=0, not 0.1"),
    "truncation": ("lstm", {"truncate": 3}, "truncate=None, not 3"),
    "unrolling": ("lstm", {"unroll": True}, "unroll=False, not True"),
    "forbidden": ("lstm", {"use_cudnn": False}, "use_cudnn=True or 'auto', not False"),
}


@pytest.mark.parametrize("why", UNMET)
def test_what_cudnn_cannot_do_is_named_and_left_to_other_engines(why, stand_in):
    mode, options, words = UNMET[why]
    with pytest.raises(ValueError, match=f"engine='cudnn' cannot run .*it needs {words}"):
        plain(mode, engine="cudnn", **options)
    assert plain(mode, **options).engine_in_use != "cudnn"
    assert plain(mode, weight_drop=0.1, dropout=0.1, go_backwards=True).engine_in_use == "cudnn"


def test_a_cell_with_equations_of_its_own_is_not_for_cudnn(stand_in):
    class Other(zoo.LSTMCell):
        pass

    class Changed(zoo.LSTM):
        cell_class = Other

    with pytest.raises(ValueError, match="not a Other"):
        Changed(H, engine="cudnn")


@pytest.mark.skipif(bool(GPU), reason="needs a machine without a GPU")
def test_without_a_gpu_auto_takes_another_engine_and_a_name_is_an_error():
    for layer in (zoo.LSTM(H), zoo.GRU(H, use_cudnn=False), zoo.CudnnLSTM(2, H)):
        assert layer.engine_in_use != "cudnn"
    with pytest.raises(ValueError, match="engine='cudnn' cannot run .*NVIDIA GPU|CUDA"):
        zoo.LSTM(H, engine="cudnn")
    with pytest.raises(ValueError, match="engine='cudnn' cannot run .*NVIDIA GPU|CUDA"):
        zoo.CudnnLSTM(2, H, engine="cudnn")


@pytest.mark.skipif(bool(GPU), reason="needs a machine without a GPU")
def test_use_cudnn_true_is_refused_when_called_as_in_keras():
    layer = zoo.Bidirectional(zoo.LSTM(H, use_cudnn=True))
    with pytest.raises(ValueError, match="use_cudnn=True cannot run .*NVIDIA GPU|CUDA"):
        layer(np.zeros((B, T, D), "float32"))


def test_use_cudnn_true_takes_cudnn_or_raises(stand_in):
    assert plain("gru", use_cudnn=True).engine_in_use == "cudnn"
    assert plain("gru", use_cudnn=True).get_config()["use_cudnn"] is True
    with pytest.raises(ValueError, match="use_cudnn=True cannot run .*zoneout"):
        plain("gru", use_cudnn=True, zoneout=0.1)(case("gru").x)


def operations(function, *specs):
    """The cuDNN operations that a function traces, its gradient's too."""
    graph = tf.function(function).get_concrete_function(*specs).graph
    inner = [node for f in graph.as_graph_def().library.function for node in f.node_def]
    assert not any("Cudnn" in node.op for node in inner)
    return [op for op in graph.get_operations() if "Cudnn" in op.type]


@each_mode
def test_a_stack_is_one_operation_and_one_more_for_its_gradient(mode, traceable):
    layer = deep(mode, 2, 2)
    x = tf.TensorSpec((None, None, D), tf.float64)
    layer.build(x.shape)
    weights = [w.value for w in layer.trainable_weights]

    def gradients(x, mask=None):
        with tf.GradientTape() as tape:
            y, *states = layer(x, mask=mask, training=True)
            assert y.shape == (None, None, 2 * H) and states[0].shape == (None, 4, H)
            loss = tf.add_n([tf.reduce_sum(a) for a in (y, *states)])
        found = tape.gradient(loss, weights)
        assert [g.shape for g in found] == [w.shape for w in weights]
        return found

    for specs in ([x], [x, tf.TensorSpec((None, None), tf.bool)]):
        forward, backward = operations(gradients, *specs)
        assert forward.type == "CudnnRNNV3" and backward.type == "CudnnRNNBackpropV3"
        settings = {name: forward.get_attr(name) for name in (
            "rnn_mode", "input_mode", "direction", "dropout", "seed", "is_training", "time_major")}
        assert settings == {"rnn_mode": mode.encode(), "input_mode": b"linear_input", "seed": 0,
                            "direction": b"bidirectional", "dropout": 0.0, "is_training": True,
                            "time_major": True}
        x_in, h, c, params, lengths = forward.inputs
        assert x_in.shape == (None, None, D) and h.shape == (4, None, H)
        assert c.shape == ((4, None, H) if mode == "lstm" else ())
        assert params.shape == (cudnn.buffer_size(GATES[mode], H, D, 2, 2),)
        assert lengths.dtype == tf.int32
    forward, = operations(lambda x: layer(x)[0], x)
    assert forward.get_attr("dropout") == 0, "only training drops"


def test_the_input_mode_and_direction_reach_the_operation(traceable):
    layer = zoo.CudnnGRU(1, H, input_mode="skip")
    forward, = operations(layer, tf.TensorSpec((B, T, H), tf.float32))
    assert forward.get_attr("input_mode") == b"skip_input"
    assert forward.get_attr("direction") == b"unidirectional"


@pytest.mark.slow
def test_exported_graphs_hold_no_cudnn(tmp_path, traceable):
    inputs = keras.Input((None, D))
    model = keras.Model(inputs, zoo.LSTM(H)(zoo.CudnnGRU(2, H, return_sequences=True)(inputs)))
    spec = tf.TensorSpec((None, None, D), tf.float32)
    assert len(operations(model, spec)) == 2
    with engines.exporting():
        assert not operations(model, spec)
    model.export(tmp_path / "exported", verbose=False)
    tf.saved_model.save(model, tmp_path / "saved")
    for folder in ("exported", "saved"):
        assert not [node.op for node in graph_nodes(tmp_path / folder) if "Cudnn" in node.op]


@pytest.mark.slow
def test_xla_compiles_the_layers_without_cudnn(traceable):
    layer, x = zoo.CudnnLSTM(2, H), case("lstm").x.astype("float32")
    layer.build(x.shape)
    assert not layer.supports_jit and layer.engine_in_use == "cudnn"
    with engines.exporting():
        wanted = layer(x)
    np.testing.assert_allclose(tf.function(layer, jit_compile=True)(x), wanted, atol=1e-6)
