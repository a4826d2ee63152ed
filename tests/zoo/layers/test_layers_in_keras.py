"""The recurrent layers where Keras's own would stand: arguments, models, files, policies, state."""
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import diagonal
from layer_checks import (CELLS, B, D, H, T, assert_agree, assert_weights_agree, case, computed,
                          expected, in_two_calls, keras_twin, layer_class, make, mask, ready,
                          stateful)

import zoo

each_cell = pytest.mark.parametrize("cell", CELLS)
each_mode = pytest.mark.parametrize("graph", (False, True), ids=("eager", "graph"))
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


@pytest.mark.slow
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
@pytest.mark.parametrize("cell, state", diagonal(CELLS, (False, True)))
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
@pytest.mark.parametrize("cell, policy", diagonal(CELLS, ("mixed_bfloat16", "mixed_float16")))
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
    layer = stateful(cell, given)
    whole = expected(cell, type(given)(given.weights, given.x, [s * 0 for s in given.states],
                                       given.dy, given.dstates))["outputs"]
    for _ in range(2):
        np.testing.assert_allclose(in_two_calls(layer, given.x), whole, atol=1e-12)
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


@pytest.mark.parametrize("cell, engine", diagonal(CELLS, ("auto", "loop")))
def test_inputs_states_and_masks_that_are_variables_have_kerass_gradient(cell, engine):
    given, found = case(cell).to("float32"), []
    for layer in (make(cell, engine=engine, dtype="float32"), keras_twin(cell, dtype="float32")):
        layer.build((None, None, D))
        layer.set_weights(given.weights)
        x, *states = [tf.Variable(a) for a in (given.x, *given.states)]
        with tf.GradientTape() as tape:
            outputs = layer(x, initial_state=states, mask=tf.Variable(mask("with holes")))
            loss = tf.add_n([tf.reduce_sum(y ** 2) for y in outputs])
        found.append(tape.gradient(loss, [x, *states]))
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
