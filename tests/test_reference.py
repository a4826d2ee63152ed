"""The oracle itself, against finite differences of its own forward pass and against Keras."""
import doctest

import layer_checks
import numpy as np
import pytest
import reference
from conftest import diagonal
from layer_checks import (CELLS, MASKS, NORMALIZED, WEIGHTS, B, T, assert_agree, case, computed,
                          expected, finite_difference, keras_twin, mask)

D, H = 2, 4     # every number of a weight is moved, twice


@pytest.mark.parametrize("module", (reference, layer_checks))
def test_the_examples_in_the_docstrings_are_right(module):
    assert doctest.testmod(module).failed == 0


def loss(cell, given, **options):
    result = reference.run(cell, given.weights, given.x, states=given.states, **options)
    return ((result.outputs * given.dy).sum()
            + sum((s * d).sum() for s, d in zip(result.states, given.dstates)))


def differences(cell, given, **options):
    """Every gradient of the oracle's loss, by moving every number that goes in."""
    values = [given.x, *given.states, *given.weights]
    names = ["dx", *(f"dstate {i}" for i in range(len(given.states))),
             *("d" + name for name in WEIGHTS[:len(given.weights)])]
    gradients = {}
    for i, name in enumerate(names):
        def moved(value, i=i):
            x, *rest = [value if j == i else v for j, v in enumerate(values)]
            states, weights = rest[:len(given.states)], rest[len(given.states):]
            other = type(given)(weights, x, states, given.dy, given.dstates)
            return loss(cell, other, **options)
        gradients[name] = finite_difference(moved, values[i])
    return gradients


def only_gradients(found):
    return {name: value for name, value in found.items() if name.startswith("d")}


OPTIONS = {
    "plain": lambda cell: {},
    "mask with holes": lambda cell: {"mask": mask("with holes")},
    "a fully masked row, zeros": lambda cell: {
        "mask": mask("a fully masked row"), "zero_output_for_mask": True},
    "backwards, left-padded": lambda cell: {"mask": mask("left-padded"), "go_backwards": True},
    "dropout": lambda cell: {
        "dropout_mask": draws((B, D)), "recurrent_dropout_mask": draws((B, H))},
    "expected zoneout": lambda cell: {"zoneout": 0.3, "mask": mask("with holes")},
    "drawn zoneout": lambda cell: {
        "zoneout": draws((reference.CELLS[cell].states, T, B, H)) / 2},
    "other activations": lambda cell: {
        "activation": "sigmoid", "recurrent_activation": "hard_sigmoid"},
}


def draws(shape):
    """Zeros and twos."""
    return 2.0 * np.random.default_rng(5).integers(0, 2, shape)


@pytest.mark.parametrize("cell, options", [
    *diagonal(CELLS, list(OPTIONS)), *diagonal(NORMALIZED, list(OPTIONS))])
def test_gradients_match_finite_differences(cell, options):
    given, options = case(cell, features=D, units=H), OPTIONS[options](cell)
    wanted = differences(cell, given, **options)
    assert_agree(only_gradients(expected(cell, given, **options)), wanted, 1e-6)


@pytest.mark.parametrize("k", (1, 3))
@pytest.mark.parametrize("cell", CELLS)
def test_truncated_gradient_is_that_of_windows_with_a_frozen_first_state(cell, k):
    """The loss of step t, seen through steps t-k … t alone, the state before them a constant."""
    given, masked = case(cell, features=D, units=H), mask("with holes")
    actual = reference.gradients(cell, given.weights, given.x, given.dy, truncate=k,
                                 states=given.states, mask=masked)
    for i, name in [(1, "recurrent_kernel"), (2, "bias")]:
        wanted = sum(finite_difference(
            lambda w: window_loss(cell, given, masked, t, k, i, w), given.weights[i])
            for t in range(T))
        assert_agree({name: getattr(actual, name)}, {name: wanted}, 1e-6)


def window_loss(cell, given, masked, t, k, i, moved):
    """dy_t·y_t, recomputed from step t-k on with weight i moved."""
    first, weights = max(t - k, 0), list(given.weights)
    before = reference.run(cell, weights, given.x[:, :first], mask=masked[:, :first],
                           states=given.states).states if first else given.states
    weights[i] = moved
    window = reference.run(cell, weights, given.x[:, first:t + 1],
                           mask=masked[:, first:t + 1], states=before)
    visible = masked[:, :t + 1].any(axis=1)  # a step of an earlier window may have been unmasked
    return (window.states[0] * given.dy[:, t] * visible[:, None]).sum()


@pytest.mark.parametrize("cell", CELLS)
def test_truncation_longer_than_the_sequence_changes_nothing(cell):
    given = case(cell)
    for k in (T - 1, T + 3):
        assert_agree(expected(cell, given, truncate=k), expected(cell, given), 1e-15)


def test_truncation_by_hand_on_a_linear_unit():
    """h_t = u·h_{t-1} + x_t: with k=1, ∂Σy/∂u = Σ_t (h_{t-1} + u·h_{t-2}), h_{-1} = h0."""
    u, x, h = 0.5, [1.0, 2.0, 3.0], [4.0]
    for value in x:
        h.append(u * h[-1] + value)
    weights = [np.eye(1), np.full((1, 1), u), np.zeros(1)]
    found = reference.gradients("simple_rnn", weights, np.array(x)[None, :, None],
                                np.ones((1, 3, 1)), truncate=1, activation="linear",
                                states=[np.array([[h[0]]])])
    wanted = h[0] + (h[1] + u * h[0]) + (h[2] + u * h[1])
    np.testing.assert_allclose(found.recurrent_kernel, wanted)
    np.testing.assert_allclose(found.x[0, :, 0], [1 + u, 1 + u, 1])
    np.testing.assert_allclose(found.states[0], u + u * u)


@pytest.mark.parametrize("cell, name", diagonal(CELLS, MASKS))
def test_everything_matches_keras(cell, name):
    given, masked = case(cell, seed=1), mask(name)
    for options in ({}, {"go_backwards": True}, {"zero_output_for_mask": True},
                    {"activation": "sigmoid"}):
        layer = keras_twin(cell, **options)
        assert_agree(expected(cell, given, mask=masked, **options),
                     computed(layer, given, mask=masked), 1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_without_bias_everything_matches_keras(cell):
    given = case(cell, use_bias=False)
    layer = keras_twin(cell, use_bias=False)
    assert_agree(expected(cell, given), computed(layer, given), 1e-12)
