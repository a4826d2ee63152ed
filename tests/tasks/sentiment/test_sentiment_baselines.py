"""Baselines against the formulas they state."""
import numpy as np
import pytest

from tasks import naive_bayes
from tasks.sentiment import baselines, corpora, metrics

TRAIN = [("a fine film", "good"), ("a fine fine cast", "good"), ("a dull film", "bad")]
LABELS = ["bad", "good"]


def posterior(scores):
    return np.array(scores) / sum(scores)


def test_naive_bayes_is_bayes_rule_over_words_present():
    # The prior has the same smoothing: (n + ½) / (N + ½·2). "fine": 2 of 2 good texts, 0 of 1 bad.
    bad = (1.5 / 4) * (0.5 / 2) * (1.5 / 2)
    good = (2.5 / 4) * (2.5 / 3) * (1.5 / 3)
    found = naive_bayes.naive_bayes(TRAIN, ["fine film"], LABELS)
    np.testing.assert_allclose(found, [posterior([bad, good])], rtol=1e-9)


def test_naive_bayes_knows_the_most_frequent_words_alone_where_labels_and_words_are_many(monkeypatch):
    train = [("good film", "good"), ("dull film", "bad"), ("dull plot", "bad")]
    texts = ["dull", "film", "good", "plot"]
    every = naive_bayes.naive_bayes(train, texts, ["bad", "good"])
    monkeypatch.setattr(naive_bayes, "PAIRS", 4)        # two labels: film and dull are known
    found = naive_bayes.naive_bayes(train, texts, ["bad", "good"])
    prior = naive_bayes.naive_bayes(train, ["unknown"], ["bad", "good"])[0]
    np.testing.assert_allclose(found, [every[0], every[1], prior, prior])
    assert not np.allclose(every[2], prior) and not np.allclose(every[3], prior)


def test_multinomial_naive_bayes_is_bayes_rule_over_words_drawn():
    # Good texts hold 6 words once each a text, bad 3, of a vocabulary of 5.
    bad = 1 / 3 * (0 + 1) / (3 + 5) * (1 + 1) / (3 + 5)
    good = 2 / 3 * (2 + 1) / (6 + 5) * (1 + 1) / (6 + 5)
    found = naive_bayes.multinomial_naive_bayes(TRAIN, ["fine film"], LABELS)
    np.testing.assert_allclose(found, [posterior([bad, good])], rtol=1e-9)


@pytest.mark.parametrize("model", [naive_bayes.naive_bayes, naive_bayes.multinomial_naive_bayes])
def test_probabilities_follow_the_order_of_the_labels(model):
    texts = ["fine", "dull", "", "never seen"]
    straight, swapped = model(TRAIN, texts, LABELS), model(TRAIN, texts, LABELS[::-1])
    np.testing.assert_allclose(straight, swapped[:, ::-1])
    np.testing.assert_allclose(straight.sum(axis=1), 1)
    assert straight[0, 1] > 0.5 > straight[1, 1]
    np.testing.assert_allclose(straight[2], straight[3])     # unknown words say nothing


@pytest.mark.parametrize("model", [naive_bayes.naive_bayes, naive_bayes.multinomial_naive_bayes])
def test_a_label_that_training_lacks_gets_no_probability(model):
    found = model(TRAIN, ["fine"], [*LABELS, "unseen"])
    assert found.shape == (1, 3) and found[0, 2] == pytest.approx(0)
    assert np.isfinite(found).all()


def test_multi_label_baseline_is_one_decision_a_label():
    train = [("cheap and loud", ("cheap", "loud")), ("cheap", ("cheap",)), ("loud", ("loud",)),
             ("neither one", ())]
    found = baselines.naive_bayes_multi_label(train, ["cheap", "cheap loud"], ["cheap", "loud"])
    assert (found > 0.5).tolist() == [[True, False], [True, True]]


def test_majority_gives_the_frequencies_of_training():
    found = naive_bayes.majority(TRAIN, ["any", "thing"], LABELS)
    np.testing.assert_allclose(found, [[1 / 3, 2 / 3]] * 2)


def test_mean_gives_the_mean_target():
    assert baselines.mean([("a", 1.0), ("b", 2.0), ("c", 6.0)], ["x", "y"]).tolist() == [3.0, 3.0]


def test_naive_bayes_on_sentence_polarity_is_where_the_literature_has_it(shared, monkeypatch):
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [str(shared / "nltk_data")])
    corpus = corpora.load("sentence_polarity")
    texts = [example.text for example in corpus.validation]
    labels = [corpus.labels.index(example.label) for example in corpus.validation]
    found = naive_bayes.multinomial_naive_bayes(corpus.train, texts, corpus.labels)
    assert 0.74 < metrics.accuracy(labels, found) < 0.82
