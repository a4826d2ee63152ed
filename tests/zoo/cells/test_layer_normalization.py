"""Layer normalisation: its formula, and the cells and layers that have it against the oracle."""
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import diagonal
from layer_checks import (AGREEMENT, MASKS, NORMALIZED, WEIGHTS, B, D, H, T, assert_agree,
                          assert_weights_agree, case, computed, expected, finite_difference,
                          in_two_calls, make, mask, ready, stateful)

import zoo
from export import tflite
from zoo import engines
from zoo.cells.normalization import normalize, normalize_back

each_cell = pytest.mark.parametrize("cell", NORMALIZED)


@functools.lru_cache(maxsize=None)
def kept(cell, **options):
    """One layer for several tests, so that its graph is traced once."""
    return make(cell, **options)


# ---------------------------------------------------------------- the formula

def random(*shape):
    return np.random.default_rng(0).normal(size=shape)


def test_each_gate_is_normalised_as_keras_normalises_a_vector():
    a, gain = random(B, 3 * H), random(3 * H)
    y, _ = normalize(tf.constant(a), tf.constant(gain), H)
    for n in range(3):
        gate = slice(n * H, (n + 1) * H)
        layer = keras.layers.LayerNormalization(center=False, dtype="float64")
        layer.build((None, H))
        layer.set_weights([gain[gate]])
        np.testing.assert_allclose(y[:, gate], layer(a[:, gate]), rtol=1e-12)


def test_the_way_back_matches_finite_differences():
    a, gain, dy = random(T, B, 2 * H), random(2 * H), random(T, B, 2 * H) ** 2

    def loss(a):
        return float(tf.reduce_sum(normalize(tf.constant(a), tf.constant(gain), H)[0] * dy))

    _, saved = normalize(tf.constant(a), tf.constant(gain), H)
    found = normalize_back(tf.constant(dy), *saved, H)
    assert_agree({"da": found.numpy()}, {"da": finite_difference(loss, a)}, 1e-8)


@pytest.mark.parametrize("half, tolerance", [("bfloat16", 2 ** -7), ("float16", 2 ** -9)])
def test_half_precision_loses_nothing_in_the_means(half, tolerance):
    """Over 2000 units far from zero, where a mean in half precision is of no use."""
    a, dy, gain = random(B, 2000) + 3, random(B, 2000) ** 2, np.ones(2000)
    a, dy = (tf.cast(value, half) for value in (a, dy))

    def both(dtype):
        y, saved = normalize(tf.cast(a, dtype), tf.constant(gain, dtype), 2000)
        return {"y": y, "da": normalize_back(tf.cast(dy, dtype), *saved, 2000)}

    found = {name: tf.cast(value, tf.float64).numpy() for name, value in both(half).items()}
    wanted = {name: value.numpy() for name, value in both(tf.float64).items()}
    assert_agree(found, wanted, tolerance)


# ---------------------------------------------------------------- layers against the oracle

@pytest.mark.parametrize("graph", (False, True), ids=("eager", "graph"))
@pytest.mark.parametrize("cell, name", diagonal(NORMALIZED, MASKS))
def test_outputs_states_and_gradients_match_the_oracle(cell, name, graph):
    given = case(cell)
    actual = computed(kept(cell), given, mask=mask(name), graph=graph)
    assert len(given.weights) == (6 if cell.endswith("lstm") else 4)
    assert_agree(actual, expected(cell, given, mask=mask(name)))


@each_cell
def test_float32_agrees_with_the_float64_oracle(cell):
    given = case(cell, seed=1).to("float32")
    actual = computed(kept(cell, dtype="float32"), given, mask=mask("with holes"))
    assert_agree(actual, expected(cell, given, mask=mask("with holes")), AGREEMENT)


VARIANTS = {
    "backwards": {"go_backwards": True},
    "backwards, zeros for masked": {"go_backwards": True, "zero_output_for_mask": True},
    "relu and hard sigmoid": {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    "expected zoneout": {"zoneout": 0.3},
    "zoneout and truncation": {"zoneout": 0.3, "truncate": 2, "go_backwards": True},
    "truncation to one step": {"truncate": 1},
    "truncation longer than the sequence": {"truncate": T + 3},
}


@pytest.mark.parametrize("cell, variant", diagonal(NORMALIZED, list(VARIANTS)))
def test_variants_match_the_oracle(cell, variant):
    options = {key: value for key, value in VARIANTS[variant].items()
               if not (cell.endswith("simple_rnn") and key == "recurrent_activation")}
    given, layer = case(cell), make(cell, **options)
    for name in ("none", "with holes"):
        actual = computed(layer, given, mask=mask(name))
        assert_agree(actual, expected(cell, given, mask=mask(name), **options))


@pytest.mark.parametrize("cell, xla", [
    pytest.param(cell, xla, marks=[pytest.mark.slow] * xla)
    for cell in NORMALIZED for xla in (False, True)])
def test_unrolled_and_compiled_by_xla_match_the_oracle(cell, xla):
    given, masked = case(cell), mask("with holes")
    layer = kept(cell) if xla else make(cell, unroll=True)
    actual = computed(layer, given, mask=masked, graph=xla, jit_compile=xla or None)
    assert_agree(actual, expected(cell, given, mask=masked))


@each_cell
def test_recurrent_dropout_acts_before_the_normalisation(cell):
    """With one sequence, the rows where dU is zero tell the mask."""
    given = case(cell, batch=1)
    actual = computed(make(cell, recurrent_dropout=0.5, seed=2), given, training=True)
    drawn = 2.0 * actual["drecurrent_kernel"].any(axis=1)[None]
    assert 0 < drawn.mean() < 2
    assert_agree(actual, expected(cell, given, recurrent_dropout_mask=drawn))


@each_cell
def test_the_layer_without_biases_is_the_one_whose_biases_are_zero(cell):
    given = case(cell)
    shown = ["bias" not in name for name in WEIGHTS[:len(given.weights)]]
    given.weights = [w * gain for w, gain in zip(given.weights, shown)]
    wanted = expected(cell, given)
    given.weights = [w for w, gain in zip(given.weights, shown) if gain]
    layer = make(cell, use_bias=False)
    ready(layer, given)
    np.testing.assert_allclose(layer(given.x, initial_state=given.states)[0], wanted["outputs"],
                               atol=1e-12)


@each_cell
def test_a_cell_inside_keras_rnn_equals_the_layer(cell):
    """There autodiff goes through the step."""
    given, masked = case(cell), mask("with holes")
    one = type(kept(cell).cell).from_config(kept(cell).cell.get_config())
    layer = keras.layers.RNN(one, return_sequences=True, return_state=True, dtype="float64")
    assert_agree(computed(layer, given, mask=masked), expected(cell, given, mask=masked))


@each_cell
def test_products_may_grow_without_the_gates_noticing(cell):
    """What the paper is about: a rescaled kernel changes nothing (but for ε)."""
    given = case(cell)
    given.weights[0] *= 1e3
    before = expected(cell, given)["outputs"]
    given.weights[0] *= 1e3
    ready(kept(cell), given)
    found = kept(cell)(given.x, initial_state=given.states)[0]
    np.testing.assert_allclose(found, before, atol=1e-5)


# ---------------------------------------------------------------- as any layer

@each_cell
def test_gains_start_at_one_and_biases_at_zero(cell):
    layer = make(cell)
    layer.build((None, None, D))
    named = {w.name: w.numpy() for w in layer.weights}
    assert list(named) == list(WEIGHTS[:len(named)])
    assert (named["gain"] == 1).all() and (named.get("state_gain", np.ones(1)) == 1).all()
    assert not named.get("state_bias", np.zeros(1)).any()


@each_cell
def test_without_it_there_is_no_such_weight(cell):
    layer = make(cell, layer_normalization=False)
    layer.build((None, None, D))
    assert len(layer.weights) == 3 and not layer.get_config()["layer_normalization"]


@each_cell
def test_a_stateful_layer_goes_on_where_it_stopped(cell):
    given, whole = case(cell), make(cell)
    ready(whole, given)
    found = in_two_calls(stateful(cell, given), given.x)
    np.testing.assert_allclose(found, whole(given.x)[0], atol=1e-12)


@pytest.mark.parametrize("cell, half", diagonal(NORMALIZED, [
    ("mixed_bfloat16", 0.06), ("mixed_float16", 0.01)]))
def test_mixed_precision_is_close_to_float64(cell, half):
    """Gradients too, all of them."""
    policy, limit = half
    given = case(cell, batch=16, time=20, units=24)
    wanted = expected(cell, given)
    actual = computed(make(cell, units=24, dtype=policy), given)
    found = {name: np.asarray(tf.cast(value, "float64")) for name, value in actual.items()}
    assert_agree(found, wanted, limit)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ("normalized_gru_reset_before", "normalized_lstm"))
def test_a_model_learns_and_survives_its_keras_file(cell, tmp_path):
    keras.utils.set_random_seed(0)
    layer = make(cell, recurrent_dropout=0.1, weight_drop=0.1, zoneout=0.1, return_sequences=False,
                 dtype="float32", return_state=False)
    model = keras.Sequential([keras.layers.Embedding(11, 2 * D, mask_zero=True),
                              zoo.Bidirectional(layer), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.03), "mse")
    x = np.random.default_rng(1).integers(1, 11, (64, T))
    y = (x[:, 0] + x[:, -1])[:, None] / 10.0 - 1
    first = [w.numpy() for w in model.trainable_weights]
    losses = model.fit(x, y, batch_size=64, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0], losses
    assert all((a != b).any() for a, b in zip(first, model.trainable_weights))
    model.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert_weights_agree(after.get_weights(), model.get_weights())
    np.testing.assert_array_equal(after(x), model(x))
    assert after.layers[1].forward_layer.layer_normalization is True


@each_cell
def test_auto_takes_the_loop_and_native_says_why_not(cell):
    layer = make(cell, dtype="float32")
    assert layer.engine_in_use == "loop"
    with pytest.raises(ValueError, match="layer normalisation off|working build|GPU"):
        make(cell, dtype="float32", engine="native")


@pytest.mark.slow
def test_it_exports_to_builtin_tflite_ops(tmp_path):
    keras.utils.set_random_seed(0)  # four layers: some weights magnify rounding above the tolerance
    layers = [make(cell, dtype="float32", return_state=False) for cell in NORMALIZED]
    network = zoo.Stack(layers)
    network.build((None, None, D))
    module = tf.Module()
    module.weights = [w.value for w in network.weights]
    x = tf.TensorSpec([None, None, D], tf.float32, "x")
    with engines.exporting():
        function = tf.function(lambda x: {"y": network(x)}, input_signature=[x])
        tf.saved_model.save(module, str(tmp_path / "model"), {"ids": function})
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite._flatbuffer(tmp_path / "model", "float32"))
    assert not any(name.startswith("custom") for name in tflite.op_names(path))
    run = tflite.Lite(path)
    for shape in ((1, 5, D), (3, 9, D)):
        given = random(*shape).astype("float32")
        np.testing.assert_allclose(run(x=given)["y"], network(given), atol=1e-5)
