"""Beam search against all texts there are, scored in float64, and against a plain search in Python."""
import itertools

import numpy as np
import pytest
from conftest import slow_but
import tensorflow as tf

from steps import Markov, Speaker
from zoo.decoding.beam_search import NOTHING, beam_search, largest, spread
from zoo.decoding.sampling import generate

V, T, END = 4, 5, 2  # id 0 is forbidden
WIDE = 200  # more than there are beginnings of T symbols


def texts(length=T):
    """All texts: to the end, or of the greatest length without one."""
    for size in range(1, length + 1):
        for text in itertools.product([1, 3], repeat=size - 1):
            for last in (END, 1, 3):
                if last == END or size == length:
                    yield (*text, last)


def contains(text, phrase):
    return any(text[n:n + len(phrase)] == tuple(phrase) for n in range(len(text)))


def ranked(model, first, alpha, **which):
    """{text: (score, log P)}, best first."""
    log_p = {text: model.log_probability(first, text) for text in texts(**which)}
    scored = {text: (value / len(text)**alpha, value) for text, value in log_p.items()}
    return dict(sorted(scored.items(), key=lambda item: -item[1][0]))


def found(answer, row):
    """{text: (score, log P)} of a row, in the order of the answer."""
    columns = [answer[name][row].numpy() for name in ("ids", "lengths", "scores", "log_probability")]
    for ids, length, *_ in zip(*columns):
        assert not ids[length:].any()
    texts = [tuple(ids[:length].tolist()) for ids, length, *_ in zip(*columns) if length]
    assert len(texts) == len(set(texts)) and (columns[2][len(texts):] == NOTHING).all()
    return dict(zip(texts, zip(*columns[2:])))


def agree(answer, row, wanted):
    given = found(answer, row)
    assert list(given) == list(wanted)[:len(given)]
    np.testing.assert_allclose([*given.values()], [*wanted.values()][:len(given)], rtol=1e-5, atol=1e-5)
    return len(given)


def search(model, width, first=(3, 1), length=T, **options):
    return beam_search(model.step, list(first), model.start(len(first)), width, length, [END],
                       forbidden=[0], **options)


@pytest.mark.parametrize("alpha", [0, .75, 1, 2.0])
def test_a_wide_beam_finds_all_texts_in_order(alpha):
    model = Markov(V, T)
    model.table[..., 0] += 3  # what is forbidden is likely
    answer = search(model, WIDE, alpha=alpha)
    for row, first in enumerate([3, 1]):
        wanted = ranked(model, first, alpha)
        assert agree(answer, row, wanted) == len(wanted) == len(set(texts()))


@pytest.mark.parametrize("alpha", [0, .75])
def test_every_row_can_have_its_own_greatest_length(alpha):
    model = Markov(V, T)
    answer = search(model, WIDE, length=tf.constant([3, T]), alpha=alpha)
    for row, (first, length) in enumerate([(3, 3), (1, T)]):
        wanted = ranked(model, first, alpha, length=length)
        assert agree(answer, row, wanted) == len(wanted)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_a_wide_beam_are_the_best_there_are_however_few_are_asked_for(seed):
    """The search may stop early, but never too early."""
    model = Markov(V, T, seed, scale=3)
    for alpha, n_best in itertools.product([0, .75, 1.5], [1, 3]):
        answer = search(model, WIDE, alpha=alpha, n_best=n_best)
        for row, first in enumerate([3, 1]):
            assert agree(answer, row, ranked(model, first, alpha)) == n_best


def plain(model, first, width, length, alpha, n_best):
    """Beam search as it is told: [(score, log P, text)] without stopping early."""
    live, ended = [(0.0, ())], []
    for t in range(length):
        following = []
        for log_p, text in live:
            row = np.float64(model.table[t, (first, *text)[-1]])
            row -= np.log(np.exp(row).sum())
            following += [(log_p + row[i], (*text, i)) for i in range(len(row))
                          if i]
        live = []
        for log_p, text in sorted(following, reverse=True)[:width]:
            kept = ended if text[-1] == END or t + 1 == length else live
            kept.append((log_p, text))
    scored = [(log_p / len(text)**alpha, log_p, text) for log_p, text in ended]
    return sorted(scored, reverse=True)[:n_best]


@pytest.mark.parametrize("width, n_best", [(1, 1), (2, 2), (3, 1), (5, 3), (9, 9), (3, 6)])
def test_a_narrow_beam_finds_what_a_plain_search_finds(width, n_best):
    for seed, alpha in enumerate([0, .75, .75, 2]):
        model = Markov(8, 12, seed)
        model.table[..., END] -= 1
        answer = search(model, width, [3, 1, 5, 7], 12, alpha=alpha, n_best=n_best)
        for row, first in enumerate([3, 1, 5, 7]):
            wanted = plain(model, first, width, 12, alpha, n_best)
            assert agree(answer, row, {text: value for *value, text in wanted}) == len(wanted)


def test_a_beam_of_one_is_greedy():
    for seed in range(5):
        model, first, numbers = Markov(8, 12, seed), [1, 3, 4, 5, 6, 7], tf.zeros([6, 12])
        answer = search(model, 1, first, 12)
        greedy = generate(model.step, first, model.start(6), numbers, 8, [END], [0], temperature=0)
        size = answer["ids"].shape[2]
        np.testing.assert_array_equal(answer["ids"][:, 0], greedy["ids"][:, :size])
        np.testing.assert_array_equal(answer["lengths"][:, 0], greedy["lengths"])
        np.testing.assert_allclose(answer["log_probability"][:, 0],
                                   tf.reduce_sum(greedy["log_probability"], 1), rtol=1e-5)


def test_a_beam_wider_than_the_vocabulary():
    model = Markov(V, 2)
    answer = search(model, 7, length=2)
    assert agree(answer, 0, ranked(model, 3, .75, length=2)) == 7


def test_where_fewer_texts_exist_than_are_asked_for_the_rest_is_nothing():
    model = Markov(V, 2)
    answer = search(model, 50, length=2, n_best=60)
    assert answer["scores"].shape == (2, 60)
    assert agree(answer, 0, ranked(model, 3, .75, length=2)) == 7


def test_the_search_stops_when_no_hypothesis_can_win():
    """Each symbol but the end costs log 0.01 = −4.6: five of them are over 1000·log 0.98 = −20.2."""
    certain = np.log([1e-9, .01, .98, .01])
    step = tf.constant([certain] * V, tf.float32)
    for alpha, length, wanted in [(.75, 30, 1), (1, 30, 1), (1, 1000, 5)]:
        calls = []

        def count(ids, states):
            calls.append(1)
            return tf.gather(step, ids), states

        beam_search(count, [3], [], 2, length, [END], alpha, n_best=1, forbidden=[0])
        assert len(calls) == wanted, (alpha, length)


def test_a_longer_text_found_later_can_still_win():
    """log P: −1.2 at once; −1.4 in four steps that cost nothing more: −1.4/4 is more than −1.2/1."""
    table = np.full([4, V, V], -40.0, "float32")
    table[0, 3, [1, END]] = np.log([.25, .3])
    table[1:3, 1, 1] = table[3, 1, END] = 20
    model = Markov(V, 4)
    model.table = table
    for alpha, text in [(0, (END,)), (1, (1, 1, 1, END))]:
        assert next(iter(found(search(model, 2, [3], 4, alpha=alpha, n_best=1), 0))) == text


@pytest.mark.parametrize("width", [1, 2, 5])
def test_impossible_symbols_give_no_nan(width):
    model = Markov(V, T)
    model.table[:, :, 1] = -np.inf
    model.table[1, 3] = -np.inf  # nothing at all after 3
    answer = search(model, width)
    assert not any(np.isnan(value).any() for value in answer.values())
    for row in range(2):
        assert all(1 not in text and text[:2] != (3, 3) for text in found(answer, row))
    model.table[:] = -np.inf
    answer = search(model, width)
    assert not answer["ids"].numpy().any() and not answer["lengths"].numpy().any()
    np.testing.assert_array_equal(answer["scores"], NOTHING)


def test_several_symbols_may_end_a_text():
    model = Markov(V, T)
    answer = beam_search(model.step, [3], model.start(1), WIDE, T, [END, 3], forbidden=[0])
    wanted = [text for text in ranked(model, 3, .75) if 3 not in text[:-1]]
    assert set(found(answer, 0)) == {*wanted, *(((1,) * n + (3,)) for n in range(4))}


def fed(source):
    """A step with attention: fixed weights for each symbol and time; [T, V, S] of any numbers."""
    weights = tf.nn.softmax(tf.constant(source))

    def attending(model):
        def step(ids, states):
            at = tf.stack([states[0], ids], 1)
            return *model.step(ids, states), tf.gather_nd(weights, at)
        return step
    return attending, weights.numpy()


def rows_of(weights, first, text):
    return np.stack([weights[t, i] for t, i in enumerate((first, *text[:-1]))])


@pytest.mark.parametrize("width", [3, WIDE])
@pytest.mark.parametrize("alpha", [.75, 0])
def test_alignments_are_the_weights_at_each_symbol_of_the_text(width, alpha):
    attending, weights = fed(np.random.default_rng(1).normal(scale=2, size=[T, V, 3]).astype("float32"))
    model = Markov(V, T)
    answer = beam_search(attending(model), [3, 1], model.start(2), width, T, [END], alpha, forbidden=[0],
                         source_length=3)
    for row, first in enumerate([3, 1]):
        wanted = plain(model, first, width, T, alpha, width)
        assert agree(answer, row, {text: value for *value, text in wanted}) == len(wanted)
        for n, text in enumerate(found(answer, row)):
            aligned = answer["alignments"][row, n]
            np.testing.assert_allclose(aligned[:len(text)], rows_of(weights, first, text), rtol=1e-5)
            assert not aligned[len(text):].numpy().any()


BANNED = [[[3, 0, 0]], [[3, 1, 0], [1, 1, 3]], [[1, 1, 0], [0, 0, 0]], [[0]], [[3, 3, END], [3, 1, 3]],
          [[1, 3, 3]]]
REQUIRED = [[[3, 0]], [[3, 1, 3]], [[1, 1, 0], [3, 1, 3]], [[0, 0]], [[3, 1, END]], [[1, 1, 1, 1, 1, 1]]]
OVERLAPPING = [[[1, 3, 0], [3, 1, 0]], [[1, 1, 3], [1, 3, 0], [0, 0, 0]], [[3, 0], [3, 0]]]


def phrases(ids):
    return [[symbol for symbol in phrase if symbol] for phrase in ids if any(phrase)]


@pytest.mark.parametrize("banned", BANNED, ids=str)
def test_banned_phrases_are_in_no_text_and_all_others_are_found(banned):
    model = Markov(V, T)
    answer = search(model, WIDE, banned=banned)
    for row, first in enumerate([3, 1]):
        wanted = {text: value for text, value in ranked(model, first, .75).items()
                  if not any(contains(text, phrase) for phrase in phrases(banned))}
        assert agree(answer, row, wanted) == len(wanted)


@pytest.mark.parametrize("required", REQUIRED, ids=str)
def test_required_phrases_are_in_all_texts_and_all_such_texts_are_found(required):
    model = Markov(V, T)
    answer = search(model, WIDE, required=required)
    for row, first in enumerate([3, 1]):
        wanted = {text: value for text, value in ranked(model, first, .75).items()
                  if all(contains(text, phrase) for phrase in phrases(required))}
        assert agree(answer, row, wanted) == len(wanted)


@pytest.mark.parametrize("required", slow_but(OVERLAPPING[-1:], OVERLAPPING), ids=str)
def test_phrases_may_overlap_where_there_is_time_for_one_after_the_other(required):
    length = 4 + sum(map(len, phrases(required)))
    model = Markov(V, length)
    given = found(search(model, 3 * 2**length, [3], length, required=required), 0)
    texts = {text: value for text, value in ranked(model, 3, .75, length=length).items()
             if all(contains(text, phrase) for phrase in phrases(required))}
    in_time = {text for text in texts if len(text) + sum(map(len, phrases(required))) <= length}
    assert in_time and in_time <= set(given) <= set(texts)
    assert [text for text in texts if text in given] == list(given)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_narrow_beam_says_what_is_required_in_time(width):
    """Phrases that overlap, and that the model finds unlikely, with no step to spare."""
    for seed, required in enumerate([[[5, 6, 7, 0], [6, 8, 0, 0]], [[5, 5, 5, 9], [5, 9, 0, 0]],
                                     [[4, 5, 4, 6], [4, 5, 4, 7]]]):
        size = sum(map(len, phrases(required)))
        for length in (size, size + 2):
            model = Markov(10, length, seed)
            model.table[..., 4:] -= 6
            said = found(search(model, width, [3], length, required=required), 0)
            assert said and all(contains(text, phrase) for text in said for phrase in phrases(required))


def test_the_beam_is_shared_by_hypotheses_that_lack_differently_many_symbols():
    """The best place for a symbol is the third; or it makes likely what follows, once it is said."""
    model = Markov(V, 4)
    model.table[:] = [-20, 2, -20, 0]
    model.table[2, :, 3] = 30  # 3 is certain at the third step
    model.table[3, :, END] = 30
    answer = search(model, 2, length=4, required=[[3]], n_best=1)
    assert list(found(answer, 0)) == [(1, 1, 3, END)]
    model.table[:] = [-20, 2, -20, -9]
    model.table[1, 3, [1, 3]] = -20, 30  # 3 makes another 3 certain, and then the end
    model.table[2:, 3, END] = 30
    answer = search(model, 2, length=4, required=[[3, 3]], n_best=1)
    assert list(found(answer, 0)) == [(3, 3, END)]


def test_each_row_may_have_its_own_phrases():
    model = Markov(V, T)
    answer = search(model, WIDE, banned=[[[3, 3]], [[1, 0]]], required=[[[1, 1]], [[3, 3]]])
    for row, (first, banned, required) in enumerate([(3, [3, 3], [1, 1]), (1, [1], [3, 3])]):
        wanted = {text: value for text, value in ranked(model, first, .75).items()
                  if contains(text, required) and not contains(text, banned)}
        assert agree(answer, row, wanted) == len(wanted)


def attend(speaker, values, mask):
    """A step that adds what it sees of values [R, S, H] to its logits."""
    def step(ids, states):
        logits, (h,) = speaker.step(ids, states)
        scores = tf.where(mask, tf.linalg.matvec(values, h), -1e9)
        weights = tf.nn.softmax(scores)
        seen = tf.linalg.matvec(values, weights, transpose_a=True)
        return logits + tf.matmul(seen, speaker.variables[2]), [h], weights
    return step


def translate(speaker, ids, values, mask, width, **options):
    step = attend(speaker, spread(values, width), spread(mask, width))
    if "n_best" in options:
        options["source_length"] = tf.shape(mask)[1]
    start = speaker.start(tf.shape(ids)[0])
    return beam_search(step, ids, start, width, end=[END], forbidden=[0, 1], **options)


SPECS = {"ids": ([None], tf.int32), "values": ([None, None, 8], tf.float32),
         "mask": ([None, None], tf.bool), "width": ([], tf.int32), "max_length": ([], tf.int32),
         "alpha": ([], tf.float32)}
MORE = {"n_best": ([], tf.int32), "banned": ([None, None], tf.int32),
        "required": ([None, None, None], tf.int32)}


def sources(random, batch, size):
    """ids [B], values [B, S, H], mask [B, S]."""
    mask = np.arange(size) < random.integers(1, size + 1, [batch, 1])
    ids, values = random.integers(3, 11, batch), random.normal(size=[batch, size, 8])
    return ids.astype("int32"), values.astype("float32"), mask


def same(given, wanted):
    for name in ("ids", "lengths"):
        np.testing.assert_array_equal(given[name], wanted[name])
    for name in {*wanted} - {"ids", "lengths"}:
        np.testing.assert_allclose(given[name], wanted[name], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_tflite_finds_what_tensorflow_finds(tmp_path):
    speaker = Speaker(translate, SPECS)
    run, graph, random = speaker.lite(tmp_path), tf.function(speaker.answer), np.random.default_rng(0)
    for batch, size, width, length, alpha in [(1, 1, 1, 1, .75), (3, 7, 5, 20, .75), (2, 4, 30, 9, 0.0)]:
        numbers = np.int32(width), np.int32(length), np.float32(alpha)
        given = dict(zip(SPECS, [*sources(random, batch, size), *numbers]))
        same(run(**given), graph(**given))


@pytest.mark.slow
def test_tflite_with_phrases_and_alignments_finds_what_tensorflow_finds(tmp_path):
    speaker = Speaker(translate, {**SPECS, **MORE})
    run, graph, random = speaker.lite(tmp_path), tf.function(speaker.answer), np.random.default_rng(1)
    for (batch, size, width, length, n_best), banned, required in [
            ((1, 1, 1, 3, 1), [[0]], [[[0]]]),
            ((3, 6, 4, 20, 2), [[4, 5], [7, 0]], [[[8, 9], [3, 0]], [[0, 0], [0, 0]], [[9, 9], [0, 0]]]),
            ((2, 4, 12, 9, 12), [[0, 0, 0], [6, 6, 6]], [[[10]], [[5]]])]:
        numbers = np.int32(width), np.int32(length), np.float32(.75)
        given = dict(zip(SPECS, [*sources(random, batch, size), *numbers]))
        given.update(n_best=np.int32(n_best), banned=np.int32(banned), required=np.int32(required))
        wanted = graph(**given)
        same(run(**given), wanted)
        for row, asked in enumerate(required):
            said = found(wanted, row)
            assert said and all(contains(text, phrase) for text in said for phrase in phrases(asked))
            assert not any(contains(text, phrase) for text in said for phrase in phrases(banned))


@pytest.mark.parametrize("graph", (False, True), ids=("eager", "graph"))
def test_texts_that_are_done_leave_the_batch_and_what_is_found_stays_the_same(graph):
    normal, rows = np.random.default_rng(3).normal, []
    table, bias = (tf.constant(normal(size=shape, scale=2), tf.float32) for shape in ((9, 9), (6, 9)))

    def step(ids, states, source):
        rows.append(ids.shape[0])
        logits = tf.gather(table, ids) + spread(source["bias"], 3)
        return logits, [states[0] + 1], tf.expand_dims(states[0], 1)

    def search(**more):
        return beam_search(more.pop("step"), tf.range(6), [tf.zeros([6])], 3, [4, 12, 7, 30, 2, 12], [8],
                           n_best=2, source_length=1, **more)

    staying, leaving = (tf.function(search, autograph=False) if graph else search for _ in "12")
    wanted = staying(step=lambda ids, states: step(ids, states, {"bias": bias}))
    before = len(rows)
    found = leaving(step=step, source={"bias": bias})
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    if not graph:
        assert set(rows[:before]) == {18} and sorted(rows[before:], reverse=True) == rows[before:]
        assert rows[-1] < 18


def test_the_largest_of_many_are_those_of_a_sort():
    array = tf.constant(np.random.default_rng(0).normal(size=(3, 64 * 20 + 5)), tf.float32)
    for count in (1, 4, 70):
        for found, wanted in zip(largest(array, count), tf.math.top_k(array, count)):
            np.testing.assert_array_equal(found, wanted)
