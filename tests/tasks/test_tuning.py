"""Options that are chosen on validation: who is measured, what is kept, and what is trained then."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from conftest import ROOT, slow_but
from tasks import recipes, sentiment, tuning
from tasks.fitting import corpus_of
from tasks.generation.options import Settings as GenerationSettings
from tasks.generation.task import Generation
from tasks.reporting.metric import METRICS
from tasks.sentiment.options import Settings
from tasks.sentiment.task import Sentiment
from tasks.training import loop

TEXTS = [f"{word} {place} {n}" for n in range(15) for word in ("warm", "cold")
         for place in ("tea", "bath")]
LABELS = [text.split()[0] for text in TEXTS]
FOUR = [{"units": 3}, {"units": 5}, {"units": 7}]


@pytest.fixture(autouse=True)
def any_kernels(monkeypatch):
    """Seeds alone: deterministic kernels would stay on for the tests after these."""
    monkeypatch.setattr(loop, "deterministic", keras.utils.set_random_seed)


@pytest.fixture
def tune(tmp_path, monkeypatch):
    """tune(scores, …): the settings that are chosen, and the trials, where {units: score} are measured.

    Each trial takes `seconds`, or those of its units, for all of the training split.
    """
    monkeypatch.setitem(recipes.CANDIDATES, "sentiment", FOUR)
    monkeypatch.setitem(recipes.CANDIDATES, "sentiment, vectors", [])

    def tune(scores, seconds=1.0, minutes=10.0, stop=None, metric="accuracy", **options):
        trials, clock = [], {"now": 0.0}

        def trained(task, corpus, options, share):
            if len(trials) == stop:
                raise KeyboardInterrupt
            trials.append((options.get("units", 0), share))
            clock["now"] += share * (seconds[trials[-1][0]] if isinstance(seconds, dict) else seconds)
            score = scores[options.get("units", 0)]
            if isinstance(score, str):
                raise ValueError(score)
            return {"metric": metric, "score": score}

        monkeypatch.setattr(tuning, "trained", trained)
        monkeypatch.setattr(time, "perf_counter", lambda: clock["now"])
        task = Sentiment(Settings.of(output_dir=str(tmp_path / "run"), tune_minutes=minutes, **options))
        try:
            task.tune(corpus_of(task, (TEXTS, LABELS)))
        except KeyboardInterrupt:
            pass
        return task.settings, trials
    return tune


def rows(folder):
    return [json.loads(line) for line in (folder / "run/tuning.jsonl").read_text().splitlines()][1:]


def test_the_better_half_goes_on_and_the_recipe_to_the_end(tune):
    settings, trials = tune({0: 0.1, 3: 0.4, 5: 0.3, 7: 0.2})
    assert trials == [(0, 0.25), (3, 0.25), (5, 0.25), (7, 0.25), (0, 0.5), (3, 0.5), (5, 0.5),
                      (0, 1.0), (3, 1.0)]
    assert settings.units == 3 and settings.given == ("output_dir", "units")


def test_the_recipe_stays_if_nothing_is_better(tune):
    settings, _ = tune({0: 0.4, 3: 0.4, 5: 0.3, 7: 0.2})
    assert settings.units is None and settings.given == ("output_dir",)


def test_of_an_error_the_lower_is_the_better(tune):
    settings, _ = tune({0: 0.4, 3: 0.3, 5: 0.2, 7: 0.5}, metric="mean_squared_error")
    assert settings.units == 5


def test_what_the_user_gives_is_not_tuned(tune):
    settings, trials = tune({0: 0.1, 3: 0.4, 5: 0.3, 7: 0.2}, units=9)
    assert not trials and settings.units == 9


@pytest.mark.parametrize("minutes, expected", [
    (1, [(0, 0.25), (3, 0.25), (5, 0.25), (7, 0.25), (0, 0.5), (3, 0.5), (5, 0.5), (0, 1.0), (3, 1.0)]),
    (4 / 60, [(0, 0.25), (3, 0.25), (5, 0.25), (7, 0.25), (0, 0.5), (3, 0.5), (5, 0.5), (0, 1.0)]),
    (2.6 / 60, [(0, 0.25), (3, 0.25), (5, 0.25), (0, 0.5)]),
    (1 / 60, [(0, 0.25)]), (0.001, [(0, 0.25)])])
def test_a_trial_that_does_not_fit_into_the_time_is_left_out(tune, minutes, expected):
    settings, trials = tune({0: 0.1, 3: 0.4, 5: 0.3, 7: 0.2}, minutes=minutes)
    assert trials == expected
    assert settings.units == (3 if (3, 1.0) in expected else None)


def test_what_was_not_compared_with_the_recipe_to_the_end_is_not_taken(tune, capsys):
    settings, trials = tune({0: 0.4, 3: 0.3, 5: 0.2, 7: 0.1}, {0: 100, 3: 1, 5: 100, 7: 100}, 190 / 60)
    assert (0, 0.5) in trials and trials[-1] == (3, 1.0)
    assert settings.units is None and "nothing was compared with the recipe" in capsys.readouterr().out


def test_options_that_exclude_each_other_are_left_out(tune, tmp_path, capsys):
    settings, trials = tune({0: 0.1, 3: "layers: expected at least 1", 5: 0.3, 7: 0.2})
    assert settings.units == 5 and trials.count((3, 0.25)) == 1 and (3, 0.5) not in trials
    assert rows(tmp_path)[1] == {"options": {"units": 3}, "share": 0.25, "seconds": 0.25,
                                 "error": "layers: expected at least 1"}
    assert "refused" in capsys.readouterr().out


def test_an_error_of_the_recipe_is_not_hidden(tune):
    with pytest.raises(ValueError, match="no such file"):
        tune({0: "no such file"})


@pytest.mark.parametrize("stop", range(9))
def test_a_tuning_that_was_stopped_goes_on_with_what_is_measured(tune, tmp_path, stop):
    scores = {0: 0.1, 3: 0.4, 5: 0.3, 7: 0.2}
    _, before = tune(scores, stop=stop)
    settings, after = tune(scores)
    assert len(before) == stop and len(before + after) == len({*before, *after}) == 9
    assert settings.units == 3
    measured = rows(tmp_path)
    assert [row["seconds"] for row in measured] == [row["share"] for row in measured]
    assert tune(scores) == (settings, [])


def test_the_table_is_printed_and_written_with_the_command_that_repeats_the_best(tune, tmp_path, capsys):
    tune({0: 0.1, 3: 0.4, 5: 0.3, 7: 0.2})
    lines = (tmp_path / "run/tuning.txt").read_text().splitlines()
    assert lines[0] == ("tuning: 4 candidates in 0.1 minutes; accuracy on validation, by the share of "
                        "the training split")
    assert lines[2:6] == [
        "   0.1000   0.1000   0.1000  the recipe", "   0.4000   0.4000   0.4000  units 3",
        "   0.3000   0.3000           units 5", "   0.2000                    units 7"]
    assert lines[6] == f"best: python -m tasks.sentiment --units=3 --output_dir={tmp_path}/run"
    assert "\n".join(lines) in capsys.readouterr().out


def test_other_settings_in_the_folder_are_refused_until_it_is_overwritten(tune, tmp_path):
    scores = {0: 0.1, 3: 0.4, 5: 0.3, 7: 0.2}
    tune(scores)
    with pytest.raises(ValueError, match="holds a tuning of other settings: --seed was 0 .now 1.; use"):
        tune(scores, seed=1)
    settings, trials = tune(scores, seed=1, overwrite=True)
    assert len(trials) == len(rows(tmp_path)) == 9 and not settings.overwrite


def test_a_folder_with_a_run_that_was_not_tuned_is_left_alone(tune, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected an empty folder or a tuned run"):
        tune({})
    with pytest.raises(ValueError, match="nothing was removed"):
        tune({}, overwrite=True)
    assert (tmp_path / "run/thesis.txt").read_text() == "mine"


def test_a_share_of_a_corpus_is_part_of_a_larger_share():
    task = Sentiment(Settings.of())
    corpus = corpus_of(task, (TEXTS, LABELS))
    quarter, half, whole = (tuning.sampled(corpus, share) for share in tuning.SHARES)
    assert whole.train == corpus.train and quarter.validation == corpus.validation
    assert len(half.train) == -(-len(corpus.train) // 2)
    assert {*quarter.train} < {*half.train} < {*whole.train}


@pytest.mark.parametrize("name", recipes.CANDIDATES)
def test_every_candidate_is_made_of_options(name):
    settings = importlib.import_module(f"tasks.{name.partition(',')[0]}.options").Settings
    found = [settings.of(**options) for options in recipes.CANDIDATES[name]]
    assert len({repr(one) for one in found}) == len(found)


@pytest.mark.slow
def test_what_is_trained_then_validates_as_it_was_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(recipes.CANDIDATES, "sentiment", [{"learning_rate": 0.05}])
    history = []
    options = {"model": "bilstm", "units": 4, "embedding": 4, "epochs": 3, "batch_size": 8}
    kept = {**options, "output_dir": str(tmp_path / "run"), "tune_minutes": 5}
    head = sentiment.fit(TEXTS, LABELS, on_epoch=history.append, **kept)
    best = max(row["score"] for row in rows(tmp_path) if row["share"] == 1)
    assert max(row["accuracy"] for row in history) == best
    chosen = {"learning_rate": 0.05} if "--learning_rate=0.05" in capsys.readouterr().out else {}
    again = sentiment.fit(TEXTS, LABELS, verbose=False, **options, **chosen)
    for one, other in zip(head.network.get_weights(), again.network.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert sentiment.fit(TEXTS, LABELS, **kept).predict("warm") == head.predict("warm")


def test_a_running_text_is_read_less_often(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("sing o muse of the wrath\n" * 200)
    task = Generation(GenerationSettings.of(corpus=str(tmp_path / "a.txt"), epochs=3, units=4,
                                            embedding=4, window=16, level="character"))
    epochs = []

    def fit(one, *_):
        epochs.append(one.settings.epochs)
        names = "bits_per_character", "nats_per_token", "perplexity"
        return loop.Result([dict.fromkeys(names, 2.0), dict.fromkeys(names, 3.0)], 0, 0, 0)

    monkeypatch.setattr(Generation, "fit", fit)
    corpus = task.load_corpus()
    scores = [tuning.trained(task, corpus, {}, share)["score"] for share in tuning.SHARES]
    assert epochs == [1, 2, 3] and scores == [2.0] * 3


COLUMNS = {"sentiment": (TEXTS, LABELS), "translation": (TEXTS, [text.upper() for text in TEXTS]),
           "tagging": ([text.split() for text in TEXTS], [["B-x", "I-x", "O"]] * len(TEXTS)),
           "generation": (TEXTS, None)}


@pytest.mark.parametrize("name", slow_but(["generation"], COLUMNS))
def test_every_task_measures_a_candidate_on_a_share(name, tmp_path):
    settings = importlib.import_module(f"tasks.{name}.options").Settings
    task = getattr(importlib.import_module(f"tasks.{name}.task"), name.capitalize())(
        settings.of(units=4, embedding=4, epochs=1, batch_size=8, output_dir=str(tmp_path / "run")))
    corpus = task.introduced(corpus_of(task, COLUMNS[name]))
    row = tuning.trained(task, corpus, {"learning_rate": 0.01}, 0.5)
    assert np.isfinite(row["score"]) and row["metric"] in METRICS
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_tuning_that_was_killed_ends_as_one_that_was_not(tmp_path):
    command = [sys.executable, "-m", "tasks.sentiment", "--corpus=sample", "--units=4", "--embedding=4",
               "--epochs=1", "--model=bilstm", "--noexport", "--tune_minutes=60", "--filters=0",
               "--learning_rate=0.003", "--batch_size=64", "--ensemble=1"]
    environment = {**os.environ, "COLUMNS": "80"}
    record = tmp_path / "killed" / "tuning.jsonl"
    child = subprocess.Popen([*command, f"--output_dir={record.parent}"], cwd=ROOT, env=environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not record.exists() or len(record.read_text().splitlines()) < 4:
        assert child.poll() is None
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = record.read_text()
    for folder in ("killed", "whole"):
        subprocess.run([*command, f"--output_dir={tmp_path / folder}"], cwd=ROOT, env=environment,
                       check=True, stdout=subprocess.DEVNULL)
    assert record.read_text().startswith(before)
    killed, whole = ([{**json.loads(line), "seconds": 0} for line in
                      (tmp_path / folder / "tuning.jsonl").read_text().splitlines()]
                     for folder in ("killed", "whole"))
    assert killed == whole
    tests = [json.loads((tmp_path / folder / "metrics.json").read_text())["test"]
             for folder in ("killed", "whole")]
    assert tests[0] == tests[1]
