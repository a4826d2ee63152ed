"""Arguments, activations, states and inputs that a recurrent layer refuses, in one line."""
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import CELLS, B, D, H, T, case, keras_twin, make, mask

from zoo.cells.activations import elementwise

each_cell = pytest.mark.parametrize("cell", CELLS)
BAD = {
    "an unknown engine": ({"engine": "steam"}, "steam"),
    "truncate zero": ({"truncate": 0}, "truncate"),
    "truncate negative": ({"truncate": -2}, "truncate"),
    "truncate a fraction": ({"truncate": 1.5}, "truncate"),
    "dropout one": ({"dropout": 1.0}, "dropout"),
    "dropout negative": ({"dropout": -0.1}, "dropout"),
    "recurrent dropout above one": ({"recurrent_dropout": 1.5}, "recurrent_dropout"),
    "zoneout one": ({"zoneout": 1.0}, "zoneout"),
    "zoneout negative": ({"zoneout": -0.5}, "zoneout"),
    "weight drop one": ({"weight_drop": 1}, "weight_drop"),
    "weight drop as text": ({"weight_drop": "x"}, "weight_drop: expected a rate"),
    "no units": ({"units": 0}, "units"),
    "units as text": ({"units": "5"}, "units"),
    "units missing": ({"units": None}, "units"),
    "units a float": ({"units": 5.0}, "units"),
    "units a truth value": ({"units": True}, "units"),
    "truncate as text": ({"truncate": "x"}, "expected None or a number of steps"),
    "dropout as text": ({"dropout": "x"}, "dropout"),
    "cuDNN in a loop": ({"use_cudnn": True, "engine": "loop"}, "engine='loop'"),
    "cuDNN perhaps": ({"use_cudnn": "perhaps"}, "use_cudnn"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("cell", ("simple_rnn", "gru", "lstm"))
def test_bad_arguments_are_named(cell, bad):
    options, word = BAD[bad]
    with pytest.raises(ValueError, match=word) as error:
        make(cell, **options)
    message = str(error.value)
    assert "\n" not in message and str(list(options.values())[0]) in message


def mean_removed(x):
    return x - tf.reduce_mean(x, -1, keepdims=True)


@pytest.mark.parametrize("activation", (
    "softmax", "log_softmax", "sparsemax", "glu", mean_removed, keras.layers.Softmax()))
@pytest.mark.parametrize("cell, option", [
    ("simple_rnn", "activation"), ("gru", "activation"), ("gru", "recurrent_activation"),
    ("lstm", "activation"), ("lstm", "recurrent_activation")])
def test_activations_that_mix_units_are_refused(cell, option, activation):
    """Their derivative is a matrix; one number an element would be silently wrong."""
    with pytest.raises(ValueError, match=f"^{option}: expected an elementwise activation") as error:
        make(cell, **{option: activation})
    assert "\n" not in str(error.value)


MIXING = {"softmax", "log_softmax", "sparsemax", "glu"}


def test_every_other_activation_of_keras_is_accepted():
    names = {name for name, value in vars(keras.activations).items() if inspect.isfunction(value)}
    for name in names - MIXING - {"get", "serialize", "deserialize", "threshold"}:  # has no defaults
        assert make("lstm", activation=name).activation is getattr(keras.activations, name)


def test_activations_are_checked_while_a_graph_is_traced():
    def check():
        assert elementwise("activation", "gelu") is keras.activations.gelu
        with pytest.raises(ValueError, match="elementwise"):
            elementwise("activation", "softmax")

    tf.function(check)()
    keras.ops.vectorized_map(lambda x: check() or x, tf.zeros(2))
    with keras.src.backend.common.symbolic_scope.SymbolicScope():
        check()


WRONG_STATES = {
    "too many": (lambda n: [tf.zeros((B, H))] * (n + 1), "received {more}"),
    "too few": (lambda n: [tf.zeros((B, H))] * (n - 1), "received {less}"),
    "another batch": (lambda n: [tf.zeros((B + 1, H))] * n, r"received \[5, 5\]"),
    "one for all": (lambda n: [tf.zeros((1, H))] * n, r"received \[1, 5\]"),
    "another width": (lambda n: [tf.zeros((B, H + 1))] * n, r"received \[4, 6\]"),
    "another rank": (lambda n: [tf.zeros((B, 1, H))] * n, r"received \[4, 1, 5\]"),
}


@pytest.mark.parametrize("by_position", (False, True))
@pytest.mark.parametrize("wrong", WRONG_STATES)
@each_cell
def test_states_that_do_not_fit_are_refused_in_one_line(cell, wrong, by_position):
    count, (states, message) = len(case(cell).states), WRONG_STATES[wrong]
    layer, x = make(cell, dtype="float32"), tf.zeros((B, T, D))
    message = message.format(more=count + 1, less=count - 1)
    with pytest.raises(ValueError, match=f"^initial_state: expected {count} tensor.*{message}$"):
        if by_position:
            layer(x, states(count))
        else:
            layer(x, initial_state=states(count))


def test_states_that_do_not_fit_are_refused_while_a_graph_is_traced():
    run = tf.function(lambda x, h: make("gru", dtype="float32")(x, initial_state=[h, h]))
    with pytest.raises(ValueError, match=r"expected 1 tensor \[B, 5\], received 2"):
        run.get_concrete_function(tf.TensorSpec((None, None, D)), tf.TensorSpec((None, H)))


@each_cell
def test_a_stateful_layer_refuses_another_batch_size(cell):
    layer = make(cell, stateful=True, dtype="float32")
    layer(tf.zeros((B, T, D)))
    with pytest.raises(ValueError, match=r"^the states of a stateful layer: expected.*\[3, 5\]"):
        layer(tf.zeros((3, T, D)))


@each_cell
def test_the_first_of_several_masks_is_passed_on(cell):
    masked = tf.constant(mask("with holes"))
    layer = make(cell, return_state=False)
    assert layer.compute_mask(None, [masked, None]) is masked
    assert layer.compute_mask(None, [None]) is None


@pytest.mark.parametrize("option", ("dropout", "units", "activation"))
@each_cell
def test_options_of_the_cell_cannot_be_set_where_nothing_reads_them(cell, option):
    """As in Keras, where they are properties without a setter."""
    for layer in (make(cell), keras_twin(cell)):
        before = getattr(layer, option)
        with pytest.raises(AttributeError, match=option):
            setattr(layer, option, 0.0)
        assert getattr(layer, option) == before


@each_cell
def test_inputs_of_the_wrong_rank_or_width_are_refused(cell):
    layer = make(cell)
    with pytest.raises(ValueError):
        layer(np.zeros((B, D)))
    layer(np.zeros((B, T, D)))
    with pytest.raises(ValueError):
        layer(np.zeros((B, T, D + 1)))
