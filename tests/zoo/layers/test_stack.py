"""Stack, the deep recurrent network, against its layers called by hand."""
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import diagonal
from layer_checks import (CELLS, MASKS, B, D, H, T, assert_agree, assert_weights_agree, case, mask,
                          recurrent_kernel_seen)

import zoo

LAYERS = {
    "simple_rnn": lambda **o: zoo.SimpleRNN(H, **o),
    "gru": lambda **o: zoo.GRU(H, **o),
    "gru_reset_before": lambda **o: zoo.GRU(H, reset_after=False, **o),
    "lstm": lambda **o: zoo.LSTM(H, **o),
    "bidirectional": lambda **o: zoo.Bidirectional(zoo.LSTM(H, **o), dtype="float64"),
}


def deep(*names, sequences=True, **options):
    """A stack of named layers in float64."""
    layers = [LAYERS[name](return_sequences=sequences or i < len(names) - 1, dtype="float64")
              for i, name in enumerate(names)]
    return zoo.Stack(layers, dtype="float64", **options)


@pytest.mark.parametrize("cell, name", diagonal(CELLS, MASKS))
def test_two_layers_match_the_oracle_run_twice(cell, name):
    below, above = case(cell, seed=1), case(cell, seed=2, features=H)
    stack, masked = deep(cell, cell), mask(name)
    stack.build((None, None, D))
    stack.set_weights(below.weights + above.weights)
    middle = reference.run(cell, below.weights, below.x, mask=masked).outputs
    wanted = reference.run(cell, above.weights, middle, mask=masked).outputs
    assert_agree({"y": stack(below.x, mask=masked).numpy()}, {"y": wanted})


def by_hand(stack, x, masked, residual):
    """H^l = layer(H^(l-1)), plus H^(l-1) where it is asked for and the widths agree."""
    for layer in stack.layers:
        y = layer(x, mask=masked)
        fits = layer.return_sequences and y.shape[-1] == x.shape[-1]
        x = y + x if residual and fits else y
    return x


@pytest.mark.parametrize("residual, sequences", diagonal((False, True), (False, True)))
def test_outputs_and_gradients_equal_composing_the_layers(residual, sequences):
    stack = deep("gru", "lstm", "bidirectional", "gru", sequences=sequences, residual=residual)
    x, masked = tf.constant(case("gru").x), tf.constant(mask("with holes"))
    found = with_gradients(stack, stack, x, masked)
    wanted = with_gradients(stack, lambda x, mask: by_hand(stack, x, mask, residual), x, masked)
    assert_agree(found, wanted)


def with_gradients(stack, function, x, masked):
    stack(x)  # builds
    weights = [w.value for w in stack.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x, mask=masked)
        loss = tf.reduce_sum(y * np.random.default_rng(0).normal(size=y.shape))
    arrays = [y, *tape.gradient(loss, [x, *weights])]
    return {str(i): a.numpy() for i, a in enumerate(arrays)}


def test_residuals_change_the_output():
    plain, residual = (deep("gru", "gru", residual=r) for r in (False, True))
    x = case("gru").x
    plain(x), residual(x)
    residual.set_weights(plain.get_weights())
    middle = plain.layers[0](x)
    np.testing.assert_allclose(residual(x), plain(x) + middle, atol=1e-12)


def test_dropout_acts_between_layers_and_only_in_training():
    """With every second layer linear and the identity, what was dropped can be seen."""
    rate = 0.4
    stack = zoo.Stack([zoo.SimpleRNN(50, activation="linear", return_sequences=True)
                       for _ in range(2)], dropout=rate)
    x = np.ones((8, 1, 50), "float32")
    stack.build(x.shape)
    stack.set_weights([np.eye(50), np.zeros((50, 50)), np.zeros(50)] * 2)
    np.testing.assert_allclose(stack(x), x)
    drawn = stack(x, training=True).numpy()
    np.testing.assert_allclose(np.unique(drawn), [0, 1 / (1 - rate)], rtol=1e-6)
    assert abs((drawn == 0).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / drawn.size)


def test_each_layer_drops_weights_of_its_own():
    """The second layer adds its kernel to that of the first, which it reads."""
    keras.utils.set_random_seed(0)
    stack = zoo.Stack([zoo.SimpleRNN(200, activation="linear", weight_drop=0.5, return_sequences=n == 0)
                       for n in range(2)])
    total = recurrent_kernel_seen(stack)
    assert set(np.unique(total)) == {0, 2, 4}
    shares = [(total == value).mean() for value in (0, 2, 4)]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.01)


def test_a_single_layer_is_never_dropped():
    stack = zoo.Stack([zoo.GRU(H, return_sequences=True)], dropout=0.9)
    x = case("gru").x.astype("float32")
    np.testing.assert_array_equal(stack(x, training=True), stack(x, training=False))


def test_the_mask_is_passed_on_with_sequences_only():
    masked = tf.constant(mask("with holes"))
    assert deep("gru", "gru").compute_mask(None, masked) is masked
    assert deep("gru", "gru", sequences=False).compute_mask(None, masked) is None


def test_a_mask_from_an_embedding_reaches_every_layer():
    network = keras.Sequential([
        keras.layers.Embedding(11, D, mask_zero=True),
        zoo.Stack([zoo.LSTM(H, return_sequences=True), zoo.GRU(H)])])
    ids = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    np.testing.assert_allclose(network(ids), network(np.pad(ids, ((0, 0), (0, 3)))), atol=1e-6)


def test_shapes_are_known_before_running():
    stack = deep("gru", "bidirectional")
    assert tuple(stack.compute_output_shape((None, None, D))) == (None, None, 2 * H)
    assert tuple(stack(keras.Input((None, D), dtype="float64")).shape) == (None, None, 2 * H)


def test_the_configuration_survives():
    stack = deep("gru", "bidirectional", dropout=0.2, residual=True)
    config = stack.get_config()
    again = zoo.Stack.from_config(config)
    assert again.get_config() == stack.get_config()
    assert config == stack.get_config(), "from_config must leave its argument as it was"


def test_a_model_survives_its_keras_file(tmp_path):
    before = keras.Sequential([keras.Input((None, D)), zoo.Stack(
        [zoo.Bidirectional(zoo.GRU(H, return_sequences=True)), zoo.LSTM(H)], dropout=0.1)])
    before.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert_weights_agree(after.get_weights(), before.get_weights())
    x = case("gru").x.astype("float32")
    np.testing.assert_array_equal(after(x), before(x))


@pytest.mark.slow
def test_fit_decreases_the_loss():
    keras.utils.set_random_seed(0)
    network = keras.Sequential([zoo.Stack(
        [zoo.LSTM(8, return_sequences=True), zoo.GRU(1)], dropout=0.1)])
    network.compile(keras.optimizers.Adam(0.03), "mse")
    x = case("gru", batch=64).x.astype("float32")
    losses = network.fit(x, np.tanh(x[:, -1, :1]), batch_size=64, epochs=25, verbose=0).history
    assert losses["loss"][-1] < 0.5 * losses["loss"][0]


def test_ragged_input_equals_padded_input_with_a_mask():
    lengths = [7, 3, 0, 5]
    x, masked = case("gru").x, np.arange(T) < np.array(lengths)[:, None]
    stack = deep("gru", "lstm")
    ragged = tf.RaggedTensor.from_tensor(x, lengths=lengths)
    np.testing.assert_allclose(stack(ragged), stack(x, mask=masked), atol=1e-12)


def test_mixed_precision_gives_half_precision():
    stack = zoo.Stack([zoo.GRU(H, return_sequences=True, dtype="mixed_bfloat16"),
                       zoo.GRU(H, dtype="mixed_bfloat16")], residual=True, dtype="mixed_bfloat16")
    assert stack(np.zeros((B, T, D), "float32")).dtype == tf.bfloat16


@pytest.mark.parametrize("name", ("gru", "lstm", "bidirectional"))
@pytest.mark.parametrize("residual, sequences", diagonal((False, True), (False, True)))
def test_the_states_of_the_last_layer_are_returned(residual, sequences, name):
    last = LAYERS[name](return_sequences=sequences, return_state=True, dtype="float64")
    stack = zoo.Stack([zoo.SimpleRNN(2 * H if name == "bidirectional" else H, dtype="float64",
                                     return_sequences=True), last],
                      residual=residual, dtype="float64")
    x, masked = case("gru").x, tf.constant(mask("right-padded"))
    y, *states = stack(x, mask=masked)
    middle = stack.layers[0](x, mask=masked)
    wanted, *last_states = last(middle, mask=masked)
    np.testing.assert_allclose(y, wanted + middle if residual and sequences else wanted, atol=1e-12)
    for found, state in zip(states, last_states, strict=True):
        np.testing.assert_allclose(found, state, atol=1e-12)
    masks = stack.compute_mask(x, masked)
    assert len(masks) == 1 + len(states) and masks[1:] == [None] * len(states)
    assert masks[0] is (masked if sequences else None)


@pytest.mark.parametrize("sequences", (False, True))
def test_the_states_of_every_layer_come_and_go_the_lowest_first(sequences):
    """A sequence cut in two, with the states handed over, gives what it gives in one piece."""
    options = {"return_state": True, "dtype": "float64"}
    stack = zoo.Stack([
        zoo.LSTM(H, return_sequences=True, **options), zoo.GRU(H, return_sequences=True, **options),
        zoo.LSTM(2, return_sequences=sequences, **options)], dtype="float64")
    x = case("gru").x
    y, *states = stack(x)
    assert stack.state_size == [H, H, H, 2, 2] == [state.shape[-1] for state in states]
    y_early, *middle = stack(x[:, :3])
    y_late, *last = stack(x[:, 3:], initial_state=middle)
    wanted = tf.concat([y_early, y_late], 1) if sequences else y_late
    for one, two in zip([y, *states], [wanted, *last], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)
    assert ([tuple(shape) for shape in stack.compute_output_shape(x.shape)]
            == [tuple(tensor.shape) for tensor in (y, *states)])
    assert len(stack.compute_mask(x, mask("none"))) == 1 + len(states)


def test_some_layers_may_return_states_and_others_not():
    below = zoo.LSTM(H, return_sequences=True, return_state=True)
    stack = zoo.Stack([below, zoo.GRU(H, return_sequences=True)])
    x = case("gru").x.astype("float32")
    y, h, c = stack(x)
    for found, wanted in zip((h, c), below(x)[1:], strict=True):
        np.testing.assert_array_equal(found, wanted)
    symbolic = stack(keras.Input((None, D)))
    assert [tuple(tensor.shape) for tensor in symbolic] == [(None, None, H), (None, H), (None, H)]


def test_first_states_reach_both_directions_of_every_layer():
    stack, x = deep("bidirectional", "bidirectional"), case("gru").x
    random = np.random.default_rng(5)
    states = [tf.constant(random.normal(size=(B, H))) for _ in range(8)]
    middle = stack.layers[0](x, initial_state=states[:4])
    wanted = stack.layers[1](middle, initial_state=states[4:])
    np.testing.assert_allclose(stack(x, initial_state=states), wanted, atol=1e-12)
    inputs = [keras.Input(value.shape[1:], dtype="float64") for value in (x, *states)]
    model = keras.Model(inputs, stack(inputs[0], initial_state=inputs[1:]))
    np.testing.assert_allclose(model([tf.constant(x), *states]), wanted, atol=1e-12)


@pytest.mark.parametrize("shapes, message", [
    ([(B, H)] * 2, "received 2"), ([(B, H)] * 4, "received 4"), ([(B, H + 1)] * 3, r"received \[4, 6\]")])
def test_states_that_do_not_fit_are_refused_in_one_line(shapes, message):
    with pytest.raises(ValueError, match=rf"^initial_state: expected 3 tensors \[4, 5\].*{message}$"):
        deep("gru", "lstm")(case("gru").x, initial_state=[tf.zeros(shape) for shape in shapes])


def test_a_functional_model_carries_masks_through_a_stack_with_states():
    ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(11, D, mask_zero=True)(ids)
    y, h, c = zoo.Stack([zoo.LSTM(H, return_sequences=True, return_state=True)])(embedded)
    network = keras.Model(ids, [zoo.GRU(H)(y), h, c])
    padded = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    for one, two in zip(network(padded), network(np.pad(padded, ((0, 0), (0, 3))))):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_the_stack_answers_as_its_last_layer_does():
    below = zoo.GRU(H, return_sequences=True)
    for options in ({}, {"return_sequences": True}, {"return_state": True}, {"stateful": True}):
        last = zoo.GRU(H, **options)
        stack = zoo.Stack([below, last])
        for name in ("return_sequences", "return_state", "stateful"):
            assert getattr(stack, name) is getattr(last, name)


def test_resetting_the_stack_resets_every_layer():
    stack = zoo.Stack([zoo.LSTM(H, return_sequences=True, stateful=True),
                       zoo.Bidirectional(zoo.GRU(H, stateful=True))])
    x = case("gru").x.astype("float32")
    start, later = stack(x), stack(x)
    assert np.abs(start - later).max() > 1e-3
    stack.reset_state()
    np.testing.assert_array_equal(stack(x), start)


def step_by_step(stack, x):
    """The outputs and the last states of `step`, one after the other from the start."""
    outputs, states = [], stack.get_initial_state(x.shape[0])
    for t in range(x.shape[1]):
        output, states = stack.step(x[:, t], states)
        outputs.append(output)
    return named(tf.stack(outputs, 1), states)


def named(y, states):
    return {"y": np.array(y), **{str(n): np.array(state) for n, state in enumerate(states)}}


@pytest.mark.parametrize("residual", (False, True))
@pytest.mark.parametrize("names", [
    ["lstm"], ["gru", "gru_reset_before"], ["simple_rnn", "lstm", "gru", "lstm"]])
def test_step_by_step_equals_all_steps_at_once(names, residual):
    """A residual goes around the first layer too, where it is as wide as its input."""
    options = {"return_sequences": True, "return_state": True, "zoneout": 0.2, "dtype": "float64"}
    stack = zoo.Stack([LAYERS[name](**options) for name in names], dropout=0.5, residual=residual,
                      dtype="float64")
    x = case("gru", features=H).x
    y, *states = stack(x)
    assert_agree(step_by_step(stack, x), named(y, states), 1e-12)


def test_a_step_gives_what_a_stack_without_sequences_ends_on():
    for residual in (False, True):
        stack = deep("lstm", "gru", sequences=False, residual=residual)
        x = case("gru").x
        wanted = stack(x)
        np.testing.assert_allclose(step_by_step(stack, x)["y"][:, -1], wanted, atol=1e-12)


def test_a_step_reads_weights_in_half_precision():
    stack = zoo.Stack([zoo.GRU(H, return_sequences=True, dtype="mixed_bfloat16") for _ in "12"],
                      dtype="mixed_bfloat16")
    x = case("gru").x.astype("float32")
    wanted, found = stack(x), step_by_step(stack, x)["y"]
    assert found.dtype == wanted.dtype.as_numpy_dtype
    np.testing.assert_allclose(found.astype(float), tf.cast(wanted, tf.float64), atol=0.02)


@pytest.mark.parametrize("layer, message", [
    (lambda: zoo.Bidirectional(zoo.GRU(2), name="both"), "at least one SimpleRNN.*name=both"),
    (lambda: zoo.GRU(2, go_backwards=True, name="back"), "go_backwards=False.*otherwise in back"),
    (lambda: zoo.GRU(2, stateful=True, name="own"), "stateful=False.*otherwise in own")])
def test_layers_that_take_no_single_step_are_refused_by_name(layer, message):
    stack = zoo.Stack([zoo.GRU(2, return_sequences=True), layer()])
    stack(np.zeros((1, 3, 2), "float32"))
    with pytest.raises(ValueError, match=f"^layers: expected .*{message}"):
        stack.get_initial_state(1)
    with pytest.raises(ValueError, match=f"^layers: expected .*{message}"):
        stack.step(np.zeros((1, 2), "float32"), [np.zeros((1, 2), "float32")] * len(stack.state_size))


def test_states_of_a_step_that_do_not_fit_are_refused():
    stack = deep("gru", "lstm")
    stack.build((None, None, D))
    with pytest.raises(ValueError, match=r"^states: expected 3 tensors \[B, 5\], received 2$"):
        stack.step(case("gru").x[:, 0], stack.get_initial_state(B)[:2])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="layers"):
        zoo.Stack([])
    with pytest.raises(ValueError, match="return_sequences"):
        zoo.Stack([zoo.GRU(H), zoo.GRU(H)])
    with pytest.raises(ValueError, match="dropout"):
        zoo.Stack([zoo.GRU(H)], dropout=1.0)
    with pytest.raises(ValueError, match="merge_mode"):
        zoo.Stack([zoo.Bidirectional(zoo.GRU(H, return_sequences=True), merge_mode=None),
                   zoo.GRU(H)])
