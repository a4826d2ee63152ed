"""SimpleRNN, GRU (both reset forms) and LSTM against the oracle, Keras and finite differences."""
import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import (AGREEMENT, CELLS, MASKS, B, D, H, T, assert_agree,
                          assert_weights_agree, case, computed, expected, finite_difference,
                          keras_twin, layer_class, make, mask, ready, recurrent_kernel_seen)

import zoo
from zoo.cell import elementwise

each_cell = pytest.mark.parametrize("cell", CELLS)
each_mask = pytest.mark.parametrize("name", MASKS)
each_mode = pytest.mark.parametrize("graph", (False, True), ids=("eager", "graph"))


@functools.lru_cache(maxsize=None)
def kept(cell, **options):
    """One layer for several tests, so that its graph is traced once."""
    return make(cell, **options)


# ---------------------------------------------------------------- numbers

@each_mode
@each_mask
@each_cell
def test_outputs_states_and_gradients_match_the_oracle(cell, name, graph):
    given, masked = case(cell), mask(name)
    actual = computed(kept(cell), given, mask=masked, graph=graph)
    assert_agree(actual, expected(cell, given, mask=masked))


@each_mask
@each_cell
def test_float32_agrees_with_the_float64_oracle(cell, name):
    given, masked = case(cell, seed=1).to("float32"), mask(name)
    actual = computed(kept(cell, dtype="float32"), given, mask=masked)
    assert_agree(actual, expected(cell, given, mask=masked), AGREEMENT)


@each_mask
@each_cell
def test_outputs_states_and_gradients_match_keras(cell, name):
    given, masked = case(cell, seed=2), mask(name)
    wanted = computed(keras_twin(cell), given, mask=masked)
    assert_agree(computed(kept(cell), given, mask=masked), wanted)


@each_cell
def test_a_long_sequence_in_float32_agrees_with_the_oracle(cell):
    given = case(cell, batch=2, time=60, units=16).to("float32")
    masked = np.arange(60) < [[60], [41]]
    actual = computed(make(cell, units=16, dtype="float32"), given, mask=masked, graph=True)
    assert_agree(actual, expected(cell, given, mask=masked), AGREEMENT)


VARIANTS = {
    "backwards": {"go_backwards": True},
    "zeros for masked": {"zero_output_for_mask": True},
    "backwards, zeros for masked": {"go_backwards": True, "zero_output_for_mask": True},
    "relu and hard sigmoid": {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    "linear and tanh": {"activation": "linear", "recurrent_activation": "tanh"},
    "expected zoneout": {"zoneout": 0.3},
    "zoneout and truncation": {"zoneout": 0.3, "truncate": 2, "go_backwards": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
@each_cell
def test_variants_match_the_oracle(cell, variant):
    options = allowed(cell, VARIANTS[variant])
    given, layer = case(cell), make(cell, **options)
    for name in ("none", "with holes"):
        actual = computed(layer, given, mask=mask(name))
        assert_agree(actual, expected(cell, given, mask=mask(name), **options))


def allowed(cell, options):
    """A SimpleRNN has no recurrent activation."""
    return {k: v for k, v in options.items()
            if (cell, k) != ("simple_rnn", "recurrent_activation")}


@each_cell
def test_without_bias_matches_the_oracle(cell):
    given, layer = case(cell, use_bias=False), make(cell, use_bias=False)
    assert len(layer.weights) == 0 and len(kept_after_build(layer).weights) == 2
    assert_agree(computed(layer, given), expected(cell, given))


def kept_after_build(layer):
    layer.build((None, None, D))
    return layer


@pytest.mark.parametrize("activation", ("gelu", "softsign", "elu"))
@each_cell
def test_any_activation_matches_keras(cell, activation):
    """Functions whose derivative nobody wrote down: gelu's is not even one of its own value."""
    given, masked = case(cell), mask("with holes")
    wanted = computed(keras_twin(cell, activation=activation), given, mask=masked)
    assert_agree(computed(make(cell, activation=activation), given, mask=masked), wanted)


@pytest.mark.parametrize("truncate", (1, 4, T - 1, T + 3))
@each_cell
def test_truncated_gradients_match_the_double_sum(cell, truncate):
    given, layer = case(cell), make(cell, truncate=truncate)
    for name in ("none", "with holes", "a fully masked row"):
        actual = computed(layer, given, mask=mask(name))
        assert_agree(actual, expected(cell, given, mask=mask(name), truncate=truncate))


@each_cell
def test_truncated_gradients_match_in_a_graph_for_any_length(cell):
    layer = make(cell, truncate=2)
    for time in (1, 2, 3, 9):
        given = case(cell, time=time)
        actual = computed(layer, given, graph=True)
        assert_agree(actual, expected(cell, given, truncate=2))


@each_mode
@each_cell
def test_the_last_output_alone_matches_the_oracle(cell, graph):
    """Without sequences nothing need be stacked: another way through the code."""
    given = case(cell)
    for zeros in (False, True):
        layer = make(cell, return_sequences=False, return_state=False, zero_output_for_mask=zeros)
        ready(layer, given)
        run = tf.function(layer) if graph else layer
        for name in MASKS:
            options = {} if mask(name) is None else {"mask": tf.constant(mask(name))}
            wanted = expected(cell, given, mask=mask(name), zero_output_for_mask=zeros)["outputs"]
            actual = run(given.x, initial_state=list(map(tf.constant, given.states)), **options)
            np.testing.assert_allclose(actual, wanted[:, -1], atol=1e-12)


@each_cell
def test_the_gradient_of_the_last_output_alone_matches_the_oracle(cell):
    given, masked = case(cell), mask("right-padded")
    layer = make(cell, return_sequences=False, return_state=False)
    ready(layer, given)
    with tf.GradientTape() as tape:
        y = layer(given.x, initial_state=list(map(tf.constant, given.states)), mask=masked)
        loss = tf.reduce_sum(y * given.dy[:, -1])
    given.dy[:, :-1] = 0
    given.dstates = [np.zeros_like(d) for d in given.dstates]
    wanted = expected(cell, given, mask=masked)
    for gradient, name in zip(tape.gradient(loss, layer.trainable_weights),
                              ("dkernel", "drecurrent_kernel", "dbias")):
        np.testing.assert_allclose(gradient, wanted[name], atol=1e-12)


@each_cell
def test_each_gradient_alone_is_the_one_found_among_all(cell):
    """A layer that is frozen, an input that is a constant, a loss on the states only."""
    given = case(cell)
    given.dy[:] = 0
    wanted, layer = expected(cell, given), kept(cell)
    ready(layer, given)
    x, states = tf.constant(given.x), list(map(tf.constant, given.states))
    sources = {"dx": x, "dstate 0": states[0], "dkernel": layer.trainable_weights[0].value,
               "drecurrent_kernel": layer.trainable_weights[1].value}
    for name, source in sources.items():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(source)
            _, *last = layer(x, initial_state=states)
            loss = sum(tf.reduce_sum(s * d) for s, d in zip(last, given.dstates))
        np.testing.assert_allclose(tape.gradient(loss, source), wanted[name], atol=1e-12)


@each_cell
def test_masked_inputs_do_not_matter(cell):
    """Whatever stands in the padding: outputs, states and gradients stay, and dx there is zero."""
    given, masked = case(cell), mask("with holes")
    before = computed(kept(cell), given, mask=masked)
    given.x[~masked] = 1e3
    after = computed(kept(cell), given, mask=masked)
    assert_agree(after, before)
    assert not after["dx"][~masked].any()


@each_cell
def test_states_that_are_not_given_are_zeros(cell):
    given = case(cell)
    ready(kept(cell), given)
    zeros = [tf.zeros((B, H), "float64") for _ in given.states]
    for a, b in zip(kept(cell)(given.x), kept(cell)(given.x, initial_state=zeros)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("batch, time", [(0, T), (0, 1), (B, 1), (1, 1)])
@each_mode
@each_cell
def test_empty_batches_and_single_steps(cell, graph, batch, time):
    given = case(cell, batch=batch, time=time)
    masked = np.arange(batch * time).reshape(batch, time) % 2 == 0
    actual = computed(kept(cell), given, mask=masked, graph=graph)
    assert_agree(actual, expected(cell, given, mask=masked))


# ---------------------------------------------------------------- dropout and zoneout

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


# ---------------------------------------------------------------- Keras's world

KERAS_OPTIONS = {
    "activation": "relu", "use_bias": True, "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_uniform", "bias_initializer": "ones",
    "kernel_regularizer": "l2", "recurrent_regularizer": "l1", "bias_regularizer": "l2",
    "activity_regularizer": "l2", "kernel_constraint": "max_norm",
    "recurrent_constraint": "non_neg", "bias_constraint": "unit_norm", "dropout": 0.1,
    "recurrent_dropout": 0.2, "seed": 7, "return_sequences": True, "return_state": True,
    "go_backwards": True, "stateful": False, "unroll": True, "zero_output_for_mask": True,
    "name": "mine"}
OWN_OPTIONS = {"zoneout": 0.1, "weight_drop": 0.2, "truncate": 3, "engine": "loop",
               "layer_normalization": True}


@each_cell
def test_every_argument_survives_get_config(cell):
    layer = make(cell, **KERAS_OPTIONS, **OWN_OPTIONS)
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert {k: config[k] for k in OWN_OPTIONS} == OWN_OPTIONS
    wanted = keras_twin(cell, **KERAS_OPTIONS).get_config()
    if cell == "simple_rnn":  # Keras 3.15 takes its activity_regularizer and drops it
        wanted["activity_regularizer"] = config["activity_regularizer"]
        assert config["activity_regularizer"]["class_name"] == "L2"
    assert {k: config.get(k, "missing") for k in wanted} == wanted


@each_cell
def test_defaults_are_those_of_keras(cell):
    plain = {"dtype": "float32", "return_sequences": False, "return_state": False, "name": "same"}
    config, wanted = (m(cell, **plain).get_config() for m in (make, keras_twin))
    assert {k: config.get(k, "missing") for k in wanted} == wanted


NAMES = ("SimpleRNN", "GRU", "LSTM", "SimpleRNNCell", "GRUCell", "LSTMCell")


def arguments(library, name):
    return inspect.signature(getattr(library, name).__init__).parameters


@pytest.mark.parametrize("name", NAMES)
def test_arguments_have_the_order_and_defaults_of_keras_and_our_own_are_by_keyword(name):
    ours, theirs = arguments(zoo, name), arguments(keras.layers, name)
    assert [ours[key] for key in ours if key in theirs] == list(theirs.values())
    own = {key for key in ours if key not in theirs}
    assert all(ours[key].kind == inspect.Parameter.KEYWORD_ONLY for key in own)
    assert name.endswith("Cell") or set(OWN_OPTIONS) - {"layer_normalization"} <= own


@pytest.mark.parametrize("name", NAMES)
def test_positional_arguments_mean_what_they_mean_in_keras(name):
    """A value of its own for every argument, all given by position."""
    values = {**KERAS_OPTIONS, "units": H, "recurrent_activation": "tanh", "unit_forget_bias": False,
              "reset_after": False, "use_bias": False, "use_cudnn": False}
    given = [values[key] for key, argument in arguments(keras.layers, name).items()
             if key != "self" and argument.kind == argument.POSITIONAL_OR_KEYWORD]
    ours, wanted = (getattr(library, name)(*given, name="same").get_config()
                    for library in (zoo, keras.layers))
    if name == "SimpleRNN":  # Keras 3.15 takes its activity_regularizer and drops it
        wanted["activity_regularizer"] = ours["activity_regularizer"]
    assert {key: ours.get(key, "missing") for key in wanted} == wanted


def test_an_argument_too_many_or_none_at_all_is_an_error():
    with pytest.raises(TypeError, match="positional"):
        zoo.LSTM(H, *range(40))
    with pytest.raises(TypeError, match="units"):
        zoo.LSTM()
    with pytest.raises(TypeError, match="activation"):
        zoo.LSTM(H, "relu", activation="relu")


@each_cell
def test_choices_between_the_loops_of_keras_are_accepted(cell):
    given, layer = case(cell), make(cell, implementation=1, use_cudnn=False)
    assert_agree(computed(layer, given), expected(cell, given))


@each_cell
def test_weights_have_the_names_order_and_shapes_of_keras(cell):
    ours, theirs = (m(cell, name="same") for m in (make, keras_twin))
    for layer in (ours, theirs):
        layer.build((None, None, D))
    assert [(w.name, w.shape) for w in ours.weights] == [(w.name, w.shape) for w in theirs.weights]
    assert len(ours.trainable_weights) == 3 and not ours.non_trainable_weights


def model(cell, units=H, **options):
    """Integers to a number, with a mask from the embedding."""
    options = {"dtype": "float32", "return_state": False, "units": units, **options}
    return keras.Sequential([
        keras.layers.Embedding(11, D, mask_zero=True),
        make(cell, **options),
        make(cell, **{**options, "return_sequences": False}),
        keras.layers.Dense(1)])


def ids(batch=16, time=T):
    """Right-padded integers, 0 is padding."""
    random = np.random.default_rng(0)
    lengths = random.integers(1, time + 1, (batch, 1))
    return random.integers(1, 11, (batch, time)) * (np.arange(time) < lengths)


@each_cell
def test_a_model_survives_its_keras_file(cell, tmp_path):
    before = model(cell, zoneout=0.1, weight_drop=0.1, truncate=3, recurrent_dropout=0.2)
    wanted = before(ids())
    before.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert_weights_agree(after.get_weights(), before.get_weights())
    np.testing.assert_array_equal(after(ids()), wanted)
    assert isinstance(after.layers[1], layer_class(cell)) and after.layers[1].truncate == 3


@pytest.mark.parametrize("cell, jit_compile", [
    *((cell, False) for cell in CELLS), ("gru_reset_before", True), ("lstm", True)])
def test_fit_decreases_the_loss(cell, jit_compile):
    """The sum of the first and the last word, so both ends must be learnt."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(1).integers(1, 11, (64, T))
    y = (x[:, 0] + x[:, -1])[:, None] / 10.0 - 1
    network = keras.Sequential([
        keras.layers.Embedding(11, 8, mask_zero=True),
        make(cell, units=8, dtype="float32", return_sequences=False, return_state=False,
             engine="loop" if jit_compile else "auto"),
        keras.layers.Dense(1)])
    network.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=jit_compile)
    losses = network.fit(x, y, batch_size=64, epochs=25, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0], losses


@each_cell
def test_xla_gives_the_same_numbers(cell):
    given, masked = case(cell), mask("with holes")
    actual = computed(kept(cell), given, mask=masked, graph=True, jit_compile=True)
    assert_agree(actual, expected(cell, given, mask=masked))


@each_cell
def test_a_mask_from_an_embedding_is_used_and_passed_on(cell):
    network, padded = model(cell), ids()
    longer = np.pad(padded, ((0, 0), (0, 3)))
    np.testing.assert_allclose(network(padded), network(longer), atol=1e-6)
    masked = keras.ops.convert_to_tensor(padded != 0)
    sequences, last = network.layers[1:3]
    assert sequences.supports_masking
    assert sequences.compute_mask(None, masked) is masked
    assert last.compute_mask(None, masked) is None


@each_cell
def test_functional_models_of_any_batch_and_length(cell):
    given = case(cell)
    x = keras.Input((None, D), dtype="float64")
    states = [keras.Input((H,), dtype="float64") for _ in given.states]
    layer = make(cell)
    y, *last = layer(x, initial_state=states)
    assert tuple(y.shape) == (None, None, H) and tuple(last[0].shape) == (None, H)
    network = keras.Model([x, *states], [y, *last])
    layer.set_weights(given.weights)
    wanted = expected(cell, given)
    found = network([given.x, *given.states])
    np.testing.assert_allclose(found[0], wanted["outputs"], atol=1e-12)
    np.testing.assert_allclose(found[-1], wanted[f"state {len(states) - 1}"], atol=1e-12)


@pytest.mark.parametrize("sequences", (False, True))
@pytest.mark.parametrize("state", (False, True))
@each_cell
def test_what_is_returned_has_the_shapes_of_keras(cell, sequences, state):
    options = {"return_sequences": sequences, "return_state": state}
    ours, theirs = (m(cell, **options) for m in (make, keras_twin))
    x = case(cell).x
    found, wanted = ours(x), theirs(x)
    assert isinstance(found, (list, tuple)) == isinstance(wanted, (list, tuple))
    assert ([tuple(a.shape) for a in tf.nest.flatten(found)]
            == [tuple(a.shape) for a in tf.nest.flatten(wanted)])
    assert (flat_shapes(ours.compute_output_shape((None, T, D)))
            == flat_shapes(theirs.compute_output_shape((None, T, D))))


def flat_shapes(shape):
    """One shape or several, as a list of tuples."""
    several = shape and isinstance(shape[0], (list, tuple))
    return [tuple(s) for s in (shape if several else [shape])]


@pytest.mark.parametrize("policy", ("mixed_bfloat16", "mixed_float16"))
@each_cell
def test_mixed_precision_is_close_to_float32(cell, policy):
    given = case(cell).to("float32")
    layer = make(cell, dtype=policy)
    ready(layer, given)
    y, *last = layer(given.x, initial_state=list(map(tf.constant, given.states)))
    half = policy.removeprefix("mixed_")
    assert {v.dtype.name for v in (y, *last)} == {half}
    assert {w.dtype for w in layer.weights} == {"float32"}
    wanted = expected(cell, given)["outputs"]
    assert np.abs(tf.cast(y, "float64") - wanted).max() < {"bfloat16": 0.05, "float16": 0.005}[half]


@each_mode
@pytest.mark.parametrize("policy", ("mixed_bfloat16", "mixed_float16"))
@each_cell
def test_mixed_precision_sums_bias_gradients_accurately(cell, policy, graph):
    """A sum over 64·40 terms: in bfloat16 it is off by several percent."""
    given = case(cell, batch=64, time=40).to("float32")
    given.dy = np.abs(given.dy) / 64
    half = policy.removeprefix("mixed_")
    layer = make(cell, dtype=policy)
    actual = computed(layer, given, graph=graph)["dbias"]
    rounded = rounded_to(half, given)
    wanted = expected(cell, rounded)["dbias"]
    assert actual.dtype == np.float32
    limit = {"bfloat16": 0.01, "float16": 0.002}[half]
    assert np.abs(actual - wanted).max() < limit * np.abs(wanted).max()


def rounded_to(half, given):
    """The numbers the half-precision layer sees, exactly."""
    def rounded(a):
        return tf.cast(tf.cast(a, half), "float64").numpy()
    return type(given)(*([rounded(a) for a in v] if isinstance(v, list) else rounded(v)
                         for v in (given.weights, given.x, given.states, given.dy,
                                   given.dstates)))


@each_cell
def test_a_stateful_layer_goes_on_where_it_stopped(cell):
    given = case(cell)
    layer = make(cell, stateful=True)
    layer.build((B, T, D))
    layer.set_weights(given.weights)
    whole = expected(cell, type(given)(given.weights, given.x, [s * 0 for s in given.states],
                                       given.dy, given.dstates))["outputs"]
    for _ in range(2):
        halves = [layer(given.x[:, :3])[0], layer(given.x[:, 3:])[0]]
        np.testing.assert_allclose(np.concatenate(halves, axis=1), whole, atol=1e-12)
        layer.reset_state()
    assert len(layer.trainable_weights) == 3


@each_cell
def test_a_stateful_layer_works_in_predict(cell):
    given = case(cell).to("float32")
    layer = make(cell, stateful=True, return_state=False, dtype="float32")
    network = keras.Sequential([keras.Input(batch_shape=(B, None, D)), layer])
    layer.set_weights(given.weights)
    halves = [network.predict(x, batch_size=B, verbose=0) for x in (given.x[:, :3], given.x[:, 3:])]
    twin = keras_twin(cell, return_state=False, dtype="float32")
    ready(twin, given)
    np.testing.assert_allclose(np.concatenate(halves, axis=1), twin(given.x), atol=1e-5)


@each_cell
def test_unrolled_equals_looped(cell):
    given = case(cell)
    layer = make(cell, unroll=True)
    for name in ("none", "with holes"):
        assert_agree(computed(layer, given, mask=mask(name)),
                     expected(cell, given, mask=mask(name)))


@each_cell
def test_unrolling_needs_a_known_length(cell):
    layer = make(cell, unroll=True)
    with pytest.raises(ValueError, match="(?i)unroll"):
        tf.function(layer).get_concrete_function(tf.TensorSpec((B, None, D), "float64"))


@each_mode
@each_cell
def test_ragged_input_equals_padded_input_with_a_mask(cell, graph):
    given, layer = case(cell), make(cell)
    ready(layer, given)
    lengths = [7, 3, 0, 5]
    masked = np.arange(T) < np.array(lengths)[:, None]
    ragged = tf.RaggedTensor.from_tensor(given.x, lengths=lengths)
    run = tf.function(lambda x: layer(x)) if graph else layer
    for a, b in zip(run(ragged), layer(given.x, mask=masked)):
        np.testing.assert_allclose(a, b, atol=1e-12)


CELL_CLASSES = {"simple_rnn": "SimpleRNNCell", "gru": "GRUCell", "gru_reset_before": "GRUCell",
                "lstm": "LSTMCell"}


@each_cell
def test_a_cell_inside_keras_rnn_equals_the_layer(cell):
    given, masked = case(cell), mask("with holes")
    fixed = {"reset_after": cell == "gru"} if cell.startswith("gru") else {}
    one = getattr(zoo, CELL_CLASSES[cell])(H, dtype="float64", **fixed)
    layer = keras.layers.RNN(one, return_sequences=True, return_state=True, dtype="float64")
    assert_agree(computed(layer, given, mask=masked), expected(cell, given, mask=masked))
    config = one.get_config()
    assert type(one).from_config(config).get_config() == config


@each_cell
def test_a_cell_steps_by_hand(cell):
    given = case(cell, time=2)
    layer = make(cell)
    ready(layer, given)
    state, outputs = list(map(tf.constant, given.states)), []
    for t in range(2):
        y, state = layer.cell(tf.constant(given.x[:, t]), state)
        outputs.append(y)
    np.testing.assert_allclose(np.stack(outputs, axis=1), expected(cell, given)["outputs"],
                               atol=1e-12)


@each_cell
def test_regularisers_are_among_the_losses(cell):
    given = case(cell)
    layer = make(cell, kernel_regularizer=keras.regularizers.L2(0.1),
                 recurrent_regularizer=keras.regularizers.L1(0.2),
                 bias_regularizer=keras.regularizers.L2(0.3),
                 return_state=False)
    ready(layer, given)
    w, u, b = given.weights
    wanted = 0.1 * (w ** 2).sum() + 0.2 * np.abs(u).sum() + 0.3 * (b ** 2).sum()
    np.testing.assert_allclose(sum(keras.Sequential([layer]).losses), wanted)


@each_cell
def test_the_activity_regulariser_reads_the_outputs(cell):
    """A mean over the batch, as in Keras (whose SimpleRNN takes the argument and drops it)."""
    given = case(cell)
    layer = make(cell, activity_regularizer=keras.regularizers.L2(0.1), return_state=False)
    ready(layer, given)
    y = layer(given.x).numpy()
    assert float(sum(layer.losses)) == pytest.approx(0.1 * (y ** 2).sum() / B)


@each_cell
def test_constraints_are_applied(cell):
    layer = make(cell, kernel_constraint="non_neg", recurrent_constraint="non_neg",
                 bias_constraint="non_neg", return_state=False, return_sequences=False,
                 dtype="float32")
    network = keras.Sequential([layer])
    network.compile("sgd", "mse")
    given = case(cell).to("float32")
    ready(layer, given)
    network.fit(given.x, given.states[0], epochs=1, verbose=0)
    for before, after in zip(given.weights, layer.get_weights()):
        assert before.min() < 0 <= after.min() and after.max() > 0


def test_unit_forget_bias_starts_the_forget_gate_at_one():
    layer = kept_after_build(make("lstm"))
    np.testing.assert_array_equal(layer.get_weights()[2], np.repeat([0., 1., 0., 0.], H))
    layer = kept_after_build(make("lstm", unit_forget_bias=False))
    assert not layer.get_weights()[2].any()


# ---------------------------------------------------------------- errors and engines

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


@each_cell
def test_the_engine_in_use_is_told(cell):
    given = case(cell)
    loop, auto = make(cell, engine="loop"), make(cell)
    assert_agree(computed(loop, given), computed(auto, given))
    assert loop.engine_in_use == "loop" and isinstance(auto.engine_in_use, str)


@pytest.mark.parametrize("sequences", (False, True))
@each_cell
def test_inference_keeps_no_arrays_for_the_backward_pass(cell, sequences):
    """One list of outputs where sequences are asked for, none where only the last one is."""
    layer = make(cell, engine="loop", return_sequences=sequences, return_state=False)
    layer.build((None, None, D))
    weights = [w.value for w in layer.weights]

    def infer(x):
        return layer(x)

    def train(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, weights)

    assert lists(infer) == int(sequences)
    assert lists(train) > lists(infer)


def lists(function):
    """How many TensorLists the traced function makes, those in its callees included."""
    graph = tf.function(function).get_concrete_function(
        tf.TensorSpec((None, None, D), "float64")).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return sum(n.op in ("TensorListReserve", "EmptyTensorList", "TensorListFromTensor")
               for n in nodes)
