"""Runs in a table, and the paired bootstrap against a formula."""

import json

import numpy as np
import pytest

from tasks.__main__ import main
from tasks.reporting import comparison


def run(folder, name, validation, right):
    """A finished run whose predictions are right where `right` says so."""
    path = folder / name
    path.mkdir()
    test = float(np.mean(right))
    (path / "metrics.json").write_text(json.dumps({
        "task": "sentiment", "corpus": "c", "model": "bilstm", "train": {"seconds": 12.3},
        "validation": {"accuracy": validation}, "test": {"accuracy": test}, "baselines": {},
        "exports": {"tflite": {"int8": {"file": "f", "bytes": 5000, "milliseconds": 0.25},
                               "float32": {"file": "f", "bytes": 9000, "milliseconds": 0.5}}}}))
    rows = [{"text": f"t{n}", "label": "a", "predicted": "a" if ok else "b"}
            for n, ok in enumerate(right)]
    (path / "test_predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_the_best_on_validation_comes_first_with_its_smallest_file(tmp_path):
    right = np.ones(400, bool)
    worse = np.arange(400) % 4 > 0
    lines = comparison.compare([run(tmp_path, "low", 0.7, worse), run(tmp_path, "high", 0.9, right)])
    assert lines[1].split()[0].endswith("high") and lines[2].split()[0].endswith("low")
    assert lines[1].split()[1:] == ["c", "bilstm", "accuracy", "0.9000", "1.0000", "5", "0.2500", "12"]
    assert "beyond noise" in lines[-1] and "-0.2500 a text" in lines[-1]


def test_two_runs_that_differ_in_a_few_texts_differ_by_noise(tmp_path):
    one, other = np.ones(400, bool), np.ones(400, bool)
    one[:3], other[3:7] = False, False
    lines = comparison.compare([run(tmp_path, "a", 0.9, one), run(tmp_path, "b", 0.8, other)])
    assert "within noise" in lines[-1]


def test_the_bootstrap_has_the_width_of_the_normal_approximation():
    differences = np.random.default_rng(1).normal(0.1, 1.0, 2000)
    low, high = comparison.bootstrap(differences)
    width = 2 * 1.96 * differences.std() / np.sqrt(len(differences))
    assert high - low == pytest.approx(width, rel=0.08)
    assert (low + high) / 2 == pytest.approx(differences.mean(), abs=0.01)


def test_a_run_that_its_baseline_beats_on_validation_says_so():
    facts = {"validation": {"accuracy": 0.7}, "test": {"accuracy": 0.9}, "baselines": {},
             "validation_baselines": {"majority": {"accuracy": 0.5}, "naive Bayes": {"accuracy": 0.8}}}
    assert comparison.beaten(facts) == ["The baseline naive Bayes is better than this model on the "
                                        "validation split: accuracy 0.8000 against 0.7000."]
    lower_is_better = {"validation": {"nats_per_token": 2.0},
                       "validation_baselines": {"n-grams": {"nats_per_token": 1.5}}}
    assert comparison.beaten(lower_is_better)
    assert not comparison.beaten({**facts, "validation_baselines": {}})


def test_the_test_split_alone_says_nothing():
    facts = {"validation": {"accuracy": 0.7}, "test": {"accuracy": 0.6},
             "validation_baselines": {"majority": {"accuracy": 0.5}},
             "baselines": {"majority": {"accuracy": 0.8}}}
    assert comparison.beaten(facts) == []
    older = {name: facts[name] for name in ("validation", "test", "baselines")}
    assert comparison.beaten(older) == []


def test_what_is_not_finished_is_left_out_and_named(tmp_path):
    others = tmp_path / "started", tmp_path / "gradient_flow"
    for folder in others:
        folder.mkdir()
    (others[1] / "metrics.json").write_text('{"task": "gradient_flow"}')
    lines = comparison.compare([run(tmp_path, "a", 0.9, np.ones(9, bool)), *others])
    assert len(lines) == 4 and lines[-1] == f"left out, without scores: {others[0]}, {others[1]}"


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a finished run"):
        comparison.compare([tmp_path])
    with pytest.raises(ValueError, match="received 'compute x'"):
        main(["compute", "x"])


def test_the_page_of_tasks_names_each_with_a_command(capsys):
    main([])
    page = capsys.readouterr().out
    for task in ("sentiment", "tagging", "generation", "translation", "gradient_flow"):
        assert f"python -m tasks.{task} " in page
