"""The CRF against the enumeration of all paths in float64."""
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import diagonal, slow_but
from export import tflite
from zoo.layers import crf
from zoo.layers.crf import CRF, allowed_transitions

C, T = 3, 4
MASKS = {
    "none": [[1, 1, 1, 1], [1, 1, 1, 1]],
    "right-padded": [[1, 1, 1, 0], [1, 0, 0, 0]],
    "left-padded": [[0, 0, 1, 1], [0, 1, 1, 1]],
    "with holes": [[1, 0, 1, 1], [0, 1, 0, 1]],
    "a fully masked row": [[0, 0, 0, 0], [1, 1, 1, 0]]}
BIO = ["I-X", "O", "B-X"]


def numbers(seed=0, batch=2, time=T, tags=C, dtype="float64"):
    """Emissions [B, T, C], transitions [C, C], start [C], end [C]."""
    normal = np.random.default_rng(seed).normal
    shapes = (batch, time, tags), (tags, tags), (tags,), (tags,)
    return [normal(scale=2, size=shape).astype(dtype) for shape in shapes]


def mask_of(name):
    return np.array(MASKS[name], bool)


def paths(x, mask, transitions, start, end):
    """{path of a row: score}, masked steps left out; x [T, C], mask [T]."""
    x = x[mask]
    scores = {}
    for path in itertools.product(range(x.shape[1]), repeat=len(x)):
        scores[path] = sum(x[t, y] for t, y in enumerate(path))
        scores[path] += sum(transitions[i, j] for i, j in itertools.pairwise(path))
        scores[path] += start[path[0]] + end[path[-1]] if path else 0
    return scores


def log_sum(scores):
    scores = np.array(list(scores))
    return scores.max() + np.log(np.exp(scores - scores.max()).sum())


def enumerate_rows(emissions, mask, *weights):
    return [paths(x, m, *weights) for x, m in zip(emissions, mask)]


def expected_marginals(emissions, mask, *weights):
    """The share of e^score that paths with tag j at step t have."""
    shares = np.zeros_like(emissions)
    for b, scores in enumerate(enumerate_rows(emissions, mask, *weights)):
        total, steps = log_sum(scores.values()), np.flatnonzero(mask[b])
        for path, score in scores.items():
            for t, tag in zip(steps, path):
                shares[b, t, tag] += np.exp(score - total)
    return shares


def agree(found, wanted, tolerance=1e-5):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max(initial=0) <= tolerance * np.abs(wanted).max(initial=1e-30)


def constrain(transitions, start, end, labels, scheme):
    """What is forbidden at −∞, for the oracle."""
    return [np.where(yes, weight, -np.inf) for yes, weight
            in zip(allowed_transitions(labels, scheme), (transitions, start, end))]


def layer_with(weights, labels=BIO, scheme=None, **options):
    layer = CRF(labels, scheme, **options)
    layer.set_weights(weights)
    return layer


@pytest.mark.parametrize("mask", MASKS)
def test_score_of_a_path_is_the_sum_of_its_parts(mask):
    emissions, *weights = numbers()
    tags = np.random.default_rng(1).integers(0, C, (2, T))
    wanted = [scores[tuple(tags[b][mask_of(mask)[b]])] for b, scores
              in enumerate(enumerate_rows(emissions, mask_of(mask), *weights))]
    tags = np.where(mask_of(mask), tags, 99)  # what is masked is never looked at
    agree(crf.score(emissions, tags, mask_of(mask), *weights), wanted, 1e-12)


@pytest.mark.parametrize("mask", MASKS)
def test_log_partition_is_the_log_sum_over_all_paths(mask):
    emissions, *weights = numbers()
    wanted = [log_sum(row.values()) for row in enumerate_rows(emissions, mask_of(mask), *weights)]
    agree(crf.log_partition(emissions, mask_of(mask), *weights), wanted, 1e-12)


@pytest.mark.parametrize("mask", MASKS)
def test_marginals_are_the_shares_of_the_paths(mask):
    emissions, *weights = numbers()
    found = crf.marginals(emissions, mask_of(mask), *weights)
    agree(found, expected_marginals(emissions, mask_of(mask), *weights), 1e-12)


@pytest.mark.parametrize("mask, k", diagonal(list(MASKS), [1, 2, 7]))
def test_n_best_are_the_paths_sorted_by_score(mask, k):
    emissions, *weights = numbers()
    found, scores = crf.n_best(emissions, mask_of(mask), *weights, k)
    for b, row in enumerate(enumerate_rows(emissions, mask_of(mask), *weights)):
        best = sorted(row, key=row.get, reverse=True)[:k]
        for path, score, wanted in zip(found[b].numpy(), scores[b].numpy(), best):
            assert tuple(path[mask_of(mask)[b]]) == wanted
            assert not path[~mask_of(mask)[b]].any()
            assert abs(score - row[wanted]) < 1e-9
        assert (scores[b, len(best):] < crf.FORBIDDEN).numpy().all()  # as many paths as there are


@tf.function
def weighted_likelihood(emissions, tags, mask, *weights):
    return tf.reduce_sum(crf.log_likelihood(emissions, tags, mask, *weights) * [.7, -1.3])


@pytest.mark.parametrize("mask", slow_but(["none", "with holes", "a fully masked row"], MASKS))
def test_gradient_of_the_log_likelihood_matches_finite_differences(mask):
    arrays, tags = numbers(), tf.constant(np.random.default_rng(1).integers(0, C, (2, T)), tf.int32)

    def value(emissions, *weights):
        return weighted_likelihood(*map(tf.constant, (emissions, tags, mask_of(mask), *weights)))

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = value(*tensors)
    for array, gradient in zip(arrays, tape.gradient(total, tensors)):
        differences = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            at = array[index]
            for side in (1e-5, -1e-5):
                array[index] = at + side
                differences[index] += float(value(*arrays)) / (2 * side)
            array[index] = at
        agree(gradient, differences, 1e-8)


def test_float32_agrees_with_enumeration_also_for_large_scores():
    emissions, *weights = numbers()
    emissions, mask = 8 * emissions, mask_of("none")
    floats = [array.astype("float32") for array in (emissions, *weights)]
    wanted = [log_sum(row.values()) for row in enumerate_rows(emissions, mask, *weights)]
    agree(crf.log_partition(floats[0], mask, *floats[1:]), wanted)
    agree(crf.marginals(floats[0], mask, *floats[1:]), expected_marginals(emissions, mask, *weights))


def test_scores_beyond_the_range_of_exp_give_finite_numbers():
    emissions, *weights = (tf.constant(300 * array, tf.float32) for array in numbers())
    mask = mask_of("none")
    with tf.GradientTape() as tape:
        tape.watch([emissions, *weights])
        total = crf.log_partition(emissions, mask, *weights)
    gradients = tape.gradient(total, [emissions, *weights])
    assert all(np.isfinite(g).all() for g in gradients)
    assert np.isfinite(total).all()
    agree(tf.reduce_sum(gradients[0], -1), np.ones([2, T]))


def test_beginnings_and_ends_that_hardly_meet_give_a_finite_gradient():
    """Each half of the sentence wants tag 0, twice, and the transitions all but forbid it."""
    emissions = tf.tile(tf.constant([[[0, -87.0], [0, -87.0]]]), [64, 1, 1])
    transitions = tf.constant([[-200.0, 0], [0, -200]])
    with tf.GradientTape() as tape:
        tape.watch(transitions)
        total = crf.log_partition(emissions, np.ones([64, 2], bool), transitions, *tf.zeros([2, 2]))
    assert np.isfinite(tape.gradient(total, transitions)).all()


def expected_moves(emissions, mask, *weights):
    """The expected counts of every move, over all rows, [C, C]."""
    counts = np.zeros_like(weights[0])
    for scores in enumerate_rows(emissions, mask, *weights):
        total = log_sum(scores.values())
        for path, score in scores.items():
            for pair in itertools.pairwise(path):
                counts[pair] += np.exp(score - total)
    return counts


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("gap, scheme", diagonal([30, 40, 60, 70, 90, 120, 200], [None, "BIO"]))
def test_unlikely_beginnings_of_likely_paths_are_exact(gap, scheme, holes):
    """O is sure first and I-X surer after it, but only the unlikely B-X and I-X lead to I-X."""
    emissions, *weights = numbers(dtype="float32")
    emissions[0, 0] += [-gap, gap, 0]
    emissions[0, 1:3] += [[2 * gap, 0, 0], [0, gap, -gap]]
    if scheme is None:
        weights[0][1:, 0] -= 2 * gap
    layer, mask = layer_with(weights, scheme=scheme), mask_of("with holes" if holes else "none")
    tags = np.zeros([2, T], int)
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(emissions))
        total = tf.reduce_sum(layer.log_likelihood(x, tags, mask))
    dx, dA, *_ = tape.gradient(total, [x, *layer.trainable_variables])
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = layer.marginals(x, mask)
    assert np.isfinite(tape.gradient(found, x, tf.random.normal(found.shape, seed=0))).all()

    exact = [np.array(array, "float64") for array in (emissions, *weights)]
    if scheme:
        exact[1:] = [np.where(yes, weight, crf.FORBIDDEN) for yes, weight in
                     zip(layer.allowed, exact[1:])]
    rows = enumerate_rows(exact[0], mask, *exact[1:])
    wanted = sum(row[tuple(tags[b][mask[b]])] - log_sum(row.values()) for b, row in enumerate(rows))
    np.testing.assert_allclose(total, wanted, rtol=1e-5)
    shares = expected_marginals(exact[0], mask, *exact[1:])
    agree(layer.marginals(x, mask), shares, 1e-4)
    gold = np.eye(C)[tags] * mask[..., None]
    np.testing.assert_allclose(dx, gold - shares, atol=1e-4)
    moves = np.diag([sum(mask.sum(1) - 1), 0, 0]) - expected_moves(exact[0], mask, *exact[1:])
    np.testing.assert_allclose(dA, moves if scheme is None else moves * layer.allowed[0], atol=1e-4)


@pytest.mark.parametrize("tag", [-100, -1, C])
def test_tags_out_of_range_are_refused_where_a_step_counts(tag):
    layer, x = layer_with(numbers(dtype="float32")[1:]), numbers(dtype="float32")[0]
    tags, mask = np.array([[0, 1, tag, 2], [2, 1, 0, tag]]), mask_of("none").copy()
    with pytest.raises(ValueError, match=f"tags at unmasked steps: expected numbers from 0 to {C - 1}, "
                                         f"received {min(tag, 0)} to {max(tag, 2)}"):
        layer.log_likelihood(x, tags)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"from 0 to {C - 1}, received"):
        tf.function(layer.log_likelihood)(x, tags)
    mask[0, 2] = mask[1, 3] = False
    assert (layer.log_likelihood(x, tags, mask).numpy() < 0).all()


@pytest.mark.slow
def test_a_tag_out_of_range_has_no_probability_where_nothing_checks():
    layer, x = layer_with(numbers(dtype="float32")[1:]), numbers(dtype="float32")[0]
    tags = tf.constant([[0, 1, C, 2], [2, 1, 0, 1]])
    compiled = tf.function(lambda tags: layer.log_likelihood(x, tags), jit_compile=True)(tags).numpy()
    assert compiled[0] == -np.inf
    np.testing.assert_allclose(compiled[1], layer.log_likelihood(x[1:], tags[1:])[0], rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1), (1, 1), (0, 3), (2, 0)])
def test_one_step_no_step_and_no_row(shape):
    emissions, *weights = numbers(batch=shape[0], time=shape[1])
    mask = np.ones(shape, bool)
    rows = enumerate_rows(emissions, mask, *weights)
    agree(crf.log_partition(emissions, mask, *weights), [log_sum(r.values()) for r in rows], 1e-12)
    agree(crf.marginals(emissions, mask, *weights), expected_marginals(emissions, mask, *weights), 1e-12)
    found, scores = crf.n_best(emissions, mask, *weights, k=2)
    assert found.shape == (shape[0], 2, shape[1])
    agree(scores[:, 0], [max(r.values()) for r in rows], 1e-12)


def test_padding_does_not_change_a_row():
    emissions, *weights = numbers()
    padded = np.pad(emissions, [[0, 0], [0, 3], [0, 0]], constant_values=50)
    layer = layer_with(weights, dtype="float64")
    mask = np.pad(np.ones([2, T], bool), [[0, 0], [0, 3]])
    tags = np.ones([2, T], "int32")
    agree(layer.log_likelihood(padded, np.pad(tags, [[0, 0], [0, 3]]), mask),
          layer.log_likelihood(emissions, tags), 1e-12)
    np.testing.assert_array_equal(layer(padded, mask=mask)[:, :T], layer(emissions))


@pytest.mark.parametrize("labels, scheme", [(BIO, "BIO"), (["O", "I-X", "S-X", "E-X", "B-X"], "BIOES"),
                                            (BIO, "IOB1")])
def test_forbidden_paths_have_no_share(labels, scheme):
    emissions, *weights = numbers(tags=len(labels), time=3)
    mask = np.ones([2, 3], bool)
    layer = layer_with(weights, labels, scheme, dtype="float64")
    oracle = constrain(*weights, labels, scheme)
    rows = enumerate_rows(emissions, mask, *oracle)
    tags = np.array([max(row, key=row.get) for row in rows])
    np.testing.assert_array_equal(layer(emissions), tags)
    agree(layer.marginals(emissions), expected_marginals(emissions, mask, *oracle), 1e-12)
    agree(layer.log_likelihood(emissions, tags),
          [max(row.values()) - log_sum(row.values()) for row in rows], 1e-10)
    found, scores = layer.n_best(emissions, k=40)
    for b, row in enumerate(rows):
        legal = sorted((path for path in row if row[path] > -np.inf), key=row.get, reverse=True)[:40]
        assert [tuple(path) for path in found[b, :len(legal)].numpy()] == legal
        assert (scores[b, len(legal):] < crf.FORBIDDEN / 2).numpy().all()


def test_allowed_transitions_of_bioes_by_hand():
    labels = ["O", "B-X", "I-X", "E-X", "S-X", "E-Y"]
    moves, first, last = allowed_transitions(labels, "BIOES")
    for label, row in zip(labels, moves):
        follow = "I-X E-X" if label in ("B-X", "I-X") else "O B-X S-X"
        assert [to for to, yes in zip(labels, row) if yes] == follow.split()
    assert first.tolist() == [True, True, False, False, True, False]
    assert last.tolist() == [True, False, False, True, True, True]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float16"])
def test_illegal_gold_tags_give_a_finite_loss_and_gradient(policy):
    layer = layer_with(numbers()[1:], scheme="BIO", dtype=policy)
    illegal = tf.constant([[0, 0, 0, 0], [1, 0, 1, 0]])  # I-X I-X I-X I-X; O I-X O I-X
    x = tf.constant(numbers()[0], layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        likelihood = layer.log_likelihood(x, illegal)
    assert likelihood.dtype == tf.float32
    np.testing.assert_allclose(likelihood, [-1e4, -2e4], rtol=.01)
    gradients = tape.gradient(likelihood, [x, *layer.trainable_variables])
    assert all(np.isfinite(g).all() and np.abs(g).max() < 10 for g in gradients)
    forbidden = ~allowed_transitions(BIO, "BIO")[0]
    assert not gradients[1].numpy()[forbidden].any()


@pytest.mark.parametrize("labels", [["I-X"], ["I-X", "I-Y"]])
def test_a_scheme_that_allows_no_path_at_all_stays_finite(labels):
    layer = CRF(labels, "BIO")
    x = tf.constant(numbers(tags=len(labels))[0], tf.float32)
    with tf.GradientTape() as tape:
        loss = -layer.log_likelihood(x, np.zeros([2, T], int))
    for array in (loss, layer.marginals(x), *tape.gradient(loss, layer.trainable_variables)):
        assert np.isfinite(array).all()


def test_half_precision_emissions_are_summed_in_float32():
    emissions, *weights = numbers(dtype="float16")
    layer = layer_with(weights, dtype="mixed_float16")
    weights = [np.array(w, "float64") for w in layer.get_weights()]
    found = layer.marginals(emissions)
    assert found.dtype == tf.float32
    agree(found, expected_marginals(emissions.astype("float64"), mask_of("none"), *weights))


def test_mixed_precision_rounds_neither_scores_nor_emissions():
    close = np.array([1, 1.0001, 1.00005], "float32")  # all equal in 16 bits
    layer = layer_with([np.zeros([C, C]), close, np.zeros(C)], dtype="mixed_float16")
    assert int(layer(np.zeros([1, 1, C], "float16"))[0, 0]) == 1
    layer = CRF(BIO, dtype="mixed_float16")
    assert int(layer(close[None, None])[0, 0]) == 1


def test_unknown_labels_and_schemes_are_refused():
    with pytest.raises(ValueError, match="received 'NN'"):
        CRF(["NN", "O"], "BIO")
    with pytest.raises(ValueError, match="expected a scheme of BIO, IOB1, BIOES, received 'IOE2'"):
        CRF(BIO, "IOE2")
    assert CRF(["NN", "VB"]).transitions.shape == (2, 2)


def test_a_keras_file_keeps_labels_scheme_and_scores(tmp_path):
    inputs = keras.Input((None, 5)), keras.Input((None,), dtype="bool")
    emissions, *weights = numbers(tags=5, dtype="float32")
    layer = layer_with(weights, ["O", "B-X", "I-X", "B-Y", "I-Y"], "BIO", name="crf")
    tags = layer(inputs[0], mask=inputs[1])
    assert tags.dtype == "int32" and tags.shape == (None, None)
    model = keras.Model(inputs, tags)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert (again.get_layer("crf").labels, again.get_layer("crf").scheme) == (layer.labels, "BIO")
    arrays = emissions, mask_of("right-padded")
    np.testing.assert_array_equal(again(arrays), layer(emissions, mask=arrays[1]))
    np.testing.assert_array_equal(again.predict(arrays, verbose=0), model(arrays))


def test_training_learns_which_tag_follows_which():
    """All steps look alike, and the gold tags are a cycle: only the transitions can tell."""
    layer, optimizer = CRF(["a", "b", "c"]), keras.optimizers.Adam(.3)
    x, gold = np.zeros([1, 7, 3], "float32"), np.arange(7)[None] % 3

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer.log_likelihood(x, gold))
        optimizer.apply(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables)
        return loss

    before = step()
    np.testing.assert_allclose(before, 7 * np.log(3), rtol=1e-5)
    for _ in range(40):
        loss = step()
    assert loss < .1
    np.testing.assert_array_equal(layer(x), gold)
    assert float(tf.reduce_min(tf.reduce_max(layer.marginals(x), -1))) > .9


class Head:
    """What `export.tflite` needs of a head: x_t[j] = 6·sin(id·frequency[j]); id 0 is padding."""

    def __init__(self, types, k):
        labels = ["O"] + [f"{letter}-{kind}" for kind in range(types) for letter in "BI"]
        # 16 bits hold these numbers exactly.
        _, *weights = numbers(5, tags=len(labels), dtype="float16")
        self.frequencies = numbers(6, tags=len(labels), dtype="float16")[-1].astype("float32")
        self.layer, self.k = layer_with(weights, labels, "BIO"), k
        self.variables = self.layer.variables

    def answer(self, ids):
        x = 6 * tf.sin(tf.expand_dims(tf.cast(ids, tf.float32), -1) * self.frequencies)
        mask = tf.not_equal(ids, 0)
        paths, scores = self.layer.n_best(x, mask, self.k)
        return {"tags": self.layer(x, mask=mask), "paths": paths, "scores": scores,
                "marginals": self.layer.marginals(x, mask)}

    def lite_signatures(self):
        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None], tf.int32, "ids")])
        def ids(ids):
            return self.answer(ids)
        return {"ids": ids}


@pytest.mark.slow
@pytest.mark.parametrize("types, variant, tolerance", [
    (2, "float32", 1e-5), (20, "float32", 1e-5), (20, "float16", 1e-3), (20, "int8", 1e-5)])
def test_exports_of_builtin_ops_answer_what_the_layer_answers(tmp_path, types, variant, tolerance):
    head = Head(types, k=3)
    tflite._save(head, tmp_path / "model")
    (tmp_path / "lite").write_bytes(tflite._flatbuffer(tmp_path / "model", variant))
    assert not [name for name in tflite.op_names(tmp_path / "lite") if name.startswith("custom")]
    run, saved = tflite.Lite(tmp_path / "lite"), tf.saved_model.load(tmp_path / "model").signatures["ids"]
    random = np.random.default_rng(3)
    for shape in [(1, 1), (1, 30), (3, 8), (3, 8)]:
        ids = random.integers(0, 50, shape) * (random.random(shape) < .8)
        ids = tf.constant(ids, tf.int32)
        found, wanted, served = run(ids=ids), head.answer(ids), saved(ids=ids)
        for name in ("marginals", "scores"):
            agree(found[name], wanted[name], tolerance)
            agree(served[name], wanted[name])
        for name in ("tags", "paths"):
            np.testing.assert_array_equal(found[name], wanted[name])
            np.testing.assert_array_equal(served[name], wanted[name])
