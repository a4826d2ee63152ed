"""Attention inside and outside the recurrence: the oracle's cells and sums in NumPy, step by step."""
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import diagonal
from heads import as_lite
from layer_checks import CELLS, assert_agree, assert_gradients_match_differences, make, randomise

import zoo
from zoo.layers.attention_decoder import FEEDS

B, T, S, D, V, C, H, U = 4, 3, 6, 2, 4, 3, 5, 7
RNG = np.random.default_rng(9)
X, VALUES, VECTOR = (RNG.normal(size=s) for s in ((B, T, D), (B, S, V), (B, C)))
MASK = np.array([[1] * 6, [1, 1, 0, 0, 0, 0], [0, 1, 0, 1, 1, 0], [0] * 6], bool)
SCORES = {"additive": {}, "general": {"score": "general"}, "coverage": {"coverage": True}}


def decoder(feeds, *cells, score="additive", dtype="float64", **options):
    """A decoder with random weights that has read X, VALUES and VECTOR."""
    layers = [make(cell, dtype=dtype) for cell in cells]
    attention = zoo.Attention(dtype=dtype, **SCORES[score])
    made = zoo.AttentionDecoder(layers, attention, feeds, units=U, dtype=dtype, **options)
    made(X, VALUES, VECTOR)
    return randomise(made)


def attend(attention, query, covered):
    """Context and weights of the queries [B, H] in NumPy."""
    w = {weight.name: weight.numpy() for weight in attention.weights}
    if attention.score == "general":
        e = np.einsum("bq,vq,bsv->bs", query, w["key_kernel"], VALUES)
    else:
        a = (query @ w["query_kernel"])[:, None] + VALUES @ w["key_kernel"] + w["bias"]
        if attention.coverage:
            a = a + covered[..., None] * w["coverage_kernel"]
        e = np.tanh(a) @ w["score_kernel"][:, 0]
    e = np.exp(e) * MASK
    weights = e / np.maximum(e.sum(1, keepdims=True), 1e-300)
    return np.einsum("bs,bsv->bv", weights, VALUES), weights


def by_hand(made, cells):
    """y, weights and last states, from one kernel over [x; what is fed]."""
    layers, (W,) = made.decoder.layers, (w.numpy() for w in made.combination.weights)
    weights = [reference.Weights(*layer.get_weights()) for layer in layers]
    if made.feeds != "nothing":
        weights[0].kernel = np.concatenate([weights[0].kernel, made.feed_kernel.numpy()])
    kernel, bias = (w.numpy() for w in made.decoder.first_states.weights)
    first = np.split(np.tanh(VECTOR @ kernel + bias), len(made.decoder.state_size), 1)
    states, covered, y = made.decoder.by_layer(first), np.zeros((B, S)), np.zeros((B, U))
    outputs, looks = [], []
    for t in range(T):
        x = X[:, t]
        if made.feeds == "context":
            c, look = attend(made.attention, states[-1][0], covered)
        if made.feeds != "nothing":
            x = np.concatenate([x, c if made.feeds == "context" else y], -1)
        for n, cell in enumerate(cells):
            states[n], _ = reference.CELLS[cell].step(x, tuple(states[n]), weights[n], 1.0)
            x = states[n][0] + (x if made.decoder.residual and n else 0)
        if made.feeds != "context":
            c, look = attend(made.attention, x, covered)
        y, covered = np.tanh(np.concatenate([x, c], -1) @ W), covered + look
        outputs.append(y)
        looks.append(look)
    last = [state for group in states for state in group]
    last += [y] * (made.feeds == "output") + [covered] * made.attention.coverage
    return named(np.stack(outputs, 1), last, np.stack(looks, 1))


def named(y, states, weights):
    return {"y": np.array(y), "weights": np.array(weights),
            **{f"state {n}": np.array(s) for n, s in enumerate(states)}}


def at_once(made, x=X, **options):
    return named(*made(x, VALUES, VECTOR, values_mask=MASK, **options))


def step_by_step(made):
    memory = made.attention.memory(VALUES, MASK)
    states, outputs, looks = made.start(memory, VECTOR), [], []
    for t in range(T):
        y, states, weights = made.step(X[:, t], states, memory)
        outputs.append(y)
        looks.append(weights)
    return named(tf.stack(outputs, 1), states, tf.stack(looks, 1))


@pytest.mark.parametrize("feeds, score", diagonal(FEEDS, list(SCORES)))
@pytest.mark.parametrize("cell", CELLS)
def test_all_steps_at_once_and_one_by_one_match_the_equations(feeds, cell, score):
    cells = [cell] if score == "general" else [cell, "lstm", "gru"]
    made = decoder(feeds, *cells, score=score, residual=score == "coverage")
    wanted = by_hand(made, cells)
    assert_agree(at_once(made), wanted)
    assert_agree(step_by_step(made), wanted)


@pytest.mark.parametrize("feeds", FEEDS)
def test_masked_positions_get_no_weight_and_an_empty_source_no_context(feeds):
    found = at_once(decoder(feeds, "lstm", score="coverage"))
    assert not np.any(found["weights"].transpose(0, 2, 1)[~MASK])
    np.testing.assert_allclose(found["weights"].sum(-1), np.repeat([[1], [1], [1], [0]], T, 1))
    assert all(np.isfinite(a).all() for a in found.values())


@pytest.mark.parametrize("feeds, score", diagonal(FEEDS, list(SCORES)))
def test_gradients_match_differences_in_every_weight_and_input(feeds, score):
    made = decoder(feeds, "gru" if feeds == "output" else "simple_rnn", score=score)
    x, values, vector = (keras.Variable(a[2:], dtype="float64") for a in (X, VALUES, VECTOR))
    dy = RNG.normal(size=(2, T, U)), RNG.normal(size=(2, T, S))

    def loss():
        y, states, weights = made(x.value, values.value, vector.value, values_mask=MASK[2:])
        return tf.reduce_sum(y * dy[0]) + tf.reduce_sum(weights * dy[1]) + tf.reduce_sum(states[0] ** 2)

    assert_gradients_match_differences(loss, [x, values, vector, *made.trainable_weights])


def test_the_loop_draws_what_the_engines_draw():
    """With zeros as the fed kernel, the loop must equal the parallel pass, in training too."""
    def layers():
        return [zoo.LSTM(H, dropout=0.3, recurrent_dropout=0.3, zoneout=0.2, weight_drop=0.3, seed=n,
                         dtype="float64") for n in range(2)]

    free = zoo.AttentionDecoder(layers(), feeds="nothing", dropout=0.4, units=U, dtype="float64")
    fed = zoo.AttentionDecoder(layers(), feeds="context", dropout=0.4, units=U, dtype="float64")
    free(X, VALUES, VECTOR), fed(X, VALUES, VECTOR)
    weights = iter(randomise(free).get_weights())
    fed.set_weights([np.zeros(w.shape) if w.name == "feed_kernel" else next(weights)
                     for w in fed.weights])
    fed.decoder.between.seed_generator.state.assign(free.decoder.between.seed_generator.state)
    states = [named(*made(X, VALUES, VECTOR, training=True)) for made in (free, fed)]
    for n in range(4):
        assert_agree({"s": states[1][f"state {n}"]}, {"s": states[0][f"state {n}"]})
    still = named(*free(X, VALUES, VECTOR))
    assert np.abs(still["state 3"] - states[0]["state 3"]).max() > 0.01
    assert_agree({"s": named(*fed(X, VALUES, VECTOR))["state 3"]}, {"s": still["state 3"]})


def test_the_first_states_are_zero_those_given_or_made_of_a_vector():
    made = decoder("output", "lstm", score="coverage")
    memory, given = made.attention.memory(VALUES), [RNG.normal(size=(B, H)) for _ in range(2)]
    assert [tuple(s.shape) for s in made.start(memory)] == [(B, H), (B, H), (B, U), (B, S)]
    assert not any(np.any(s) for s in made.start(memory))
    for options in ({}, {"initial_state": given}, {"vector": VECTOR}):
        y = made(X, VALUES, **options)[0]
        first = made.step(X[:, 0], made.start(memory, **options), memory)[0]
        assert_agree({"y": first.numpy()}, {"y": y[:, 0].numpy()})


def test_no_step_and_one_step_are_fine():
    for feeds in FEEDS:
        made = decoder(feeds, "gru")
        whole = at_once(made)["y"]
        assert at_once(made, X[:, :0])["y"].shape == (B, 0, U)
        assert_agree({"y": at_once(made, X[:, :1])["y"]}, {"y": whole[:, :1]})


@pytest.mark.parametrize("feeds", FEEDS)
def test_a_keras_file_gives_the_same_model_and_masks_come_by_themselves(feeds, tmp_path):
    x, ids, c = keras.Input((None, D)), keras.Input((None,), dtype="int32"), keras.Input((C,))
    values = keras.layers.Embedding(9, V, mask_zero=True)(ids)
    made = zoo.AttentionDecoder([zoo.GRU(H), zoo.LSTM(H)], zoo.Attention(coverage=True), feeds, units=U,
                                dropout=0.1, residual=True)
    model = randomise(keras.Model([x, ids, c], made(x, values, c)))
    inputs = [X, np.arange(1, B * S + 1).reshape(B, S) % 8 * MASK, VECTOR]
    wanted = named(*model(inputs))
    assert not np.any(wanted["weights"].transpose(0, 2, 1)[inputs[1] == 0])
    model.save(tmp_path / "model.keras")
    assert_agree(named(*keras.saving.load_model(tmp_path / "model.keras")(inputs)), wanted, 0)


@pytest.mark.parametrize("feeds", FEEDS)
def test_mixed_precision_gives_the_same_numbers_at_once_and_step_by_step(feeds):
    made = decoder(feeds, "lstm", "gru", score="coverage", dtype="mixed_bfloat16")
    found, wanted = step_by_step(made), at_once(made)
    assert all(a.dtype == "bfloat16" for a in wanted.values())
    assert_agree({name: a.astype("float32") for name, a in found.items()},
                 {name: a.astype("float32") for name, a in wanted.items()}, 0.01)


@pytest.mark.slow
def test_one_step_of_fit_moves_every_weight():
    x, values = keras.Input((None, D)), keras.Input((None, V))
    y, _, _ = zoo.AttentionDecoder(zoo.GRU(H), feeds="output")(x, values)
    model = keras.Model([x, values], y)
    model.compile("adam", "mse")
    before = model.get_weights()
    model.fit([X, VALUES], RNG.normal(size=(B, T, H)), epochs=1, verbose=0)
    assert not model.jit_compile
    assert all(np.any(a != b) for a, b in zip(before, model.get_weights()))


@pytest.mark.slow
@pytest.mark.parametrize("feeds, score", diagonal(FEEDS, ["general", "coverage"]))
def test_tflite_runs_the_memory_the_steps_and_the_scan(feeds, score, tmp_path):
    made = decoder(feeds, "lstm", score=score, dtype="float32")
    count = len(made.start(made.attention.memory(VALUES)))
    source = {"values": tf.TensorSpec([None, None, V], name="values"),
              "mask": tf.TensorSpec([None, None], tf.bool, "mask")}
    keys = tf.TensorSpec([None, None, made.attention.key_width], name="keys")
    widths = [H, H, *[U] * (feeds == "output"), *[None] * (score == "coverage")]
    states = {f"state_{n}": tf.TensorSpec([None, width], name=f"state_{n}")
              for n, width in enumerate(widths)}
    vector = tf.TensorSpec([None, C], name="vector")

    @tf.function(input_signature=[tf.TensorSpec([None, None, D], name="x"), *source.values(), vector])
    def scan(x, values, mask, vector):
        y, _, weights = made(x, values, vector, values_mask=mask)
        return {"y": y, "weights": weights}

    @tf.function(input_signature=[*source.values(), vector])
    def init(values, mask, vector):
        memory = made.attention.memory(values, mask)
        return {"keys": memory.keys, **numbered(made.start(memory, vector))}

    def step(x, keys, values, mask, *states):
        memory = zoo.layers.attention.Memory(keys, values, mask)
        y, states, weights = made.step(x, states, memory)
        return {"y": y, "weights": weights, **numbered(states)}

    step = tf.function(step, [tf.TensorSpec([None, D], name="x"), keys, *source.values(),
                              *states.values()])
    run = as_lite(tmp_path, made.variables, scan=scan, init=init, step=step)
    assert len(widths) == count
    for rows in (slice(0, 1), slice(None)):
        x, values, vector = (a[rows].astype("float32") for a in (X, VALUES, VECTOR))
        given = {"values": values, "mask": MASK[rows]}
        y, _, weights = made(x, values, vector, values_mask=MASK[rows])
        assert_agree(run("scan", x=x, vector=vector, **given),
                     {"y": y.numpy(), "weights": weights.numpy()}, 1e-5)
        found = run("init", vector=vector, **given)
        keys = found.pop("keys")
        for t in range(T):
            found = run("step", x=x[:, t], keys=keys, **given, **found)
            assert_agree({"y": found.pop("y"), "weights": found.pop("weights")},
                         {"y": y[:, t].numpy(), "weights": weights[:, t].numpy()}, 1e-5)


def numbered(states):
    return {f"state_{n}": state for n, state in enumerate(states)}


def test_an_unknown_feed_lost_states_and_truncation_in_the_loop_are_refused():
    made = decoder("output", "gru")
    memory = made.attention.memory(VALUES)
    with pytest.raises(ValueError, match="states: expected those of `start`.* received 1"):
        made.step(X[:, 0], made.start(memory)[:1], memory)
    with pytest.raises(ValueError, match=r"feeds: expected one of \['nothing', .* received 'input'"):
        zoo.AttentionDecoder(zoo.GRU(2), feeds="input")
    with pytest.raises(ValueError, match="truncate: expected None"):
        zoo.AttentionDecoder(zoo.GRU(2, truncate=3))
    with pytest.raises(ValueError, match="layer_normalization: expected False"):
        zoo.AttentionDecoder(zoo.GRU(2, layer_normalization=True))
    zoo.AttentionDecoder(zoo.GRU(2, truncate=3, layer_normalization=True), feeds="nothing")
