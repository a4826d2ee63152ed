"""What a user would pick instead, and the paired bootstrap against formulas."""

import doctest
import importlib
import json
import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score

from benchmarks import differences, rival_models, rivals
from tasks.sentiment import corpora
from tasks.tagging import corpora as tagged
from tasks.tagging import metrics as tagging_metrics

RANDOM = np.random.default_rng(0)


def test_the_examples_in_the_docstrings_hold():
    for module in (differences, rival_models):
        assert doctest.testmod(module).attempted > 0 == doctest.testmod(module).failed


def test_micro_f1_and_r_squared_are_scikit_learns():
    truth, found = RANDOM.random((2, 50, 3)) < 0.4
    names = [[[f"l{n}" for n in np.flatnonzero(row)] for row in flags] for flags in (truth, found)]
    assert differences.score("micro_f1", *names) == pytest.approx(f1_score(truth, found, average="micro"))
    y, predicted = RANDOM.normal(size=(2, 50))
    assert differences.score("r_squared", y, predicted) == pytest.approx(r2_score(y, predicted))


def test_span_f1_and_token_accuracy_are_the_tasks_own():
    tags = ["O", "B-x", "I-x", "B-y", "I-y"]
    gold, found = ([[tags[n] for n in row] for row in RANDOM.integers(0, 5, (30, 9))] for _ in range(2))
    assert differences.score("span_f1", gold, found) == pytest.approx(
        tagging_metrics.span_scores(gold, found)["f1"])
    assert differences.score("token_accuracy", gold, found) == pytest.approx(
        tagging_metrics.token_accuracy(gold, found))


def test_the_interval_of_accuracies_is_that_of_the_normal_approximation():
    ours = ["a" if right else "b" for right in RANDOM.random(2000) < 0.8]
    theirs = ["a" if right else "b" for right in RANDOM.random(2000) < 0.75]
    mean, low, high = differences.difference("accuracy", ["a"] * 2000, ours, theirs, samples=2000)
    apart = np.array([(a == "a") - (b == "a") for a, b in zip(ours, theirs)])
    half = 1.96 * apart.std() / math.sqrt(2000)
    assert mean == pytest.approx(apart.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=half / 8)


def test_the_interval_of_f1_is_over_sentences_not_over_a_mean_of_their_scores():
    gold = [["B-x"] * 20, ["B-x"]]
    theirs = [["B-x"] * 20, ["O"]]
    mean, low, high = differences.difference("span_f1", gold, gold, theirs, samples=400)
    assert mean == pytest.approx(1 - 40 / 41)
    assert low == 0 and high == 1       # both times the long sentence, or both times the short one
    assert differences.difference("span_f1", gold, gold, gold) == (0, 0, 0)


def run_of(folder, corpus, settings, predicted=None):
    """A run directory with predictions of a corpus's test split, by default the right ones."""
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({
        "task": "sentiment", "settings": {"fold": None, "seed": 0, **settings}, "environment": {}}))
    predicted = predicted or [example.label for example in corpus.test]
    rows = [{"text": example.text, "label": example.label, "predicted": label}
            for example, label in zip(corpus.test, predicted, strict=True)]
    (folder / "test_predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


@pytest.fixture
def own(tmp_path):
    """A corpus of one's own in which one word tells most labels."""
    path = tmp_path / "own.csv"
    rows = [(f"a {('fine', 'dull')[n % 2]} film {n}", "yes" if n % 2 == 0 or n % 14 == 1 else "no")
            for n in range(100)]
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return str(path)


@pytest.mark.parametrize("folds", [[None], [0, 3]])
def test_runs_are_compared_with_the_rivals_of_the_same_test_splits(own, tmp_path, capsys, monkeypatch,
                                                                   folds):
    monkeypatch.setattr(rivals, "RIVALS", {"accuracy": {
        "LinearSVC": rival_models.linear_svc, "absent": lambda *_: importlib.import_module("absent")}})
    runs, size = [], 0
    for fold in folds:
        corpus = corpora.load(own, fold=fold)
        names, size = ["no", "yes"], size + len(corpus.test)
        wrong = [names[example.label == "no"] for example in corpus.test]
        for seed, predicted in enumerate([None, wrong]):
            runs.append(run_of(tmp_path / f"{fold} {seed}", corpus,
                               {"corpus": own, "fold": fold, "seed": seed}, predicted))
    flags = [f"--folds={','.join(map(str, folds))}"] * (folds != [None])
    rivals.main(["sentiment", own, *flags, f"--runs={','.join(runs)}", f"--output={tmp_path}/all.json"])
    ours, other, svc = json.loads((tmp_path / "all.json").read_text())
    assert (ours["model"], ours["test"], other["model"], other["test"]) == (
        "ours, seed 0", 1, "ours, seed 1", 0)
    mean, low, high = svc["ours − it"]["ours, seed 0"]
    assert mean == pytest.approx(1 - svc["test"]) and low <= mean <= high
    assert size * mean == pytest.approx(round(size * mean))      # all folds count, as one entry
    assert svc["ours − it"]["ours, seed 1"][0] == pytest.approx(-svc["test"])
    out = capsys.readouterr().out
    assert "note: absent is left out" in out and "| LinearSVC | C " in out


def test_runs_of_another_test_split_are_refused(own, tmp_path):
    run_of(tmp_path / "a", corpora.load(own, fold=1), {"corpus": own})
    with pytest.raises(ValueError, match="expected a run with the test split of .*own.csv, received"):
        rivals.ours([rivals.Run.existing(tmp_path / "a", "sentiment")], {(own, None): corpora.load(own)})


def test_corpora_can_be_one_entry(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rivals, "RIVALS", {"accuracy": {"LinearSVC": rival_models.linear_svc}})
    other = tmp_path / "other.csv"
    other.write_text((tmp_path / "own.csv").read_text().replace("film", "soup"))
    one, two = corpora.load(own), corpora.load(str(other))
    runs = [run_of(tmp_path / name, corpus, {"corpus": path})
            for name, corpus, path in (("one", one, own), ("two", two, str(other)))]
    flags = [f"--runs={','.join(runs)}", f"--output={tmp_path}/all.json"]
    rivals.main(["sentiment", own, str(other), *flags])
    assert len(json.loads((tmp_path / "all.json").read_text())) == 4
    rivals.main(["sentiment", own, str(other), "--pooled", *flags])
    ours, svc = json.loads((tmp_path / "all.json").read_text())
    assert ours["corpus"] == svc["corpus"] == "own.csv + other.csv" and ours["test"] == 1
    size = len(one.test) + len(two.test)
    assert size * svc["test"] == pytest.approx(round(size * svc["test"])) and 0.5 < svc["test"] < 1


@pytest.mark.slow
@pytest.mark.parametrize("package, rival, corpus, least", [
    ("fasttext", rival_models.fasttext, corpora.load, 0.6),
    ("pycrfsuite", rival_models.crfsuite, tagged.load, 0.8)])
def test_an_optional_rival_learns_the_sample(package, rival, corpus, least):
    pytest.importorskip(package)
    corpus = corpus("sample")
    metric = "span_f1" if package == "pycrfsuite" else "accuracy"
    found = rival(corpus, corpus.test)
    assert differences.score(metric, rivals.truth(corpus.test, corpus), found.predicted) > least
