"""Attention against its equations in NumPy: scores, masks, coverage, all queries at once."""
import keras
import numpy as np
import pytest
import tensorflow as tf
from heads import as_lite
from layer_checks import assert_agree, assert_gradients_match_differences, randomise

import zoo
from zoo.layers.attention import SCORES, masked_softmax

B, T, S, Q, V, U = 4, 3, 6, 5, 5, 7
RNG = np.random.default_rng(6)
QUERIES, VALUES, COVERAGE = (RNG.normal(size=s) for s in ((B, T, Q), (B, S, V), (B, S)))
MASK = np.array([[1] * 6, [1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 1, 0], [0] * 6], bool)
VARIANTS = [{"score": score} for score in SCORES] + [
    {"score": "additive", "units": U}, {"score": "dot", "scale": True},
    {"score": "general", "scale": True}]


def attention(dtype="float64", values=VALUES, **options):
    layer = zoo.Attention(dtype=dtype, **options)
    layer(QUERIES[:, 0], values)
    return randomise(layer)


def score(layer, q, h, covered=0.0):
    """e of one query [Q] and one value [V]."""
    w = {weight.name: weight.numpy() for weight in layer.weights}
    if layer.score == "dot":
        return q @ h / (Q ** 0.5 if layer.scale else 1)
    if layer.score == "general":
        return q @ (w["key_kernel"].T @ h) / (Q ** 0.5 if layer.scale else 1)
    a = q @ w["query_kernel"] + h @ w["key_kernel"] + w["bias"]
    if layer.coverage:
        a = a + covered * w["coverage_kernel"][0]
    return np.tanh(a) @ w["score_kernel"][:, 0]


def by_hand(layer, query, covered=np.zeros((B, S)), values=VALUES):
    """Context and weights of one query a row, by sums over the unmasked positions."""
    context, weights = np.zeros((B, values.shape[-1])), np.zeros((B, S))
    for b in range(B):
        e = {i: np.exp(score(layer, query[b], values[b, i], covered[b, i]))
             for i in np.flatnonzero(MASK[b])}
        for i in e:
            weights[b, i] = e[i] / sum(e.values())
            context[b] += weights[b, i] * values[b, i]
    return {"context": context, "weights": weights}


def found(result):
    context, weights = result
    return {"context": context.numpy(), "weights": weights.numpy()}


@pytest.mark.parametrize("options", VARIANTS)
def test_every_score_matches_its_equation_for_one_query_and_for_all(options):
    layer = attention(**options)
    memory = layer.memory(VALUES, MASK)
    for t in range(T):
        assert_agree(found(layer.attend(QUERIES[:, t], memory)), by_hand(layer, QUERIES[:, t]))
    every = [by_hand(layer, QUERIES[:, t]) for t in range(T)]
    assert_agree(found(layer(QUERIES, VALUES, values_mask=MASK)),
                 {name: np.stack([step[name] for step in every], 1) for name in every[0]})


def test_queries_and_values_may_differ_in_width():
    wide = RNG.normal(size=(B, S, 8))
    for options in ({"score": "additive"}, {"score": "general"}):
        layer = attention(values=wide, **options)
        assert_agree(found(layer(QUERIES[:, 0], wide, values_mask=MASK)),
                     by_hand(layer, QUERIES[:, 0], values=wide))


def test_coverage_enters_the_score():
    layer = attention(score="additive", coverage=True)
    memory = layer.memory(VALUES, MASK)
    assert_agree(found(layer.attend(QUERIES[:, 0], memory, COVERAGE)),
                 by_hand(layer, QUERIES[:, 0], COVERAGE))
    assert_agree(found(layer.attend(QUERIES[:, 0], memory)), by_hand(layer, QUERIES[:, 0]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_masked_weights_are_exactly_zero_whatever_is_there(dtype):
    scores = tf.constant([[9e3, -9e3, 1, 2], [-9e3, -9e3, 9e3, 0], [1, 2, 3, 4]], dtype)
    shown = np.array([[0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
    np.testing.assert_array_equal(tf.cast(masked_softmax(scores, shown), tf.float32),
                                  [[0, 1, 0, 0], [.5, .5, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("options", VARIANTS)
def test_what_is_masked_changes_nothing_and_gradients_stay_finite(options):
    layer = attention(**options)
    other = np.where(MASK[..., None], VALUES, 1e3)
    assert_agree(found(layer(QUERIES, other, values_mask=MASK)),
                 found(layer(QUERIES, VALUES, values_mask=MASK)), 0)
    values = tf.constant(other)
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = tf.reduce_sum(layer(QUERIES, values, values_mask=MASK)[0] ** 2)
    gradients = tape.gradient(loss, [values, *(w.value for w in layer.weights)])
    assert all(np.isfinite(g).all() for g in gradients)
    assert not np.any(gradients[0].numpy()[~MASK])


@pytest.mark.parametrize("options", VARIANTS + [{"score": "additive", "coverage": True}])
def test_gradients_match_differences(options):
    layer = attention(**options)
    query, values = (keras.Variable(a, dtype="float64") for a in (QUERIES[:, 0], VALUES))
    dy = RNG.normal(size=(B, V)), RNG.normal(size=(B, S))

    def loss():
        memory = layer.memory(values.value, MASK)
        result = layer.attend(query.value, memory, tf.constant(COVERAGE))
        return sum(tf.reduce_sum(y * d) for y, d in zip(result, dy))

    assert_gradients_match_differences(loss, [query, values, *layer.trainable_weights])


def test_the_softmax_of_a_longer_source_is_the_same():
    layer = attention(score="general")
    padded, longer = np.pad(VALUES, [(0, 0), (0, 3), (0, 0)]), np.pad(MASK, [(0, 0), (0, 3)])
    context, weights = layer(QUERIES, padded, values_mask=longer)
    assert_agree(found((context, weights[..., :S])), found(layer(QUERIES, VALUES, values_mask=MASK)))


@pytest.mark.parametrize("options", VARIANTS)
def test_a_keras_file_gives_the_same_model_and_masks_come_by_themselves(options, tmp_path):
    query, ids = keras.Input((None, Q)), keras.Input((None,), dtype="int32")
    values = keras.layers.Embedding(9, V, mask_zero=True)(ids)
    model = randomise(keras.Model([query, ids], zoo.Attention(**options)(query, values)))
    inputs = [QUERIES, np.arange(1, B * S + 1).reshape(B, S) % 8 * MASK]
    context, weights = model(inputs)
    assert not np.any(weights.numpy()[~np.repeat(inputs[1][:, None] > 0, T, 1)])
    model.save(tmp_path / "model.keras")
    assert_agree(found(keras.saving.load_model(tmp_path / "model.keras")(inputs)),
                 found((context, weights)), 0)


@pytest.mark.slow
@pytest.mark.parametrize("options", VARIANTS)
def test_tflite_attends_at_any_batch_and_length(options, tmp_path):
    layer = attention("float32", **options)
    shapes = [tf.TensorSpec([None, None, Q]), tf.TensorSpec([None, None, V]),
              tf.TensorSpec([None, None], tf.bool)]

    @tf.function(input_signature=shapes)
    def call(query, values, shown):
        return dict(zip(("context", "weights"), layer(query, values, values_mask=shown)))

    run = as_lite(tmp_path, layer.variables, call=call)
    query, values = QUERIES.astype("float32"), VALUES.astype("float32")
    for part in (slice(None), slice(1, 3)):
        assert_agree(run("call", query=query[part], values=values[part], shown=MASK[part]),
                     found(layer(query[part], values[part], values_mask=MASK[part])), 1e-5)


@pytest.mark.parametrize("options, message", [
    ({"score": "cosine"}, "score: expected one of"),
    ({"score": "dot", "coverage": True}, "coverage and units: expected score='additive'"),
    ({"score": "general", "units": 3}, "coverage and units: expected score='additive'"),
    ({"score": "concat", "scale": True}, "scale: expected score='dot' or 'general'"),
    ({"units": 0}, "units: expected None or a positive integer, received 0")])
def test_options_that_a_score_does_not_have_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        zoo.Attention(**options)


def test_errors_name_the_widths_and_the_queries():
    with pytest.raises(ValueError, match="one width, received 5 and 8; score='general' takes any"):
        zoo.Attention("dot")(QUERIES, RNG.normal(size=(B, S, 8)))
    with pytest.raises(ValueError, match=r"coverage: expected one query \[B, Q\] at a time"):
        attention(coverage=True)(QUERIES, VALUES)
