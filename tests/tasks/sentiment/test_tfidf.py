"""TF-IDF under a linear model, against scikit-learn's own classes."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from tasks.reading.corpus import Corpus
from tasks.reading.splits import Example
from tasks.sentiment import corpora, metrics, tfidf
from tasks.sentiment.baselines import BASELINES

TEXTS = ["a fine film , don't miss it", "a dull film", "好 的 film", "fine fine fine"]
OTHERS = ["fine and unseen words", "", "a film"]


def corpus_of(rows, validation=(), **kind):
    """A corpus of [(text, label)]."""
    train, validation = ([Example(*row) for row in some] for some in (rows, validation))
    return Corpus("mine", train, validation, [], "", **kind)


@pytest.mark.parametrize("counts, peer", [
    (tfidf.words_and_pairs, {"token_pattern": r"\S+", "ngram_range": (1, 2)}),
    (tfidf.characters, {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 2})])
def test_features_are_those_of_scikit_learns_vectorizer(counts, peer):
    vectorizer = TfidfVectorizer(sublinear_tf=True, **peer)
    expected = [vectorizer.fit_transform(TEXTS), vectorizer.transform(OTHERS)]
    found = tfidf.weighed(counts([TEXTS, OTHERS]))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        # Columns may stand in another order: products of texts tell.
        np.testing.assert_allclose((ours @ found[0].T).toarray(), (theirs @ expected[0].T).toarray(),
                                   atol=1e-12)


def test_texts_are_cut_into_words_and_ideographs_in_lower_case():
    assert tfidf.cut(["Not BAD, it’s 好吃!", ""]) == ["not bad , it's 好 吃 !", ""]


def test_a_support_vector_machine_predicts_as_scikit_learns_own():
    corpus = corpora.load("sample")
    texts = [example.text for example in corpus.test]
    found, strength = tfidf.svm(corpus, texts, corpus.labels)
    x, held_out = tfidf.features([example.text for example in corpus.train], texts)
    peer = LinearSVC(C=strength, tol=tfidf.TOLERANCE, random_state=0).fit(x, tfidf.targets(corpus.train))
    assert found.dtype == bool and (found.sum(1) == 1).all() and strength in tfidf.STRENGTHS
    assert np.mean(np.array(corpus.labels)[found.argmax(1)] == peer.predict(held_out)) > 0.99


def test_c_is_the_best_on_validation():
    # A rare word says the contrary of a frequent one, which strong regularisation does not learn.
    rows = [("good", "yes"), ("bad", "no")] * 10 + [("good rarely", "no")]
    found = {validation: tfidf.svm(corpus_of(rows, [(validation, "no")]), ["good rarely"], ["no", "yes"])
             for validation in ("bad", "good rarely")}
    assert found["bad"].strength == 0.1 and found["bad"].predictions.tolist() == [[False, True]]
    assert found["good rarely"].strength == 0.3
    assert found["good rarely"].predictions.tolist() == [[True, False]]


def test_several_labels_are_decided_one_by_one():
    rows = [("cheap and loud", ("cheap", "loud")), ("cheap", ("cheap",)), ("loud", ("loud",)),
            ("neither one", ())] * 5
    corpus = corpus_of(rows, rows[:4], multi_label=True)
    found = tfidf.svm(corpus, ["cheap", "so loud and cheap", "neither"], ["cheap", "loud", "never"])
    assert found.predictions.tolist() == [[True, False, False], [True, True, False], [False] * 3]


def test_a_single_label_that_a_text_may_have_is_a_column():
    rows = [("loud and cheap", ("loud",)), ("cheap", ())] * 5
    found = tfidf.svm(corpus_of(rows, rows[:2], multi_label=True), ["so loud", "so cheap"], ["loud"])
    assert found.predictions.tolist() == [[True], [False]]


def test_fewer_texts_are_read_of_more_labels(monkeypatch, capsys):
    rows = [("cheap", "x"), ("loud", "y"), ("dear", "z"), ("calm", "x")]
    monkeypatch.setattr(tfidf, "COST", 3 * sum(len(text) for text, _ in rows))
    corpus = corpus_of(rows, rows, labels=["x", "y", "z"])
    tfidf.svm(corpus, ["cheap"], corpus.labels)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(tfidf, "COST", 3 * 9)     # of 17 characters
    found = tfidf.svm(corpus, ["cheap"], corpus.labels)
    assert "learns from 1 in 2 texts" in capsys.readouterr().out and found.predictions[0, 0]


def test_numbers_are_predicted_by_ridge_regression():
    rows = [(f"{'great ' * n}film", float(n)) for n in (0, 1)] * 20
    found, strength = tfidf.ridge(corpus_of(rows, rows[:2], regression=True), ["a great film", "film"])
    assert strength == 3.0      # nothing is gained by regularisation here
    np.testing.assert_allclose(found, [1, 0], atol=0.2)


def test_training_without_common_n_grams_is_no_error():
    corpus = corpus_of([("ab", "x"), ("cd", "y")], [("ab", "x")])
    found = tfidf.svm(corpus, ["ab", "cd"], ["x", "y"]).predictions
    assert found.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("kind, labels", [("single", ["x", "y"]), ("multi", ["x", "y"]),
                                          ("regression", None)])
def test_every_kind_has_it_among_its_baselines(kind, labels):
    label = {"single": ["x", "y"], "multi": [("x",), ("x", "y")], "regression": [0.0, 1.0]}[kind]
    rows = [("ab ab", label[0]), ("cd", label[1])] * 4
    corpus = corpus_of(rows, rows[:2], multi_label=kind == "multi", regression=kind == "regression")
    name, = (name for name in BASELINES[kind] if name.startswith("TF-IDF"))
    assert len(BASELINES[kind][name](corpus, ["ab", "cd", "ab"], labels)) == 3


def test_flags_are_measured_without_log_loss_and_calibration():
    flags = np.array([[True, False], [False, True]])
    assert metrics.classification([0, 0], flags) == {"accuracy": 0.5, "macro_f1": pytest.approx(1 / 3)}
    assert metrics.multi_label(flags, flags, [0.9, 1.0]) == {
        "micro_f1": 1.0, "macro_f1": 1.0, "subset_accuracy": 1.0}
