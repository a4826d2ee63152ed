"""Dropout, zoneout and dropped weights: what is drawn, how often, and the gradient through it."""
import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import (CELLS, T, assert_agree, assert_weights_agree, case, computed,
                          expected, finite_difference, make, mask, ready, recurrent_kernel_seen)

import zoo

each_cell = pytest.mark.parametrize("cell", CELLS)


@each_cell
def test_without_training_or_rate_dropout_and_zoneout_do_nothing(cell):
    given = case(cell)
    wanted = expected(cell, given)
    rates = {"dropout": 0.5, "recurrent_dropout": 0.5, "weight_drop": 0.5}
    assert_agree(computed(make(cell, **rates), given), wanted)
    zero = make(cell, **dict.fromkeys(rates, 0.0), zoneout=0.0)
    assert_agree(computed(zero, given, training=True), wanted)


@each_cell
def test_input_dropout_is_one_mask_a_sequence(cell):
    """The columns where dx is zero throughout tell the mask; with it the oracle says the same."""
    given = case(cell, features=8)
    actual = computed(make(cell, dropout=0.5, seed=4), given, training=True)
    drawn = 2.0 * actual["dx"].any(axis=1)  # [B, D]
    assert len(np.unique(drawn, axis=0)) > 1, "one mask for the whole batch"
    assert_agree(actual, expected(cell, given, dropout_mask=drawn))


@each_cell
def test_recurrent_dropout_is_one_mask_a_sequence(cell):
    """With one sequence, the rows where dU is zero tell the mask."""
    seen = set()
    for seed in range(4):
        given, layer = case(cell, batch=1), make(cell, recurrent_dropout=0.5, seed=seed)
        actual = computed(layer, given, training=True)
        drawn = 2.0 * actual["drecurrent_kernel"].any(axis=1)[None]  # [1, H]
        assert_agree(actual, expected(cell, given, recurrent_dropout_mask=drawn))
        seen.add(drawn.tobytes())
    assert len(seen) > 1


@each_cell
def test_recurrent_dropout_differs_over_the_batch_and_over_calls(cell):
    given = case(cell)
    given.x[:], given.states = given.x[0], [s * 0 + s[0] for s in given.states]
    layer = make(cell, recurrent_dropout=0.5, seed=1)
    one, two = (computed(layer, given, training=True)["outputs"] for _ in range(2))
    assert len(np.unique(one[:, -1].round(6), axis=0)) > 1
    assert np.abs(one - two).max() > 1e-3


@pytest.mark.parametrize("cell", ("simple_rnn",))
def test_dropout_rates_and_scales_are_right(cell):
    """On a linear unit with identity weights the masks can be read off the outputs."""
    units, rate = 400, 0.3
    for options, given in (({"dropout": rate}, "x"), ({"recurrent_dropout": rate}, "state")):
        layer = make(cell, units=units, activation="linear", seed=2, **options)
        x = np.full((4, 1, units), float(given == "x"))
        state = np.full((4, units), float(given == "state"))
        layer.build(x.shape)
        layer.set_weights([np.eye(units), np.eye(units), np.zeros(units)])
        drawn = layer(x, initial_state=[tf.constant(state)], training=True)[1].numpy()
        np.testing.assert_allclose(np.unique(drawn), [0, 1 / (1 - rate)])
        assert abs((drawn == 0).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / drawn.size)


@pytest.mark.parametrize("cell", ("simple_rnn", "gru", "gru_reset_before"))
def test_training_zoneout_keeps_or_replaces_each_unit(cell):
    """A unit that did not move was kept; with those draws the oracle says the same."""
    given, rate = case(cell, batch=8, time=20), 0.3
    actual = computed(make(cell, zoneout=rate, seed=3), given, training=True)
    y = actual["outputs"]
    before = np.concatenate([given.states[0][:, None], y[:, :-1]], axis=1)
    draws = np.swapaxes(y == before, 0, 1)[None] * 1.0  # [1, T, B, H]
    assert abs(draws.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / draws.size)
    assert_agree(actual, expected(cell, given, zoneout=draws))


def test_training_zoneout_of_an_lstm_keeps_h_and_c_by_themselves():
    """Step by step, from the states a one-step layer returns."""
    given, rate, kept_units = case("lstm", batch=200, time=1), 0.3, []
    actual = computed(make("lstm", zoneout=rate, seed=3), given, training=True)
    draws = np.stack([actual[f"state {i}"] == given.states[i] for i in (0, 1)])
    assert_agree(actual, expected("lstm", given, zoneout=1.0 * draws[:, None]))
    for kept_units in draws:
        assert abs(kept_units.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / kept_units.size)
    assert abs((draws[0] & draws[1]).mean() - rate ** 2) < 0.03


@pytest.mark.parametrize("options", ({}, {"truncate": 2}, {"go_backwards": True}), ids=str)
@each_cell
def test_weight_drop_is_one_mask_a_call(cell, options):
    """A dropped weight has no gradient, a kept one a scaled one: dU tells the mask of the whole call."""
    rate = 0.25
    given, layer = case(cell), make(cell, weight_drop=rate, seed=3, **options)
    actual = computed(layer, given, mask=mask("with holes"), training=True)
    kernel, U, bias = given.weights
    drawn = (actual["drecurrent_kernel"] != 0) / (1 - rate)
    assert 0 < drawn.mean() < 1 / (1 - rate)
    given.weights = [kernel, U * drawn, bias]
    wanted = expected(cell, given, mask=mask("with holes"), **options)
    wanted["drecurrent_kernel"] *= drawn
    assert_agree(actual, wanted)


@each_cell
def test_weight_drop_differs_from_call_to_call_and_leaves_the_weights(cell):
    given, layer = case(cell), make(cell, weight_drop=0.5, seed=3)
    one, two = (computed(layer, given, training=True)["drecurrent_kernel"] for _ in range(2))
    assert ((one == 0) != (two == 0)).any()
    assert_weights_agree(layer.get_weights(), given.weights)


def test_weight_drop_keeps_the_expectation_of_the_weights():
    """Uᵢⱼ is 0 with the probability of the rate, else U / (1 - rate)."""
    rate, units = 0.3, 200
    layer = zoo.SimpleRNN(units, activation="linear", weight_drop=rate, seed=2)
    drawn = recurrent_kernel_seen(layer)
    np.testing.assert_allclose(np.unique(drawn), [0, 1 / (1 - rate)], rtol=1e-6)
    deviation = np.sqrt(rate / (1 - rate) / drawn.size)
    assert abs(drawn.mean() - 1) < 4 * deviation


STOCHASTIC = {"dropout": 0.4, "recurrent_dropout": 0.4, "weight_drop": 0.3, "zoneout": 0.3, "seed": 6}


@each_cell
def test_stochastic_gradients_match_finite_differences_at_one_seed(cell):
    given, masked = case(cell, batch=2, time=4, units=3), mask("with holes", 2, 4)
    layer = make(cell, units=3, **STOCHASTIC)
    to_the_first_seed = seed_keeper(layer)

    def loss(weight):
        weights, given.weights = given.weights, [given.weights[0], weight, *given.weights[2:]]
        to_the_first_seed()
        found = computed(layer, given, mask=masked, training=True, graph=True)
        given.weights = weights
        return sum((found[n] * d).sum() for n, d in zip(
            ("outputs", "state 0", "state 1"), (given.dy, *given.dstates)))

    actual = computed(layer, given, mask=masked, training=True)
    wanted = finite_difference(loss, given.weights[1])
    assert_agree({"dU": actual["drecurrent_kernel"]}, {"dU": wanted}, 1e-6)


def seed_keeper(layer):
    """A function that puts the layer's random state back to where it is now."""
    generators = [g for owner in (layer, getattr(layer, "cell", None)) if owner is not None
                  for g in vars(owner).values() if isinstance(g, keras.random.SeedGenerator)]
    states = {g.state.path + str(i): (g.state, g.state.numpy()) for i, g in enumerate(generators)}
    assert states, "expected the layer or its cell to hold a keras.random.SeedGenerator"
    return lambda: [variable.assign(value) for variable, value in states.values()]


@each_cell
def test_a_model_passes_training_on(cell):
    given, layer = case(cell), make(cell, return_state=False, **STOCHASTIC)
    ready(layer, given)
    network = keras.Sequential([layer])
    assert np.abs(network(given.x, training=True) - network(given.x, training=False)).max() > 1e-3
    np.testing.assert_array_equal(network(given.x), network(given.x, training=False))


@each_cell
def test_the_same_seed_draws_the_same(cell):
    given = case(cell)
    one, two, long = (computed(make(cell, truncate=k, **STOCHASTIC), given, training=True)
                      for k in (None, None, T + 3))
    assert_agree(one, two, 0)
    assert_agree(long, one)
