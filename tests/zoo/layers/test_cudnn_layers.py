"""CudnnRNNTanh, CudnnRNNRelu, CudnnGRU and CudnnLSTM: whole stacks in one operation."""
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import diagonal
from cudnn_checks import (ACTIVATION, EVERY, GATES, LAYERS, ORACLE, ROWS, STEPS, arrays, deep,
                          each_direction, each_mode, passes, plain, with_gpu)
from layer_checks import EXACT, B, D, H, T, assert_agree, assert_weights_agree, case, mask

import zoo
from zoo import engines


def by_the_oracle(mode, weights, x, masked, states, directions):
    """Layer by layer, direction by direction, in NumPy."""
    last, options = [], {"mask": masked, "zero_output_for_mask": directions == 2}
    options.update(ACTIVATION.get(mode, {}))
    for n, own in enumerate(weights):
        if n % directions == 0:
            below, outputs = x, []
        found = reference.run(ORACLE[mode], own, below, states=[s[:, n] for s in states],
                              go_backwards=n % directions == 1, **options)
        outputs.append(found.outputs[:, ::-1] if n % directions else found.outputs)
        x = np.concatenate(outputs, -1)
        last.append(found.states)
    return [x, *(np.stack(state, 1) for state in zip(*last))]


KINDS = [(mode, directions) for directions in (1, 2) for mode in LAYERS]
each_mode_and_direction = pytest.mark.parametrize("mode, directions", diagonal(list(LAYERS), (1, 2)))


@pytest.mark.parametrize("kind, masked", diagonal(KINDS, (None, EVERY)))
def test_one_operation_agrees_with_the_layers_one_by_one_and_with_the_oracle(kind, masked, machine):
    mode, directions = kind
    layer, twin = (deep(mode, 2, directions, engine=engine) for engine in ("cudnn", "loop"))
    weights, normal = arrays(mode, 2, directions), np.random.default_rng(9).normal
    for one in (layer, twin):
        one.build((None, None, D))
        one.set_weights([a for w in weights for a in w])
    x = case("gru", batch=ROWS, time=STEPS).x
    states = [tf.constant(normal(size=(ROWS, 2 * directions, H))) for _ in range(layer.state_count)]
    found, _ = passes(layer, x, masked, states)
    wanted, values = passes(twin, x, masked, states)
    assert_agree(found, wanted)
    oracle = by_the_oracle(mode, weights, x, masked, states, directions)
    for a, b in zip(values, oracle, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=EXACT * np.abs(b).max())


@each_mode_and_direction
def test_weights_carry_over_to_keras_and_back(mode, directions):
    x, masked = case("gru", batch=ROWS, time=STEPS).x, tf.constant(EVERY)
    for sequences in (True, False):
        layer = deep(mode, 2, directions, return_sequences=sequences, return_state=False)
        layer.build(x.shape)
        layer.set_weights([a for w in arrays(mode, 2, directions) for a in w])
        below, above = (twin(mode, keras.layers, directions, s) for s in (True, sequences))
        below.build(x.shape), above.build((None, None, directions * H))
        half = 3 * directions
        below.set_weights(layer.get_plain_weights()[:half])
        above.set_weights(layer.get_plain_weights()[half:])
        np.testing.assert_allclose(
            above(below(x, mask=masked), mask=masked), layer(x, mask=masked), atol=1e-12)
    again = deep(mode, 2, directions)
    again.build(x.shape)
    again.set_plain_weights([*below.get_weights(), *above.get_weights()])
    assert_weights_agree(again.get_weights(), layer.get_weights())


def twin(mode, library, directions, sequences):
    layer = plain(mode, library, return_sequences=sequences)
    return library.Bidirectional(layer, dtype="float64") if directions == 2 else layer


@each_mode_and_direction
def test_weights_carry_over_to_a_stack_and_back(mode, directions):
    stack = zoo.Stack([twin(mode, zoo, directions, s) for s in (True, False)], dtype="float64")
    layer, again = (deep(mode, 2, directions, return_sequences=False, return_state=False)
                    for _ in range(2))
    x, masked = case("gru", batch=ROWS, time=STEPS).x, tf.constant(EVERY)
    for one in (layer, again, stack):
        one.build(x.shape)
    stack.set_weights(layer.get_plain_weights())
    np.testing.assert_allclose(stack(x, mask=masked), layer(x, mask=masked), atol=1e-12)
    again.set_plain_weights(stack.get_weights())
    assert_weights_agree(again.get_weights(), layer.get_weights())


@each_mode_and_direction
def test_skipping_is_a_first_kernel_of_identities(mode, directions, machine):
    x, masked = np.random.default_rng(0).normal(size=(ROWS, STEPS, H)), EVERY
    for engine in ("cudnn", "loop"):
        skip = deep(mode, 2, directions, input_mode="skip", engine=engine)
        linear = deep(mode, 2, directions, engine="loop")
        skip.build(x.shape), linear.build(x.shape)
        assert len(skip.weights) == len(linear.weights) - directions
        linear.set_weights(skip.get_plain_weights())
        np.testing.assert_array_equal(linear.get_weights()[0], np.tile(np.eye(H), GATES[mode]))
        for found, wanted in zip(skip(x, mask=masked), linear(x, mask=masked), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-12)
        again = deep(mode, 2, directions, input_mode="skip", engine=engine)
        again.build(x.shape)
        again.set_plain_weights(skip.get_plain_weights())
        assert_weights_agree(again.get_weights(), skip.get_weights())


def test_auto_skips_wherever_it_can():
    wide, narrow = (zoo.CudnnGRU(1, H, input_mode="auto") for _ in range(2))
    wide.build((None, None, H)), narrow.build((None, None, D))
    assert len(wide.weights) == 2 and len(narrow.weights) == 3


def test_dropout_acts_between_layers_and_only_in_training():
    share, units = 0.4, 50
    x = np.ones((8, 1, units), "float32")

    def trained(depth):
        layer = zoo.CudnnRNNRelu(depth, units, input_mode="skip", dropout=share, seed=1)
        layer.build(x.shape)
        layer.set_plain_weights([np.eye(units), np.zeros((units, units)), np.zeros(units)] * depth)
        np.testing.assert_array_equal(layer(x), x[:, 0])
        return layer(x, training=True).numpy()

    np.testing.assert_array_equal(trained(1), x[:, 0])
    drawn = trained(2)
    np.testing.assert_allclose(np.unique(drawn), [0, 1 / (1 - share)], rtol=1e-6)
    assert abs((drawn == 0).mean() - share) < 4 * np.sqrt(share * (1 - share) / drawn.size)


@pytest.mark.parametrize("masked", (None, EVERY), ids=("no mask", "every pattern"))
@each_direction
def test_dropout_draws_the_same_on_every_engine(directions, masked, stand_in):
    x, found = case("gru", batch=ROWS, time=STEPS).x, []
    for engine in ("cudnn", "loop"):
        layer = deep("lstm", 3, directions, dropout=0.4, seed=1, engine=engine)
        layer.build(x.shape)
        layer.set_weights([a for w in arrays("lstm", 3, directions) for a in w])
        found.append(layer(x, mask=masked, training=True))
        assert np.abs(found[-1][0] - layer(x, mask=masked)[0]).max() > 1e-3
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("batch, time", ((0, 3), (2, 0), (0, 0)))
@each_mode
def test_no_rows_or_no_steps_give_what_the_other_engines_give(mode, batch, time, stand_in):
    x, results = np.zeros((batch, time, D)), []
    states = [np.ones((batch, 2, H)) + n for n in range(1 + (mode == "lstm"))]
    for engine in ("cudnn", "loop"):
        layer = deep(mode, 2, engine=engine)
        layer.build((None, None, D))
        layer.set_weights([a for w in arrays(mode, 2) for a in w])
        found, _ = passes(layer, x, None, list(map(tf.constant, states)))
        results.append(found)
    assert_agree(*results)


@with_gpu
def test_a_gpu_drops_between_layers_and_only_in_training():
    x = case("gru").x
    for depth, drops in ((1, False), (2, True)):
        layer = deep("gru", depth, dropout=0.5, seed=1, engine="cudnn", return_state=False)
        still = layer(x)
        np.testing.assert_array_equal(layer(x), still)
        assert (np.abs(layer(x, training=True) - still).max() > 1e-3) is drops


@pytest.mark.parametrize("sequences", (False, True))
@pytest.mark.parametrize("returns", (False, True))
@each_direction
def test_shapes_are_known_before_running(directions, returns, sequences):
    layer = deep("lstm", 3, directions, return_sequences=sequences, return_state=returns)
    masked = tf.constant(mask("with holes"))
    found = [tuple(a.shape) for a in as_list(layer(case("lstm").x, mask=masked))]
    told = layer.compute_output_shape((B, T, D))
    symbolic = layer(keras.Input((T, D), batch_size=B, dtype="float64"))
    assert found == (list(told) if returns else [told]) == [tuple(s.shape) for s in as_list(symbolic)]
    masks = layer.compute_mask(None, masked)
    shown = masked if sequences else None
    assert masks[0] is shown and masks[1:] == [None, None] if returns else masks is shown


def as_list(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


@each_direction
def test_the_states_of_a_call_go_on_in_the_next(directions):
    """Forward in time, that is: with one direction a sequence can be read in two parts."""
    layer, x = deep("lstm", 3, directions), case("lstm").x
    whole, *last = layer(x)
    start, *states = layer(x[:, :4])
    rest, *finally_ = layer(x[:, 4:], initial_state=states)
    agree = np.allclose(tf.concat([start, rest], 1), whole, atol=1e-12)
    assert agree == np.allclose(finally_, last, atol=1e-12) == (directions == 1)


def test_one_layer_hands_its_states_to_another_in_a_functional_model():
    inputs = keras.Input((None, D), dtype="float64")
    encoder, decoder = deep("lstm", 2), deep("lstm", 2, return_state=False)
    _, *states = encoder(inputs)
    model, x = keras.Model(inputs, decoder(inputs, initial_state=states)), case("lstm").x
    _, *states = encoder(x)
    np.testing.assert_allclose(model(x), decoder(x, initial_state=states), atol=1e-12)
    assert np.abs(model(x) - decoder(x)).max() > 1e-3


@each_mode
def test_every_layer_starts_from_weights_of_its_own(mode):
    layer = LAYERS[mode](2, H, direction="bidirectional")
    layer.build((None, None, H))
    kernels, recurrent, biases = (layer.get_weights()[n::3] for n in range(3))
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1 < np.abs(kernels[2] - kernels[3]).max()
    for U, bias in zip(recurrent, biases):
        np.testing.assert_allclose(U @ U.T, np.eye(H), atol=1e-5)
        np.testing.assert_array_equal(bias, np.zeros_like(bias))


@pytest.mark.parametrize("initializer, value", (("zeros", 0.0), ("ones", 1.0)))
@each_direction
def test_the_bias_initializer_is_that_of_every_gate(directions, initializer, value):
    """As in TensorFlow's `_CudnnRNN`, whose default is 0 for the forget gate too."""
    layer = deep("lstm", 2, directions, bias_initializer=initializer)
    layer.build((None, None, D))
    for bias in layer.get_weights()[2::3]:
        np.testing.assert_array_equal(bias, np.full(4 * H, value))


@each_direction
def test_unit_forget_bias_starts_every_forget_gate_at_one(directions):
    layer = deep("lstm", 2, directions, unit_forget_bias=True)
    layer.build((None, None, D))
    for bias in layer.get_weights()[2::3]:
        np.testing.assert_array_equal(bias, np.repeat([0.0, 1.0, 0.0, 0.0], H))
    again = type(layer).from_config(layer.get_config())
    again.build((None, None, D))
    np.testing.assert_array_equal(again.get_weights()[2], bias)


@each_mode
def test_the_configuration_survives(mode):
    layer = LAYERS[mode](2, H, "auto", "bidirectional", 0.1, 3, "he_normal", "glorot_uniform", "ones",
                         return_sequences=True, return_state=True, engine="loop", dtype="float64")
    config = layer.get_config()
    assert LAYERS[mode].from_config(config).get_config() == config
    assert config["kernel_initializer"]["class_name"] == "HeNormal" and config["seed"] == 3


@pytest.mark.parametrize("input_mode", ("linear", "skip"))
@each_mode
def test_a_model_survives_its_keras_file(mode, input_mode, tmp_path):
    before = keras.Sequential([keras.Input((None, H)), LAYERS[mode](
        2, H, input_mode, "bidirectional", return_sequences=True), LAYERS[mode](1, H)])
    before.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert_weights_agree(after.get_weights(), before.get_weights())
    x = np.random.default_rng(0).normal(size=(B, T, H)).astype("float32")
    np.testing.assert_array_equal(after(x), before(x))


@pytest.mark.slow
def test_a_model_trained_with_cudnn_answers_the_same_without(stand_in, tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([zoo.CudnnLSTM(2, H), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
    x = case("lstm", batch=32, time=3).x.astype("float32")
    losses = model.fit(x, np.tanh(x[:, -1, :1]), batch_size=32, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0] and len(stand_in.calls) == 8
    y = model(x)
    model.save(tmp_path / "model.keras")
    monkeypatch.undo()
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].engine_in_use == engines.choose(zoo.LSTM(H))
    np.testing.assert_allclose(again(x), y, atol=1e-5)


def test_a_mask_from_an_embedding_goes_through():
    network = keras.Sequential([
        keras.layers.Embedding(11, D, mask_zero=True),
        zoo.CudnnGRU(2, H, direction="bidirectional", return_sequences=True), zoo.GRU(H)])
    ids = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    np.testing.assert_allclose(network(ids), network(np.pad(ids, ((0, 0), (0, 3)))), atol=1e-6)


def test_ragged_input_equals_padded_input_with_a_mask():
    lengths = [7, 3, 0, 5]
    x, masked = case("gru").x, np.arange(T) < np.array(lengths)[:, None]
    layer = deep("gru", 2, return_state=False)
    ragged = tf.RaggedTensor.from_tensor(x, lengths=lengths)
    np.testing.assert_allclose(layer(ragged), layer(x, mask=masked), atol=1e-12)


def test_mixed_precision_gives_half_precision():
    layer = zoo.CudnnLSTM(2, H, dtype="mixed_float16")
    assert layer(np.zeros((B, T, D), "float32")).dtype == tf.float16
    assert {w.dtype for w in layer.weights} == {"float32"}


BAD = {
    "no layers": ({"num_layers": 0}, "num_layers: expected a positive integer, received 0"),
    "half a unit": ({"units": 0.5}, "units: expected a positive integer, received 0.5"),
    "input": ({"input_mode": "direct"}, "input_mode: expected one of .*received 'direct'"),
    "direction": ({"direction": "both"}, "direction: expected one of .*received 'both'"),
    "dropout": ({"dropout": 1}, "dropout: expected a rate"),
    "engine": ({"engine": "steam"}, "engine: expected one of .*received 'steam'"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_arguments_are_named(bad):
    options, words = BAD[bad]
    with pytest.raises(ValueError, match=words):
        zoo.CudnnGRU(**{"num_layers": 2, "units": H, **options})


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=f"input_mode='skip': expected .*units, {H}, received {D}"):
        zoo.CudnnGRU(1, H, "skip")(case("gru").x)
    layer = deep("lstm", 2)
    layer.build((None, None, D))
    with pytest.raises(ValueError, match=r"initial_state: expected 2 of shape \[4, 2, 5\], received"):
        layer(case("lstm").x, initial_state=np.zeros((2, B, H)))
    with pytest.raises(ValueError, match="weights: expected 6 arrays, .*received 2"):
        layer.set_plain_weights([1, 2])
    skip = deep("rnn_tanh", input_mode="skip")
    skip.build((None, None, H))
    with pytest.raises(ValueError, match=r"kernel \[I … I\]"):
        skip.set_plain_weights([2 * np.eye(H), np.eye(H), np.zeros(H)])
