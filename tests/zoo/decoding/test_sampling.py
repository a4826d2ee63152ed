"""Sampling against distributions worked out in float64, and against a loop in Python."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from steps import Markov, Speaker
from zoo.decoding.sampling import choose, generate

V, N = 7, 4000
LOGITS = np.random.default_rng(3).normal(scale=1.5, size=V)
SETTINGS = [
    {}, {"temperature": .6}, {"temperature": 2.5}, {"top_k": 1}, {"top_k": 3}, {"top_k": V + 5},
    {"top_p": .5}, {"top_p": .9}, {"top_p": 0.0}, {"typical": .2}, {"typical": .7}, {"typical": 0.0},
    {"repetition_penalty": 1.7}, {"repetition_penalty": .8},
    {"top_k": 4, "top_p": .8}, {"top_p": .8, "typical": .6}, {"temperature": 1.8, "top_p": .7},
    {"temperature": .5, "typical": .5}, {"temperature": 1.3, "top_k": 5, "top_p": .9, "typical": .8,
                                         "repetition_penalty": 1.2}]


def smallest_set(p, order, mass):
    """p among the fewest symbols of an order that together have the mass."""
    count = next(n for n in range(1, len(p) + 1) if p[order[:n]].sum() >= mass or n == len(p))
    kept = np.isin(np.arange(len(p)), order[:count])
    return p * kept / (p * kept).sum()


def expected(logits, seen, forbidden, temperature=1.0, top_k=0, top_p=1.0, typical=1.0,
             repetition_penalty=1.0):
    """The distribution that `choose` must draw from, by the definitions, in the order they are named."""
    z = np.array([x / repetition_penalty if x > 0 else x * repetition_penalty for x in logits])
    z = np.where(seen, z, logits)
    p = np.where(forbidden, 0, np.exp(z / temperature))
    p /= p.sum()
    if top_k:
        p = np.where(np.argsort(np.argsort(-p)) < top_k, p, 0)
        p /= p.sum()
    if top_p < 1:
        p = smallest_set(p, np.argsort(-p), top_p)
    if typical < 1:
        information = np.array([-np.log(x) if x else np.inf for x in p])
        entropy = sum(x * i for x, i in zip(p, information) if x)
        p = smallest_set(p, np.argsort(np.abs(information - entropy)), typical)
    return p


def drawn(logits, seen, forbidden, **settings):
    """The share of each symbol over evenly spaced numbers: within 2/N of its probability."""
    rows = np.repeat(logits[None].astype("float32"), N, 0)
    ids, _ = choose(rows, (np.arange(N) + .5) / N, np.repeat(seen[None], N, 0), forbidden, **settings)
    return np.bincount(ids, minlength=len(logits)) / N


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_shares_of_the_symbols_are_those_of_the_definition(settings):
    random = np.random.default_rng(0)
    for banned in (0, 2):
        forbidden, seen = np.arange(V) < banned, random.random(V) < .5
        shares = expected(LOGITS, seen, forbidden, **settings)
        np.testing.assert_allclose(drawn(LOGITS, seen, forbidden, **settings), shares, atol=2.01 / N)
        assert not drawn(LOGITS, seen, forbidden, **settings)[shares == 0].any()


def test_the_penalty_strikes_seen_symbols_on_either_side_of_zero():
    logits, seen = np.array([2.0, -2.0, 1.0, -1.0]), np.array([True, True, False, False])
    wanted = np.exp([1.0, -4.0, 1.0, -1.0])
    found = drawn(logits, seen, np.zeros(4, bool), repetition_penalty=2.0)
    np.testing.assert_allclose(found, wanted / wanted.sum(), atol=2.01 / N)


def test_temperature_zero_is_the_argmax_whatever_the_number():
    logits = np.random.default_rng(1).normal(size=[50, V]).astype("float32")
    for temperature in (0, 0.0, tf.constant(0.0), -1.0):
        ids, _ = choose(logits, np.linspace(0, .999, 50), temperature=temperature, typical=.3)
        np.testing.assert_array_equal(ids, logits.argmax(1))


def test_of_equal_symbols_the_greedy_choice_is_the_first():
    assert int(choose([[1.0, 3.0, 3.0, 3.0]], [.9], temperature=0)[0][0]) == 1


def test_an_interval_holds_its_lower_end():
    ids, _ = choose(np.zeros([8, 4], "float32"), np.arange(8) / 8)
    np.testing.assert_array_equal(ids, [0, 0, 1, 1, 2, 2, 3, 3])


def test_log_probability_is_that_of_the_model_as_it_is():
    ids, log_p = choose(np.repeat(LOGITS[None], 50, 0), np.linspace(0, .99, 50), np.ones([50, V], bool),
                        np.arange(V) < 2, temperature=1.5, top_k=3, top_p=.95, repetition_penalty=2.0)
    model = LOGITS - np.log(np.exp(LOGITS).sum())
    assert len(set(ids.numpy())) > 1
    np.testing.assert_allclose(log_p, model[ids], rtol=1e-5)


def test_smaller_numbers_choose_likelier_symbols():
    ids, _ = choose(np.repeat(LOGITS[None], 99, 0), np.arange(99) / 99)
    assert (np.diff(LOGITS[ids]) <= 0).all()


@pytest.mark.parametrize("logits", [[5.0, 1.0, -np.inf], [0.0, 0.0, -1e4], [80.0, 80.0, -80.0],
                                    [1e30, 1e30, -1e30]])
@pytest.mark.parametrize("settings", [{}, {"temperature": 1e-8}, {"top_p": .99}, {"typical": .99}])
def test_impossible_symbols_are_not_chosen_at_either_end_of_the_interval(logits, settings):
    """1 itself is outside, but float32 rounds to it."""
    numbers = np.array([0, .5, 1 - 2.0**-24, 1], "float32")
    ids, log_p = choose(np.repeat([logits], 4, 0), numbers, forbidden=[True, False, False], **settings)
    np.testing.assert_array_equal(ids, 1)
    assert np.isfinite(log_p).all()


def test_the_sum_never_rounds_below_the_number():
    """Sums over many symbols come out below 1, by more than the last number lacks."""
    logits = np.random.default_rng(2).normal(size=[40, 5000]).astype("float32")
    ids, _ = choose(logits, np.full(40, 1 - 2.0**-24, "float32"))
    np.testing.assert_array_equal(ids, logits.argmin(1))


def said(model, first, numbers, end, forbidden, settings):
    """What one row says, symbol by symbol in Python."""
    ids, seen, read, log_p = [], np.zeros(V, bool), first, []
    refused = np.isin(np.arange(V), forbidden)
    for t, number in enumerate(numbers):
        chosen, value = choose(model.table[t, read][None], [number], seen[None], refused, **settings)
        read = int(chosen[0])
        seen[read], ids, log_p = True, ids + [read], log_p + [float(value[0])]
        if read in end:
            break
    return ids, log_p


@pytest.mark.parametrize("settings", [{}, {"temperature": 0}, {"top_p": .7, "repetition_penalty": 1.5}])
@pytest.mark.parametrize("end", [[2], [2, 5], []])
def test_text_is_that_of_a_loop_over_symbols(settings, end):
    model, rows, steps = Markov(V, 9), 12, 9
    first = np.random.default_rng(1).integers(3, V, rows).astype("int32")
    numbers = np.random.default_rng(2).random((rows, steps)).astype("float32")
    found = generate(model.step, first, model.start(rows), numbers, V, end, [0, 1], **settings)
    wanted = [said(model, *row, end, [0, 1], settings) for row in zip(first, numbers)]
    assert end == [] or 1 < len({len(ids) for ids, _ in wanted})
    for b, (ids, log_p) in enumerate(wanted):
        assert found["lengths"][b] == len(ids)
        padding = [0] * (steps - len(ids))
        assert found["ids"][b].numpy().tolist() == ids + padding
        np.testing.assert_allclose(found["log_probability"][b], log_p + padding, rtol=1e-5)


def test_the_log_probabilities_of_a_text_add_up_to_the_models():
    model = Markov(V, 6)
    numbers = np.random.default_rng(0).random((5, 6)).astype("float32")
    found = generate(model.step, [3] * 5, model.start(5), numbers, V, [2], temperature=1.5)
    wanted = [model.log_probability(3, ids[:n]) for ids, n in zip(found["ids"].numpy(), found["lengths"])]
    np.testing.assert_allclose(tf.reduce_sum(found["log_probability"], 1), wanted, rtol=1e-5)


def test_decoding_stops_when_all_rows_have_ended():
    model, numbers = Markov(V, 30), np.random.default_rng(0).random((3, 30))
    found = generate(model.step, [3, 4, 5], model.start(3), numbers, V, [2])
    assert model.calls == max(found["lengths"]) < 30


def test_an_id_of_minus_one_ends_nothing():
    model = Markov(V, 8)
    numbers = np.random.default_rng(0).random((4, 8)).astype("float32")
    none = tf.constant([-1])
    found = generate(model.step, [3] * 4, model.start(4), numbers, V, none, none)
    np.testing.assert_array_equal(found["lengths"], 8)


def speak(speaker, ids, uniform, **settings):
    start = speaker.start(tf.shape(ids)[0])
    return generate(speaker.step, ids, start, uniform, speaker.symbols, [2], [0, 1], **settings)


SPECS = {"ids": ([None], tf.int32), "uniform": ([None, None], tf.float32),
         "temperature": ([], tf.float32), "top_k": ([], tf.int32), "top_p": ([], tf.float32),
         "typical": ([], tf.float32), "repetition_penalty": ([], tf.float32)}


def test_tflite_says_what_tensorflow_says(tmp_path):
    speaker = Speaker(speak, SPECS)
    run, graph = speaker.lite(tmp_path), tf.function(speaker.answer)
    random, texts = np.random.default_rng(0), []
    for (batch, steps), settings in itertools.product([(1, 1), (3, 25)], [
            (1.0, 0, 1.0, 1.0, 1.0), (0.0, 0, 1.0, 1.0, 1.0), (1.5, 5, .9, 1.0, 1.2),
            (1.2, 0, 1.0, .5, 1.0), (1.0, 50, 0.0, 0.0, 2.0)]):
        given = dict(zip(SPECS, [random.integers(3, 11, batch).astype("int32"),
                                 random.random((batch, steps)).astype("float32"),
                                 *(tf.constant(s) for s in settings)]))
        found, wanted = run(**given), graph(**given)
        texts += wanted["ids"].numpy().tolist()
        for name in ("ids", "lengths"):
            np.testing.assert_array_equal(found[name], wanted[name])
        np.testing.assert_allclose(found["log_probability"], wanted["log_probability"], rtol=1e-5,
                                   atol=1e-5)
    assert len(set(map(tuple, texts))) > 10
