"""What is measured of an exported file, beside what the tests of whole runs see."""

import types

import pytest

from tasks import exporting
from tasks.exporting import on_splits, same_predictions

PREDICTIONS = {"validation": [["O"], ["B-x", "O"]], "test": [["O", "O"], ["B-x"], ["O"], []]}


def datasets(exact):
    """A dataset is predicted by its name; its metric is how many predictions it was given."""
    return {name: types.SimpleNamespace(name=name, exact=exact, metrics=len)
            for name in ("train", *PREDICTIONS)}


def test_exact_answers_are_compared_with_the_heads_own_on_both_splits():
    file = {"validation": [["O"], ["B-x", "B-x"]], "test": [["O", "O"], ["B-x"], ["B-x"], []]}
    found = on_splits(datasets(exact=True), PREDICTIONS, lambda dataset: file[dataset.name])
    assert found == {"test": 4, "same": {"validation": 0.5, "test": 0.75}}


def test_of_numbers_only_the_test_split_is_predicted_and_measured():
    file = {"test": [0.1, 0.2]}
    found = on_splits(datasets(exact=False), PREDICTIONS, lambda dataset: file[dataset.name])
    assert found == {"test": 2}


def test_predictions_for_other_texts_are_not_compared():
    with pytest.raises(ValueError):
        same_predictions(PREDICTIONS["test"], PREDICTIONS["test"][:2])


def test_each_step_of_an_export_is_a_line_with_its_own_seconds(monkeypatch, capsys):
    clock = iter([100.0, 112.34, 114.44])
    monkeypatch.setattr(exporting.time, "perf_counter", lambda: next(clock))
    done = exporting.Steps()
    done("saved_model")
    done("tflite int8")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["saved_model", "12.3", "s"], ["tflite", "int8", "2.1", "s"]]
