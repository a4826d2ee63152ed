"""Modified Kneser–Ney against its formula, NLTK's, and a sum worked by hand."""
import collections
import functools
import types

import numpy as np
import pytest

from tasks.generation import baselines, ngrams
from tasks.generation.ngrams import FALLBACK, KneserNey, discounts


def text(length, vocabulary, seed):
    """A text in which some tokens are frequent, and repeat what was said."""
    rng = np.random.default_rng(seed)
    ids = list(rng.zipf(1.3, 20) % vocabulary)
    while len(ids) < length:
        start = rng.integers(len(ids) - 10)
        ids += ids[start:start + rng.integers(1, 9)] + [int(rng.zipf(1.3) % vocabulary)]
    return np.array(ids[:length])


class Formula:
    """Chen & Goodman's equations, one dictionary an order, one token at a time."""

    def __init__(self, ids, order, vocabulary_size):
        ids, self.order, self.vocabulary_size = tuple(map(int, ids)), order, vocabulary_size
        grams = {k: [ids[i:i + k] for i in range(len(ids) - k + 1)] for k in range(1, order + 2)}
        self.count = {k: collections.Counter(gram[1:] for gram in set(grams[k + 1]))
                      for k in range(1, order)}
        self.count[order] = collections.Counter(grams[order])
        self.discount = {k: self.discounts_of(count) for k, count in self.count.items()}

    @staticmethod
    def discounts_of(count):
        n1, n2, n3, n4 = (sum(c == i for c in count.values()) for i in (1, 2, 3, 4))
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            values = 0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
            if all(0 < value <= i for i, value in enumerate(values) if i):
                return values
        return 0, .5, 1, 1.5

    @functools.lru_cache(None)
    def probability(self, word, context):
        if context is None:
            return 1 / self.vocabulary_size
        k = len(context) + 1
        lower = self.probability(word, context[1:] if context else None)
        after = [c for gram, c in self.count[k].items() if gram[:-1] == context]
        if not sum(after):
            return lower
        d = [self.discount[k][min(c, 3)] for c in after]
        c = self.count[k][*context, word]
        return (c - self.discount[k][min(c, 3)] + sum(d) * lower) / sum(after)

    def log_probability(self, ids):
        ids = tuple(map(int, ids))
        return np.log([self.probability(word, ids[max(0, i - self.order + 1):i])
                       for i, word in enumerate(ids)])


@pytest.mark.parametrize("order, vocabulary, length", [
    (1, 6, 400), (2, 6, 400), (3, 6, 400), (3, 50, 400), (5, 4, 600), (7, 30, 500)])
def test_it_is_the_formula(order, vocabulary, length):
    train, other = text(length, vocabulary, order), text(300, vocabulary + 3, order + 100)
    model = KneserNey(order, vocabulary + 3).fit(train)
    expected = Formula(train, order, vocabulary + 3).log_probability(other)
    np.testing.assert_allclose(model.log_probability(other), expected, rtol=1e-12)


def test_some_of_these_texts_have_discounts_of_their_own():
    tables = KneserNey(5).fit(text(600, 4, 5)).tables
    assert sum(discounts(table.counts) is not FALLBACK for table in tables) >= 3


@pytest.mark.parametrize("order", [1, 2, 4, 7])
def test_probabilities_sum_to_one_after_any_context(order):
    vocabulary, rng = 12, np.random.default_rng(order)
    train = text(500, 9, order)
    model = KneserNey(order, vocabulary).fit(train)
    for length in rng.integers(0, 9, 20):
        start = rng.integers(400)
        context = train[start:start + length] if length % 2 else rng.integers(0, vocabulary, length)
        total = sum(np.exp(model.log_probability([word], context)[0]) for word in range(vocabulary))
        assert abs(total - 1) < 1e-12


def test_a_label_that_training_lacks_has_the_model_of_all_texts():
    train = types.SimpleNamespace(labels=[0, 1], ids=[[3, 4, 2], [5, 6, 2]], vocabulary_size=9, end=2)
    held_out = types.SimpleNamespace(labels=np.array([1, 7]), ids=[[5, 2], [3, 6, 2]])
    found = baselines.labelled(2, train, held_out)
    one, every = (KneserNey(2, 9).fit(np.array(ids)) for ids in ([2, 5, 6, 2], [2, 3, 4, 2, 5, 6, 2]))
    np.testing.assert_allclose(found, [*one.log_probability([5, 2], history=[2]),
                                       *every.log_probability([3, 6, 2], history=[2])])


def test_it_is_the_sum_worked_by_hand():
    """Training a b a b a c: ab and ba twice, ac once. Each of a, b, c stands after one token.

    n_3 = 0 at both orders, so D is 1/2 and 1.  P_1 = (1 − 1/2)/3 + 1/2·1/3 = 1/3 for each.
    γ(a) = (1 + 1/2)/3 = 1/2:  P(b|a) = 1/3 + 1/6, P(c|a) = 1/6 + 1/6, P(a|a) = 1/6.
    γ(b) = 1/2:  P(a|b) = 1/2 + 1/6.  Nothing follows c: P(b|c) = P_1(b).
    """
    model = KneserNey(2).fit([0, 1, 0, 1, 0, 2])
    np.testing.assert_allclose(np.exp(model.log_probability([0, 1, 0, 0, 2, 1])),
                               [1 / 3, 1 / 2, 2 / 3, 1 / 6, 1 / 3, 1 / 3])


def test_discounts_follow_from_counts_of_counts():
    """n = 20, 10, 4, 2, so Y = 1/2: 1 − 2·½·10/20, 2 − 3·½·4/10, 3 − 4·½·2/4; others do not matter."""
    counts = np.repeat([1, 2, 3, 4, 9], [20, 10, 4, 2, 5])
    np.testing.assert_allclose(discounts(counts), [0, 0.5, 1.4, 2.0])


@pytest.mark.parametrize("numbers", [
    (0, 5, 5, 5), (5, 0, 5, 5), (5, 5, 0, 5), (20, 1, 9, 1), (9, 9, 1, 99),
    (2, 2, 4, 1)])
def test_discounts_that_are_undefined_or_impossible_are_halves(numbers):
    assert discounts(np.repeat([1, 2, 3, 4], numbers)).tolist() == [0, .5, 1, 1.5]


@pytest.mark.parametrize("order", [2, 3])
def test_nltk_agrees_where_the_definitions_do(monkeypatch, order):
    """NLTK subtracts one constant at all orders but the first, and does not know the uniform one."""
    from nltk.lm import KneserNeyInterpolated
    ids = ["start", *map(str, text(300, 8, order))]
    numbers = np.unique(ids, return_inverse=True)[1]
    sizes = iter([0.0] + [0.1] * (order - 1))
    monkeypatch.setattr(ngrams, "discounts", lambda counts: np.array([0, *[next(sizes)] * 3]))
    ours = KneserNey(order).fit(numbers)
    theirs = KneserNeyInterpolated(order, discount=0.1)
    grams = [tuple(ids[i:i + k]) for k in range(1, order + 1) for i in range(len(ids) - k + 1)]
    theirs.fit([grams], vocabulary_text=ids)
    for i in range(40, 140):
        expected = theirs.score(ids[i], ids[i - order + 1:i])
        assert np.exp(ours.log_probability(numbers[i:i + 1], numbers[:i])[0]) == pytest.approx(expected)


def test_a_history_is_what_was_said_before():
    train, other = text(500, 9, 1), text(200, 9, 2)
    model = KneserNey(4).fit(train)
    whole = model.log_probability(other)
    assert whole.shape == (200,)
    pieces = [model.log_probability(other[at:at + 7], other[:at]) for at in range(0, 200, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_large_vocabularies_and_orders_do_not_mix_up_ngrams():
    train = text(400, 20, 3)
    spread = train * 100_003 + 1_000_000_000
    small, large = KneserNey(7, 20).fit(train), KneserNey(7, 4_000_000_000).fit(spread)
    seen = [len(table.keys) for table in small.tables]
    assert seen == [len(table.keys) for table in large.tables]
    np.testing.assert_allclose(large.tables[6].total, small.tables[6].total)


def test_a_text_shorter_than_the_order_is_enough():
    for ids in ([0], [0, 1], [1, 1, 0]):
        model = KneserNey(9, 3).fit(ids)
        total = [np.exp(model.log_probability([*ids, word])[-1]) for word in range(3)]
        assert sum(total) == pytest.approx(1)


@pytest.mark.parametrize("call, message", [
    (lambda: KneserNey(0), "an order of at least 1, received 0"),
    (lambda: KneserNey(2).fit([]), "at least one, received \\[0\\]"),
    (lambda: KneserNey(2).fit([[1, 2]]), "expected tokens \\[N\\]"),
    (lambda: KneserNey(2).fit([0, -1]), "received -1 to 0"),
    (lambda: KneserNey(2, 5).fit([0, 5]), "ids from 0 to 4, received 0 to 5"),
    (lambda: KneserNey(2).fit([0, 1]).log_probability([2]), "ids from 0 to 1, received 2 to 2")])
def test_bad_input_gets_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_longer_memory_helps_on_real_text(shared):
    from tasks.generation import corpora
    corpus = corpora.load(shared / "corpora" / "tinyshakespeare")
    train, validation = ([ord(letter) for block in dataset for letter in block]
                         for dataset in (corpus.train, corpus.validation))
    nats = {n: -KneserNey(n, 128).fit(train).log_probability(validation).mean() for n in (1, 7)}
    assert nats[1] > 3 and nats[7] < 1.54
