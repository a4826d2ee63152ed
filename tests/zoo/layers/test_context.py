"""Three forms of c and two uses of it, against the formulas in NumPy."""
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import diagonal
from heads import as_lite
from layer_checks import (
    MASKS, B, D, H, T, assert_agree, assert_gradients_match_differences, make, mask, randomise)

import zoo
from zoo.layers.context import FORMS

U = 6
USES = "first", "every"         # of a vector of any width
RNG = np.random.default_rng(8)
SOURCE, TARGET = RNG.normal(size=(B, T, D)), RNG.normal(size=(B, 4, 2))
ENCODERS = {
    "gru": lambda: make("gru"), "lstm": lambda: make("lstm"),
    "bidirectional": lambda: zoo.Bidirectional(make("lstm"), dtype="float64"),
    "stack": lambda: zoo.Stack([make("gru", return_state=False), make("lstm")], dtype="float64")}


def context(form, **options):
    return zoo.Context(form, dtype="float64", **options)


def formula(layer, sequence, states, shown):
    """c by NumPy: of the states side by side, or of the mean over the unmasked steps."""
    read = np.concatenate(states, -1)
    if layer.form == "pooled":
        read = np.stack([h[m].mean(0) if m.any() else np.zeros(h.shape[-1])
                         for h, m in zip(sequence, shown)])
    if layer.form == "last":
        return read
    kernel, bias = layer.get_weights()
    return np.tanh(read @ kernel + bias)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("form, encoder", diagonal(list(FORMS), list(ENCODERS)))
def test_each_form_is_its_formula(form, encoder, name):
    masked = mask(name)
    sequence, *states = ENCODERS[encoder]()(SOURCE, mask=masked)
    layer = context(form, units=U)
    layer(sequence, states)
    randomise(layer)
    found = layer(sequence, states, sequence_mask=masked)
    shown = np.ones((B, T), bool) if masked is None else masked
    wanted = formula(layer, sequence.numpy(), [s.numpy() for s in states], shown)
    assert_agree({"c": found.numpy()}, {"c": wanted})


def test_without_units_c_is_as_wide_as_what_goes_in():
    sequence, *states = make("lstm")(SOURCE)
    assert [context(form)(sequence, states).shape[-1] for form in FORMS] == [2 * H, 2 * H, H]


@pytest.mark.parametrize("form", FORMS)
def test_padding_does_not_change_c(form):
    encoder, layer, masked = make("gru"), context(form), mask("right-padded")
    padded, longer = np.pad(SOURCE, [(0, 0), (0, 3), (0, 0)]), np.pad(masked, [(0, 0), (0, 3)])
    c = [layer(sequence, state, sequence_mask=m).numpy() for m, (sequence, state) in
         ((masked, encoder(SOURCE, mask=masked)), (longer, encoder(padded, mask=longer)))]
    assert_agree({"c": c[1]}, {"c": c[0]})


def network(form, use, dtype="float64", cell="lstm"):
    """Encoder, context and decoder, built and with random weights."""
    encoder, summary = make(cell, dtype=dtype), zoo.Context(form, units=U, dtype=dtype)
    decoder = zoo.Decoder([make(cell, dtype=dtype), make("gru", dtype=dtype)], use, dtype=dtype)

    def translate(source, target, shown=None):
        sequence, *states = encoder(source, mask=shown)
        c = summary(sequence, states, sequence_mask=shown)
        return c, *decoder(target, c)

    translate(SOURCE, TARGET)
    parts = [randomise(part, seed) for seed, part in enumerate((encoder, summary, decoder))]
    return translate, parts


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("form", FORMS)
def test_all_six_decode_step_by_step_as_at_once(form, use):
    translate, (_, _, decoder) = network(form, use)
    c, y, last = translate(SOURCE, TARGET, mask("with holes"))
    states = decoder.start(c)
    for t in range(TARGET.shape[1]):
        output, states = decoder.step(TARGET[:, t], states, c)
        assert_agree({"y": output.numpy()}, {"y": y[:, t].numpy()})
    assert_agree(dict(enumerate(map(np.array, states))), dict(enumerate(map(np.array, last))))


@pytest.mark.parametrize("form, use", diagonal(list(FORMS), list(USES)))
def test_in_all_six_gradients_reach_every_weight_and_match_differences(form, use):
    translate, parts = network(form, use, cell="simple_rnn")
    source, target, shown = (tf.constant(a[:2]) for a in (SOURCE, TARGET, mask("with holes")))
    dy = RNG.normal(size=(2, 4, H))
    assert_gradients_match_differences(
        lambda: tf.reduce_sum(translate(source, target, shown)[1] * dy),
        [weight for part in parts for weight in part.trainable_weights])


@pytest.mark.parametrize("form", FORMS)
def test_a_keras_file_gives_the_same_model_and_masks_come_by_themselves(form, tmp_path):
    ids, target = keras.Input((None,), dtype="int32"), keras.Input((None, 2))
    x = keras.layers.Embedding(9, D, mask_zero=True)(ids)
    sequence, *states = zoo.LSTM(H, return_sequences=True, return_state=True)(x)
    c = zoo.Context(form, units=U, activation="relu" if form == "pooled" else "tanh")(sequence, states)
    y, _ = zoo.Decoder(zoo.GRU(H), "every")(target, c)
    model = randomise(keras.Model([ids, target], y))
    inputs = [np.array([[1, 2, 3], [4, 0, 0]]), TARGET[:2]]
    wanted = model(inputs).numpy()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs), wanted)
    padded = [np.pad(inputs[0], [(0, 0), (0, 4)]), TARGET[:2]]
    np.testing.assert_allclose(model(padded), wanted, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_tflite_gives_the_same_translation(form, tmp_path):
    translate, parts = network(form, "first", "float32")
    shapes = [tf.TensorSpec([None, None, D]), tf.TensorSpec([None, None, 2]),
              tf.TensorSpec([None, None], tf.bool)]

    @tf.function(input_signature=shapes)
    def call(source, target, shown):
        return {"y": translate(source, target, shown)[1]}

    run = as_lite(tmp_path, [w for part in parts for w in part.variables], call=call)
    source, target = SOURCE.astype("float32"), TARGET.astype("float32")
    for rows, steps in ((B, T), (1, 2)):
        shown = mask("a fully masked row")[:rows, :steps]
        found = run("call", source=source[:rows, :steps], target=target[:rows], shown=shown)
        wanted = translate(source[:rows, :steps], target[:rows], shown)[1]
        assert_agree(found, {"y": wanted.numpy()}, 1e-5)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match=r"form: expected one of \['last', .* received 'first'"):
        zoo.Context("first")
