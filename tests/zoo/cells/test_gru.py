"""The GRU's other convention of the update gate, and its limits when a gate is open or shut."""
import numpy as np
import pytest
from layer_checks import B, H, T, assert_agree, case, make, ready
from reference import sigmoid

from zoo.weights.opposite_update_gate import opposite_update_gate

SHUT, OPEN = -1e4, 1e4  # biases at which σ is exactly 0 or 1
each_form = pytest.mark.parametrize("form", ("gru", "gru_reset_before"))


def gated(form, **biases):
    """A case whose gates named in `biases` have that much more bias."""
    given = case(form)
    for gate, value in biases.items():
        start = "zrn".index(gate) * H
        given.weights[2][..., start:start + H] += value
    return given


def outputs(form, given):
    """[B, T, H], from the first states of the case."""
    layer = make(form, use_bias=len(given.weights) == 3, return_state=False)
    ready(layer, given)
    return layer(given.x, initial_state=given.states).numpy()


def parts(form, given):
    """W, U and the biases [2, 3H] by gate z r n; without a second bias it is zero."""
    kernel, recurrent_kernel, *bias = given.weights
    both = np.zeros((2, 3 * H))
    if bias:
        both[:2 if form == "gru" else 1] = bias[0]
    return [np.split(weights, 3, -1) for weights in (kernel, recurrent_kernel, both)]


def formulas(form, given):
    """z and the candidate n, as functions of x and h."""
    (W_z, W_r, W_n), (U_z, U_r, U_n), (b_z, b_r, b_n) = parts(form, given)

    def update(x, h):
        return sigmoid(x @ W_z + h @ U_z + b_z.sum(0))

    def candidate(x, h):
        r = sigmoid(x @ W_r + h @ U_r + b_r.sum(0))
        reset = r * (h @ U_n + b_n[1]) if form == "gru" else (r * h) @ U_n
        return np.tanh(x @ W_n + b_n[0] + reset)

    return update, candidate


def assert_outputs(form, given, step):
    """Those of the layer are h_t = step(x_t, h_{t-1}) from the case's first state."""
    h, wanted = given.states[0], []
    for x in given.x.swapaxes(0, 1):
        h = step(x, h)
        wanted.append(h)
    assert_agree({"outputs": outputs(form, given)}, {"outputs": np.stack(wanted, 1)})


@pytest.mark.parametrize("bias", (True, False))
@each_form
def test_weights_of_the_opposite_update_gate_convert_exactly(form, bias):
    """The formula of the other convention, h' = (1-z)·h + z·n, with its own weights."""
    given = case(form, use_bias=bias)
    update, candidate = formulas(form, given)

    def step(x, h):
        z = update(x, h)
        return (1 - z) * h + z * candidate(x, h)

    given.weights = opposite_update_gate(given.weights)
    assert_outputs(form, given, step)


@each_form
def test_the_conversion_undoes_itself_and_leaves_its_argument_alone(form):
    weights = [weight.astype("float32") for weight in case(form).weights]
    there = opposite_update_gate(weights)
    for before, between, after in zip(weights, there, opposite_update_gate(there), strict=True):
        np.testing.assert_array_equal(after, before)
        assert between.dtype == np.float32 and not np.array_equal(between, before)


def test_weights_that_are_not_a_grus_are_refused():
    with pytest.raises(ValueError, match=r"^weights: expected .* 3·5 columns, received \[\[3, 20\]"):
        opposite_update_gate(case("lstm").weights)


@each_form
def test_an_open_reset_gate_leaves_the_simple_rnn(form):
    """r = 1 and z = 0: h' = tanh(x·W + h·U + b), the biases of the form after added up."""
    given = gated(form, z=SHUT, r=OPEN)
    (*_, W), (*_, U), (*_, b) = parts(form, given)
    assert_outputs(form, given, lambda x, h: np.tanh(x @ W + h @ U + b.sum(0)))


@each_form
def test_a_shut_reset_gate_leaves_a_perceptron(form):
    """r = 0 and z = 0: h' = tanh(x·W + b), of this step's input alone."""
    given = gated(form, z=SHUT, r=SHUT)
    (*_, W), _, (*_, b) = parts(form, given)
    assert_outputs(form, given, lambda x, h: np.tanh(x @ W + b[0]))


@each_form
def test_a_shut_update_gate_replaces_the_state(form):
    """z = 0: h' = n, whatever r is."""
    given = gated(form, z=SHUT)
    _, candidate = formulas(form, given)
    assert_outputs(form, given, candidate)


@each_form
def test_an_open_update_gate_keeps_the_state(form):
    """z = 1: h' = h, exactly."""
    given = gated(form, z=OPEN)
    kept = np.broadcast_to(given.states[0][:, None], (B, T, H))
    np.testing.assert_array_equal(outputs(form, given), kept)
