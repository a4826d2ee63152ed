"""Vector to sequence: the oracle run on [x; c], or from states made of c; step by step as at once."""
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from heads import as_lite
from layer_checks import (
    CELLS, MASKS, B, D, H, T, assert_agree, assert_gradients_match_differences, make, mask, randomise)

import zoo
from zoo.layers.decoder import blank, repeat

V = 2
USES = "first", "every"         # of a vector of any width
RNG = np.random.default_rng(4)
X, C = RNG.normal(size=(B, T, D)), RNG.normal(size=(B, V))


def decoder(*cells, use="first", dtype="float64", **options):
    """A decoder with random weights that has read X and C."""
    layers = [make(cell, return_sequences=False, return_state=False, dtype=dtype) for cell in cells]
    made = zoo.Decoder(layers, use, dtype=dtype, **options)
    made(X, C)
    return randomise(made)


def first_states(made):
    """tanh(c·W + b), cut into the states of each layer."""
    sizes = [[H] * layer.cell.states for layer in made.layers]
    if made.vector == "every":
        return [[np.zeros((B, H)) for _ in group] for group in sizes]
    kernel, bias = (w.numpy() for w in made.first_states.weights)
    columns = iter(np.split(np.tanh(C @ kernel + bias), sum(map(len, sizes)), 1))
    return [[next(columns) for _ in group] for group in sizes]


def by_hand(made, cells, masked=None):
    """Sequence and states by the oracle, layer after layer."""
    y, last = X, []
    if made.vector == "every":
        y = np.concatenate([X, np.repeat(C[:, None], T, 1)], -1)
    for n, (cell, layer, states) in enumerate(zip(cells, made.layers, first_states(made))):
        above = reference.run(cell, layer.get_weights(), y, mask=masked, states=states)
        y = above.outputs + (y if made.residual and n else 0)
        last += above.states
    return named(y, last)


def named(sequence, states):
    return {"sequence": np.array(sequence), **{str(n): np.array(s) for n, s in enumerate(states)}}


def step_by_step(made, states):
    """The sequence and the last states of `step`, one after the other."""
    outputs = []
    for t in range(T):
        output, states = made.step(X[:, t], states, C)
        outputs.append(output)
    return named(tf.stack(outputs, 1), states)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("cell", CELLS)
def test_both_ways_match_the_oracle(cell, use):
    for cells in ([cell], [cell, "lstm", cell]):
        made = decoder(*cells, use=use)
        assert_agree(named(*made(X, C)), by_hand(made, cells))


@pytest.mark.parametrize("use", USES)
def test_residuals_go_around_all_layers_but_the_first(use):
    cells = ["gru", "lstm", "simple_rnn"]
    made = decoder(*cells, use=use, residual=True)
    assert_agree(named(*made(X, C)), by_hand(made, cells))
    assert_agree(step_by_step(made, made.start(C)), by_hand(made, cells))


@pytest.mark.parametrize("name", MASKS)
def test_masked_steps_leave_the_states_of_all_layers(name):
    made = decoder("gru", "lstm")
    found = named(*made(X, C, inputs_mask=mask(name)))
    assert_agree(found, by_hand(made, ["gru", "lstm"], mask(name)))


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("cell", CELLS)
def test_step_by_step_equals_all_steps_at_once(cell, use):
    made = decoder(cell, "gru", use=use)
    made.layers[0].zoneout = 0.3  # its expectation belongs to inference
    assert_agree(step_by_step(made, made.start(C)), named(*made(X, C)))
    assert_agree(step_by_step(made, [s + 0.5 for s in made.start(C)]),
                 named(*made(X, C, initial_state=[s + 0.5 for s in made.start(C)])))


def test_states_of_another_network_start_it_as_they_are():
    made = zoo.Decoder(make("lstm"), dtype="float64")
    states = [RNG.normal(size=(B, H)) for _ in range(2)]
    found = named(*made(X, initial_state=states))
    wanted = reference.run("lstm", made.layers[0].get_weights(), X, states=states)
    assert_agree(found, named(wanted.outputs, wanted.states))


@pytest.mark.parametrize("cell", CELLS)
def test_a_copied_vector_is_the_first_states_of_all_layers(cell):
    """s_0 = h_N of an encoder, without tanh(c·W + b); there is no weight for it."""
    layers = [make(name, return_sequences=False, return_state=False) for name in (cell, "lstm")]
    made = zoo.Decoder(layers, "copied", dtype="float64")
    c = RNG.normal(size=(B, sum(made.state_size)))
    found = named(*made(X, c))
    states, y, last = list(np.split(c, len(made.state_size), 1)), X, []
    for name, layer in zip((cell, "lstm"), layers):
        above = reference.run(name, layer.get_weights(), y,
                              states=[states.pop(0) for _ in range(layer.cell.states)])
        y, last = above.outputs, last + above.states
    assert_agree(found, named(y, last))
    assert_agree(step_by_step(made, made.start(tf.constant(c))), found)
    assert len(made.weights) == len([weight for layer in layers for weight in layer.weights])


def test_a_copied_vector_of_another_width_is_refused():
    made = zoo.Decoder([zoo.GRU(4), zoo.LSTM(3)], "copied")
    message = r"^vector='copied': expected a vector as wide as all states, \[4, 3, 3\], received 9; use"
    with pytest.raises(ValueError, match=message):
        made.build((None, None, D), (None, 9))
    with pytest.raises(ValueError, match=message):
        made.start(tf.zeros([2, 9]))


def test_a_vector_alone_decides_the_sequence():
    """Blank inputs change nothing: the same as a layer over the repeated vector, or over zeros."""
    for use, x in (("every", np.repeat(C[:, None], T, 1)), ("first", np.zeros((B, T, 1)))):
        made = zoo.Decoder(make("gru"), use, dtype="float64")
        sequence, _ = made(blank(tf.constant(C), T), C)
        kernel, recurrent, bias = made.layers[0].get_weights()
        states, rows = first_states(made)[0], kernel[-x.shape[-1]:]
        wanted = reference.run("gru", [rows, recurrent, bias], x, states=states)
        assert_agree({"y": sequence.numpy()}, {"y": wanted.outputs})
    np.testing.assert_array_equal(repeat(tf.constant(C), 3)[:, 2], C)


@pytest.mark.parametrize("use", USES)
def test_gradients_match_differences_in_every_weight_and_in_the_vector(use):
    made = decoder("gru", "simple_rnn", use=use)
    c, dy = keras.Variable(C, dtype="float64"), RNG.normal(size=(B, T, H))

    def loss():
        sequence, states = made(tf.constant(X), c.value)
        return tf.reduce_sum(sequence * dy) + tf.reduce_sum(states[0] ** 2)

    assert_gradients_match_differences(loss, [c, *made.trainable_weights])


def test_dropout_between_layers_is_one_mask_a_sequence():
    made = zoo.Decoder([zoo.SimpleRNN(40, "linear"), zoo.SimpleRNN(40, "linear")], dropout=0.5)
    x, eye, none = np.ones((2, 3, 40), "float32"), np.eye(40), np.zeros((40, 40))
    states = [np.zeros((2, 40), "float32")] * 2
    made(x, initial_state=states)
    made.set_weights([eye, none, np.zeros(40)] * 2)
    y = made(x, initial_state=states, training=True)[0].numpy()
    assert set(np.unique(y)) == {0, 2} and (y == y[:, :1]).all() and (y[0] != y[1]).any()
    np.testing.assert_array_equal(made(x, initial_state=states)[0], x)


@pytest.mark.parametrize("use", USES)
def test_a_keras_file_gives_the_same_model(use, tmp_path):
    x, c = keras.Input((None, D)), keras.Input((V,))
    layers = [zoo.GRU(4), zoo.LSTM(5, zoneout=0.1)]
    sequence, states = zoo.Decoder(layers, use, dropout=0.1, residual=True)(x, c)
    model = keras.Model([x, c], [sequence, states])
    randomise(model).save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_agree(named(*again([X, C])), named(*model([X, C])), 0)
    assert again.layers[-1].get_config() == model.layers[-1].get_config()


@pytest.mark.slow
@pytest.mark.parametrize("use", USES)
def test_tflite_runs_all_steps_and_one_step(use, tmp_path):
    made = decoder("lstm", "gru", use=use, dtype="float32")
    x, c = X.astype("float32"), C.astype("float32")

    @tf.function(input_signature=[tf.TensorSpec([None, None, D]), tf.TensorSpec([None, V])])
    def call(inputs, vector):
        return {"y": made(inputs, vector)[0]}

    @tf.function(input_signature=[tf.TensorSpec([None, V])])
    def start(vector):
        return {f"state_{n}": state for n, state in enumerate(made.start(vector))}

    state = tf.TensorSpec([None, H])

    @tf.function(input_signature=[tf.TensorSpec([None, D]), tf.TensorSpec([None, V]), *3 * [state]])
    def step(inputs, vector, state_0, state_1, state_2):
        y, states = made.step(inputs, [state_0, state_1, state_2], vector)
        return {"y": y, **{f"state_{n}": state for n, state in enumerate(states)}}

    run = as_lite(tmp_path, made.variables, call=call, start=start, step=step)
    wanted, _ = made(x, c)
    assert_agree(run("call", inputs=x, vector=c), {"y": wanted.numpy()}, 1e-5)
    states = run("start", vector=c[:1])
    for t in range(T):
        found = run("step", inputs=x[:1, t], vector=c[:1], **states)
        assert_agree({"y": found.pop("y")}, {"y": wanted[:1, t].numpy()}, 1e-5)
        states = found


@pytest.mark.parametrize("layers, message", [
    ([], "at least one SimpleRNN, GRU or LSTM"),
    ([keras.layers.Dense(2)], "at least one SimpleRNN, GRU or LSTM"),
    (zoo.GRU(2, go_backwards=True), "go_backwards=False"),
    (zoo.GRU(2, stateful=True), "stateful=False")])
def test_layers_that_cannot_be_decoded_from_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        zoo.Decoder(layers)


def test_errors_say_what_is_missing():
    with pytest.raises(ValueError, match="vector: expected one of"):
        zoo.Decoder(zoo.GRU(2), "last")
    made = decoder("lstm", use="every")
    with pytest.raises(ValueError, match=r"vector: expected a tensor \[B, V\], received None"):
        made.step(X[:, 0], made.start(C))
    with pytest.raises(ValueError, match=r"states: expected 2 tensors \[B, 5\], received 1"):
        made.step(X[:, 0], made.start(C)[:1], C)
    with pytest.raises(ValueError, match=r"^initial_state: expected 2 tensors \[4, 5\], received 3$"):
        made(X, C, initial_state=[C, C, C])
