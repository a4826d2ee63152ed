"""Baselines of tagging against counting by hand and against enumeration of all tag sequences."""
import itertools
import math
import random

import numpy as np
import pytest

from tasks.tagging import corpora, metrics
from tasks.tagging.baselines import hidden_markov, look, most_frequent_tag

TRAIN = [(("the", "man", "saw", "the", "saw"), ("D", "N", "V", "D", "N")),
         (("men", "saw", "Tom"), ("N", "V", "P")), (("Ann", "ran"), ("P", "V"))]


def test_most_frequent_tag_is_counted_word_by_word():
    # "saw" is V twice and N once. Words seen once: man N, men N, Tom P, Ann P, ran V; N is before P.
    assert most_frequent_tag(TRAIN, [("the", "saw", "ran", "dog"), ()]) == [["D", "V", "V", "N"], []]


def test_unknown_words_follow_the_words_seen_once_not_the_most_frequent_tag():
    train = [(("the", "the", "the", "cat"), ("D", "D", "D", "N"))]
    assert most_frequent_tag(train, [("dog",)]) == [["N"]]
    assert most_frequent_tag([(("the", "the"), ("D", "D"))], [("dog",)]) == [["D"]]


def log_probability(train, tokens, tags, gamma):
    """Σ log P, each P counted from scratch: (n + γ) / (N + γ·possibilities)."""
    words = [word for sentence, _ in train for word in sentence]
    symbol = {word: word if words.count(word) > 1 else look(word) for word in {*words, *tokens}}
    all_tags = sorted({tag for _, row in train for tag in row})
    all_symbols = {symbol[word] for word in words}
    starts = [row[0] for _, row in train]
    steps = [pair for _, row in train for pair in zip(row, row[1:])]
    uses = [(tag, symbol[word]) for sentence, row in train for word, tag in zip(sentence, row)]

    def p(events, event, given, possibilities):
        return (events.count(event) + gamma) / (sum(map(given, events)) + gamma * possibilities)

    result = math.log(p(starts, tags[0], lambda e: True, len(all_tags)))
    for left, right in zip(tags, tags[1:]):
        result += math.log(p(steps, (left, right), lambda e: e[0] == left, len(all_tags)))
    for word, tag in zip(tokens, tags):
        result += math.log(p(uses, (tag, symbol[word]), lambda e: e[0] == tag, len(all_symbols)))
    return result


@pytest.mark.parametrize("gamma", [1.0, 0.1, 0.003])
def test_hidden_markov_finds_the_best_of_all_tag_sequences(gamma):
    rng = random.Random(7)
    train = [tuple(zip(*[(rng.choice("abcdefgXY") + rng.choice("xyz"), rng.choice("DNV"))
                         for _ in range(rng.randint(1, 5))])) for _ in range(12)]
    for _ in range(12):
        tokens = tuple(rng.choice("abcdefgXYQ") + rng.choice("xyz") for _ in range(4))
        found, = hidden_markov(train, [tokens], gamma)
        best = max(log_probability(train, tokens, tags, gamma)
                   for tags in itertools.product("DNV", repeat=4))
        assert log_probability(train, tokens, found, gamma) == pytest.approx(best, abs=1e-4)


def test_hidden_markov_reads_words_by_their_neighbours():
    assert hidden_markov(TRAIN, [("the", "saw"), ("Tim", "saw"), ()]) == [["D", "N"], ["P", "V"], []]


def test_a_tag_that_only_ends_sentences_has_no_transitions_and_does_no_harm():
    assert hidden_markov([(("a", "b"), ("X", "Y"))] * 3, [("a", "b", "a")]) == [["X", "Y", "X"]]


def test_rare_words_look_like_their_kind():
    words = ["walking", "Boston", "NATO", "1,984", "B-52", "o'clock", "我", "of"]
    assert [look(word) for word in words] == ["<ng>", "<Xx>", "<X>", "<d,d>", "<X-d>", "<x'x>", "<x>",
                                              "<x>"]


@pytest.mark.slow
def test_on_conll2000_both_are_where_the_literature_has_them(shared, monkeypatch):
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [str(shared / "nltk_data")])
    corpus = corpora.load("conll2000")
    tokens, gold, _ = zip(*corpus.validation[:300])
    train = [(sentence.tokens, sentence.tags) for sentence in corpus.train]
    f1 = [metrics.span_scores(gold, model(train, tokens))["f1"]
          for model in (most_frequent_tag, hidden_markov)]
    assert np.all(np.array([0.68, 0.80]) < f1) and np.all(f1 < np.array([0.76, 0.87]))
