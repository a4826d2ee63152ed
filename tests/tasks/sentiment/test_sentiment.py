"""The task from the command line, on the built-in sample: one whole run, and what can go wrong."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import ROOT, exports_here, quick_exports
from export import saved_model, tflite
from tasks import cli, exporting, sentiment
from tasks.recipes import CLASSIFICATION
from tasks.reporting import comparison, tables
from tasks.sentiment import task
from tasks.reading.corpus import Corpus
from tasks.reading.splits import Example
from tasks.sentiment.corpora import load
from tasks.sentiment.options import Settings
from tasks.training import loop
from zoo.models.classifier import Classifier
from zoo.models.configurations import CLASSIFIERS

SHORT = ("--corpus=sample", "--epochs=1", "--units=8", "--embedding=8")


def start(*arguments):
    """The task in a child process, where no NLTK corpus can be had."""
    environment = {**os.environ, "NLTK_DATA": "/nowhere", "COLUMNS": "80"}
    return subprocess.Popen([sys.executable, "-m", "tasks.sentiment", *map(str, arguments)],
                            cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*arguments, stdin=None):
    """(exit code, standard output, standard error) of the task."""
    child = start(*arguments)
    out, err = child.communicate(stdin, timeout=1800)
    return child.returncode, out, err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a whole run with the default settings, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "sentiment"
    code, out, err = run("--corpus=sample", f"--output_dir={folder}")
    assert code == 0, err
    return folder, out, err


@pytest.fixture(scope="module")
def metrics(finished):
    return json.loads((finished[0] / "metrics.json").read_text())


@pytest.mark.slow
def test_word_order_is_learnt_where_a_bag_of_words_fails(metrics):
    assert metrics["test"]["accuracy"] >= 0.95
    assert metrics["baselines"]["naive Bayes (NLTK)"]["accuracy"] <= 0.80


@pytest.mark.slow
def test_a_run_leaves_everything_the_contract_names(finished, metrics):
    folder = finished[0]
    for name in ("history.csv", "checkpoints/latest.npz", "model.keras", "MODEL_CARD.md",
                 "plots/learning_curves.png", "plots/confusion_matrix.png", "saved_model/1",
                 "tflite/model_float32.tflite", "tflite/vocabulary.txt", "tflite/labels.txt"):
        assert (folder / name).exists(), name
    assert {"task", "corpus", "model", "seed", "parameters", "train", "validation", "test",
            "exports"} <= set(metrics)
    with open(folder / "history.csv") as file:
        assert len(list(csv.DictReader(file))) == metrics["train"]["epochs"]


@pytest.mark.slow
def test_nothing_but_results_reaches_the_terminal(finished):
    assert finished[2] == ""
    assert "next: python -m tasks.sentiment" in finished[1]


@pytest.mark.slow
def test_every_exported_file_is_measured_on_the_test_split(metrics):
    for variant in ("float32", "float16", "int8"):
        entry = metrics["exports"]["tflite"][variant]
        assert entry["test"]["accuracy"] >= metrics["test"]["accuracy"] - 0.005
        assert entry["milliseconds"] > 0 and entry["bytes"] > 0
    assert metrics["exports"]["saved_model"]["test"]["accuracy"] == metrics["test"]["accuracy"]


@pytest.mark.slow
def test_tflite_equals_keras_and_holds_builtin_ops_only(finished):
    head, path = zoo.load(finished[0]), finished[0] / "tflite/model_float32.tflite"
    lite = tflite.Lite(path)
    texts = [example.text for example in load("sample").test]
    for size in (1, 7, 64):
        ids = head.text.dense(texts[:size])
        difference = lite(ids=ids)["probabilities"] - head.predict_ids(ids)["probabilities"].numpy()
        assert np.abs(difference).max() <= 1e-5
    assert not any(name.startswith("custom") for name in tflite.op_names(path))


@pytest.mark.slow
def test_the_head_the_saved_model_and_predict_give_one_answer(finished):
    text = "The plot was dull, but I loved it."
    served = saved_model.load(finished[0] / "saved_model")["serving_default"](
        text=tf.constant([text]))
    answer = zoo.load(finished[0]).predict([text])[0]
    assert served["label"].numpy()[0].decode() == answer["label"] == "positive"
    code, out, _ = run(f"--output_dir={finished[0]}", "--predict", text)
    assert code == 0 and out.startswith("positive") and text in out


@pytest.mark.slow
def test_predict_reads_lines_from_standard_input(finished):
    code, out, _ = run(f"--output_dir={finished[0]}", "--predict=-",
                       stdin="not bad at all\n\nnot good at all\n")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3
    assert lines[0].startswith("positive") and lines[2].startswith("negative")


@pytest.mark.slow
def test_a_finished_run_is_shown_again_and_not_trained(finished):
    code, out, _ = run("--corpus=sample", f"--output_dir={finished[0]}")
    assert code == 0 and "finished" in out and "TFLite int8" in out and "epoch 1" not in out


@pytest.mark.slow
def test_other_settings_in_a_used_folder_are_an_error(finished):
    code, _, err = run("--corpus=sample", "--units=7", f"--output_dir={finished[0]}")
    assert code == 2 and "--units" in err and "--overwrite" in err and err.count("\n") == 1


@pytest.mark.slow
def test_evaluate_scores_the_trained_model_on_a_users_file(finished, tmp_path):
    rows = [("positive", "The soup was not bad at all."), ("negative", "The plot was hardly good.")]
    path = tmp_path / "mine.tsv"
    path.write_text("label\ttext\n" + "".join(
        f"{label}\t{text} ({n})\n" for n in range(20) for label, text in rows))
    code, out, err = run(f"--output_dir={finished[0]}", "--mode=evaluate", f"--corpus={path}")
    assert code == 0 and "accuracy" in out, err


@pytest.mark.slow
def test_a_kill_during_export_leaves_no_version_and_the_next_run_ends_with_the_same_weights(tmp_path):
    folder, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    child = start(*SHORT, f"--output_dir={folder}")
    while not list(folder.glob("saved_model/.unfinished*")):
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not list(folder.glob("saved_model/[0-9]*"))
    assert run(*SHORT, f"--output_dir={folder}")[0] == 0
    assert run(*SHORT, "--noexport", f"--output_dir={unbroken}")[0] == 0
    ours, theirs = (keras.saving.load_model(path / "model.keras").get_weights()
                    for path in (folder, unbroken))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert [path.name for path in (folder / "saved_model").iterdir() if path.is_dir()] == ["1"]


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    """{name: (exit code, standard error)} of commands that cannot work, run side by side."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "empty.tsv").touch()
    (folder / "other").mkdir()
    (folder / "other/settings.json").write_text(
        '{"task": "tagging", "settings": {}, "environment": {}}')
    (folder / "precious").mkdir()
    (folder / "precious/letter.txt").write_text("do not lose me")
    commands = {
        "missing file": ["--corpus=nowhere.tsv"],
        "unknown corpus": ["--corpus=sentence_polarty"],
        "empty file": [f"--corpus={folder}/empty.tsv"],
        "wrong value": ["--epochs=many"],
        "unknown model": ["--model=bert"],
        "unknown pooling": [*SHORT, "--pooling=first"],
        "unknown engine": [*SHORT, "--engine=steam"],
        "another task's run": [*SHORT, f"--output_dir={folder}/other"],
        "no run": [*SHORT, f"--output_dir={folder}/precious", "--overwrite"],
        "nothing trained": ["--predict=hello", f"--output_dir={folder}/none"],
        "unwritable": [*SHORT, "--output_dir=/proc/runs"],
    }
    children = {name: start(*arguments, *([] if any("output_dir" in a for a in arguments) else
                                          [f"--output_dir={folder}/new"]))
                for name, arguments in commands.items()}
    ended = {name: (child.communicate(timeout=1800)[1], child.returncode)
             for name, child in children.items()}
    assert (folder / "precious/letter.txt").read_text() == "do not lose me"
    return ended


@pytest.mark.slow
@pytest.mark.parametrize("name, expected", [
    ("missing file", "nowhere.tsv"), ("unknown corpus", "sentence_polarity"),
    ("empty file", "empty.tsv"), ("wrong value", "epochs"), ("unknown model", "bilstm"),
    ("unknown pooling", "attention"), ("unknown engine", "auto"),
    ("another task's run", "tasks.tagging"), ("no run", "nothing was removed"),
    ("nothing trained", "python -m tasks.sentiment"), ("unwritable", "/proc/runs")])
def test_a_mistake_is_one_clear_line_and_a_failing_exit(mistakes, name, expected):
    err, code = mistakes[name]
    assert code != 0 and err.count("\n") == 1 and err.startswith("error: "), err
    assert expected in err and "Traceback" not in err


# Small corpora of one's own, in this process -------------------------------------------------

TINY = ("--units=8", "--embedding=8")
BILSTM = (*TINY, "--model=bilstm", "--epochs=4", "--batch_size=16", "--learning_rate=0.02", "--fold=1",
          "--max_length=50")
WORDS = {"fine": ["fine", "warm", "clever"], "poor": ["poor", "cold", "stupid"]}


def here(*arguments):
    """Run the task in this process. Raises SystemExit where the command would fail."""
    settings = cli.parse(Settings, ["sentiment", *map(str, arguments)])
    cli.guarded(lambda: task.main(settings))


def reviews(rng, label, cell):
    """A row of a CSV file: one telling word among others."""
    words = [*rng.choice(["the", "film", "story", "was", "very", "a", "man", "dog"], 6),
             rng.choice(WORDS[label])]
    return f"{' '.join(rng.permutation(words))} {rng.integers(1000)},{cell}\n"


def write_reviews(path, cells):
    """200 rows; `cells` gives what stands in the label's cell of a fine and of a poor review."""
    rng = np.random.default_rng(5)
    rows = [reviews(rng, label, cell) for label, cell in cells.items() for _ in range(100)]
    path.write_text("words,verdict\n" + "".join(rows))
    return path


def columns(corpus):
    return f"--corpus={corpus}", "--text_column=words", "--label_column=verdict"


@pytest.fixture
def plain_numbers(monkeypatch):
    """Determinism is for good; the other tests of this process have not asked for it."""
    monkeypatch.setattr(loop, "deterministic", keras.utils.set_random_seed)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A corpus of one's own in a folder, and a small run on it."""
    folder = tmp_path_factory.mktemp("own")
    corpus = write_reviews(folder / "reviews.csv", {"fine": "yes|well", "poor": "no"})
    with pytest.MonkeyPatch.context() as patch, quick_exports():
        patch.setattr(loop, "deterministic", keras.utils.set_random_seed)
        here(*columns(corpus), *BILSTM, f"--output_dir={folder}/run")
    return corpus, folder / "run"


def test_the_saved_head_answers_as_its_saved_model(own):
    head = zoo.load(own[1])
    texts = ["the film was warm", "the man a stupid dog", "story", ""]
    serve = saved_model.load(own[1] / "saved_model")["serving_default"]
    served = serve(text=tf.constant(texts))["probabilities"]
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in head.predict(texts)],
                               served, atol=1e-5)
    assert np.ptp(served[:, 0]) > 0.01


@pytest.mark.parametrize("named", [None, str, os.path.relpath, lambda path: f"~/{path.name}"])
def test_evaluating_takes_corpus_columns_and_fold_from_the_run(own, capsys, monkeypatch, named):
    monkeypatch.setenv("HOME", str(own[0].parent))
    stored = json.loads((own[1] / "metrics.json").read_text())
    here("--mode=evaluate", *[f"--corpus={named(own[0])}"] if named else [], f"--output_dir={own[1]}")
    out = capsys.readouterr().out
    for name, value in stored["test"].items():
        assert f"{name:28} {value:.4f}" in out


@pytest.mark.parametrize("arguments, message", [
    (lambda own: ["--output=-"], "output: expected a file with --mode=evaluate, received -"),
    (lambda own: ["--fold=2"], "fold: expected that of the training, 1, received 2"),
    (lambda own: [f"--corpus={own}", "--fold=2"], "fold: expected that of the training"),
    (lambda own: [f"--corpus={own}.csv", "--fold=1"], "fold: expected the corpus of the training"),
    (lambda own: [f"--corpus={own}.csv", "--split=validation"], "split: expected the corpus of the")])
def test_evaluating_refuses_what_the_model_has_seen_and_parts_of_another_file(
        own, capsys, arguments, message):
    shutil.copy(own[0], f"{own[0]}.csv")
    with pytest.raises(SystemExit):
        here("--mode=evaluate", *arguments(own[0]), f"--output_dir={own[1]}")
    assert f"error: {message}" in capsys.readouterr().err


def test_evaluating_a_corpus_that_has_changed_says_so(own, capsys):
    before = own[0].read_text()
    own[0].write_text(before + "a new one,no\n" * 20)
    try:
        here("--mode=evaluate", f"--output_dir={own[1]}")
    finally:
        own[0].write_text(before)
    assert "the corpus is not as it was in training" in capsys.readouterr().out


def test_evaluating_scores_all_of_another_file(own, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_reviews(tmp_path / "other.csv", {"fine": "yes|well", "poor": "no"})
    here("--mode=evaluate", *columns("~/other.csv"), f"--output={tmp_path}/report.json",
         f"--output_dir={own[1]}")
    report = json.loads((tmp_path / "report.json").read_text())
    assert sum(map(sum, report["confusion_matrix"]["counts"])) == 200


@pytest.mark.slow
def test_exporting_again_measures_the_new_version_and_describes_it(own):
    path = own[1] / "metrics.json"
    before = json.loads(path.read_text())
    with exports_here(("float32", "int8")):
        here("--mode=export", "--force", f"--output_dir={own[1]}")
    after = json.loads(path.read_text())
    assert after["exports"]["saved_model"]["version"] == \
        before["exports"]["saved_model"]["version"] + 1
    assert {**after, "exports": 0} == {**before, "exports": 0}
    assert after["exports"]["saved_model"]["test"] == pytest.approx(
        before["exports"]["saved_model"]["test"])
    card = (own[1] / "MODEL_CARD.md").read_text()
    assert before["command"] in card and "first 50 tokens" in card
    assert f"{after['exports']['tflite']['int8']['milliseconds']:.4g}" in card


def test_a_finished_run_is_shown_again_whether_or_not_it_is_forced(own, capsys):
    here(*columns(own[0]), *BILSTM, "--force", f"--output_dir={own[1]}")
    assert "finished" in capsys.readouterr().out


def test_a_name_with_a_bar_is_answered(own, capsys):
    here("--predict", "warm clever fine film", f"--output_dir={own[1]}")
    assert capsys.readouterr().out.startswith("yes|well  ")


@pytest.mark.parametrize("mode", ["train", "export"])
def test_a_changed_corpus_is_refused(own, tmp_path, capsys, mode):
    whole = own[0].read_text()
    own[0].write_text(whole.replace(",no", ",nay", 1))
    arguments = [*columns(own[0]), *BILSTM]
    try:
        with pytest.raises(SystemExit):
            here(*(arguments if mode == "train" else ["--mode=export"]), f"--output_dir={own[1]}")
    finally:
        own[0].write_text(whole)
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and "the corpus changed" in err


def test_labels_the_model_does_not_know_are_one_line(own, tmp_path, capsys):
    other = write_reviews(tmp_path / "other.csv", {"fine": "yes|well", "poor": "awful"})
    with pytest.raises(SystemExit):
        here("--mode=evaluate", *columns(other), f"--output_dir={own[1]}")
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "'awful'" in err and "'yes|well'" in err


def test_predicting_from_an_unfinished_run_says_what_to_run(own, tmp_path, capsys):
    (tmp_path / "settings.json").write_text((own[1] / "settings.json").read_text())
    with pytest.raises(SystemExit):
        here("--predict=hello", f"--output_dir={tmp_path}")
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "python -m tasks.sentiment" in err and "finished" in err


@pytest.mark.parametrize("rate", ["word_dropout", "output_dropout", "label_smoothing", "average"])
def test_a_rate_of_one_is_refused(rate):
    with pytest.raises(ValueError, match=f"{rate}: expected a number from 0 to below 1, received 1"):
        Settings.of(**{rate: 1})


@pytest.fixture
def no_files(monkeypatch):
    """Exports are tested elsewhere, and take seconds."""
    entry = {"test": {}, "bytes": 0, "milliseconds": 0.0}
    monkeypatch.setattr(exporting, "export", lambda *arguments: {
        "saved_model": entry, "tflite": {}})
    monkeypatch.setattr(saved_model, "describe", lambda folder: {})


def test_a_run_starts_from_another(own, tmp_path, plain_numbers, no_files):
    here(*columns(own[0]), *TINY, "--model=bilstm", "--epochs=1", f"--init_from={own[1]}",
         f"--output_dir={tmp_path}")
    assert (tmp_path / "metrics.json").exists()


LINEAR = ("--model=linear", "--ngrams=1024", "--epochs=1")


@pytest.mark.slow
def test_a_run_without_exports_is_exported_later(own, tmp_path, plain_numbers, capsys):
    here(*columns(own[0]), *LINEAR, "--noexport", f"--output_dir={tmp_path}")
    out = capsys.readouterr().out
    assert "exporting" not in out and "TFLite" not in out and "SavedModel" not in out
    assert out.endswith(f"next: python -m tasks.sentiment --output_dir={tmp_path} --mode=export\n")
    assert not (tmp_path / "saved_model").exists() and not (tmp_path / "tflite").exists()
    assert "## Signatures" not in (tmp_path / "MODEL_CARD.md").read_text()
    here("--predict=warm", f"--output_dir={tmp_path}")
    assert "warm" in capsys.readouterr().out
    facts = json.loads((tmp_path / "metrics.json").read_text())
    assert comparison.row_of(tmp_path)["test"] == facts["test"]["accuracy"]
    assert [*tables.rows(facts)] == [*facts["baselines"], facts["model"]]
    here(*columns(own[0]), *LINEAR, f"--output_dir={tmp_path}")
    assert "finished" in capsys.readouterr().out        # an export is no setting that shapes the result
    with quick_exports():
        here("--mode=export", f"--output_dir={tmp_path}")
    assert "exporting …\n  saved_model  " in capsys.readouterr().out
    after = json.loads((tmp_path / "metrics.json").read_text())
    assert after["exports"]["saved_model"]["test"] == pytest.approx(facts["test"])
    assert {**after, "exports": 0} == {**facts, "exports": 0}
    assert "## Signatures" in (tmp_path / "MODEL_CARD.md").read_text()


def test_a_corpus_that_is_called_as_a_kind_of_recipe_is_of_its_own_kind():
    corpus = Corpus("regression", [Example("x", "a"), Example("y", "b")] * 3000, [], [], "", ["a", "b"])
    assert task.Sentiment(Settings()).recipe(corpus)["model"] == "nb_linear_bilstm"


AUTO = (*TINY, "--ensemble=1", "--ngrams=4096", "--vectors=none", "--model=auto", "--epochs=1",
        "--noexport")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["linear", "nb_linear_bilstm"])
def test_the_model_that_validates_better_is_taken_and_kept(own, tmp_path, plain_numbers, capsys,
                                                           monkeypatch, model):
    if model != "linear":       # a linear model that predicts one label
        monkeypatch.setattr(task.Sentiment, "n_grams_alone", lambda self, head, training: Classifier(
            len(head.text), 2, **CLASSIFIERS["linear"]))
    command = [*columns(own[0]), *AUTO, f"--output_dir={tmp_path}"]
    here(*command)
    out, facts = capsys.readouterr().out, json.loads((tmp_path / "metrics.json").read_text())
    assert f"model auto takes {model}: accuracy on the validation split linear " in out
    assert facts["model"] == model and "--model=auto" in facts["command"]
    assert json.loads((tmp_path / "settings.json").read_text())["settings"]["model"] == "auto"
    head = zoo.load(tmp_path)
    assert bool(head.network.recurrent) == (model != "linear")
    for name in ("metrics.json", "model.keras"):    # as if it had been killed at the end
        (tmp_path / name).unlink()
    here("--mode=evaluate", f"--output_dir={tmp_path}")
    assert f"{'accuracy':28} {facts['test']['accuracy']:.4f}" in capsys.readouterr().out
    here(*command)
    again = zoo.load(tmp_path)
    for one, other in zip(head.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.temperature == head.temperature
    with quick_exports():
        here("--mode=export", f"--output_dir={tmp_path}")
    after = json.loads((tmp_path / "metrics.json").read_text())
    assert after["exports"]["saved_model"]["test"] == pytest.approx(facts["test"])


@pytest.mark.slow
@pytest.mark.parametrize("kind, labels, options", [
    ("several labels", [("warm", "film"), ("film",), ()], {"multi_label": True}),
    pytest.param("regression", [1.0, 2.0, 4.0], {"regression": True}, marks=pytest.mark.slow)])
def test_a_recipe_without_n_grams_is_compared_with_them_too(kind, labels, options, capsys, plain_numbers,
                                                            monkeypatch):
    monkeypatch.setitem(CLASSIFICATION, kind, {**CLASSIFICATION[kind], "model": "bilstm"})
    texts = [f"{word} {n}" for n in range(30) for word in ("warm film", "film", "dull")]
    head = sentiment.fit(texts, labels * 30, model="auto", vectors="none", units=4, embedding=4, epochs=1,
                         **options)
    assert "model auto takes linear: " in capsys.readouterr().out
    assert not head.network.recurrent
    found = [head.predict([text])[0] for text in ("warm film 40", "film 50")]
    if "regression" in options:
        assert [row["values"]["value"] for row in found] == pytest.approx([1.0, 2.0], abs=0.5)
    else:
        assert [row["chosen"] for row in found] == [["film", "warm"], ["film"]]


def test_a_run_that_a_baseline_beats_names_what_may_do_better(own, tmp_path, capsys, plain_numbers):
    here(*columns(own[0]), *TINY, "--model=rnn", "--epochs=1", "--learning_rate=1e-9", "--noexport",
         f"--output_dir={tmp_path}/run")
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert lines[0].startswith("The baseline ") and "on the validation split" in lines[0]
    assert lines[1] == (f"try: python -m tasks.sentiment --corpus={own[0]} --text_column=words "
                        "--label_column=verdict --model=auto --units=8 --embedding=8 "
                        f"--output_dir={tmp_path}/run_auto --epochs=1 --learning_rate=1e-09 --noexport")
    assert lines[3].startswith("next: ")
    assert lines[0] in (tmp_path / "run/MODEL_CARD.md").read_text()


@pytest.mark.slow
def test_numbers_of_any_unit_are_learnt(tmp_path, plain_numbers, no_files):
    corpus = write_reviews(tmp_path / "numbers.csv", {"fine": 2000, "poor": 1000})
    here(*columns(corpus), "--regression", *TINY, "--model=bilstm", "--epochs=8", "--batch_size=16",
         "--learning_rate=0.02", f"--output_dir={tmp_path}/run")
    facts = json.loads((tmp_path / "run/metrics.json").read_text())
    assert facts["test"]["mean_squared_error"] < facts["baselines"]["mean"]["mean_squared_error"] / 2
    head = zoo.load(tmp_path / "run")
    assert 1300 < head.mean < 1700 and 400 < head.deviation < 600
    assert head.predict(["warm clever fine"])[0]["values"]["value"] > 1500


@pytest.mark.parametrize("labels, texts, length, options", [
    (2, 5000, 60, {"multi_label": False, "model": "nb_linear_bilstm", "epochs": 10, "batch_size": 64}),
    (2, 1250, 60, {"multi_label": False, "model": "nb_linear_bilstm", "epochs": 20, "batch_size": 16}),
    (2, 2000, 3000, {"multi_label": False, "window": 50, "max_length": 4096, "epochs": 4}),
    (2, 5000, 60, {"multi_label": True, "model": "linear_bilstm"}),
    (7, 20000, 60, {"multi_label": False, "model": "linear_bilstm", "corrects": False, "epochs": 8})])
def test_the_recipe_follows_from_labels_texts_and_lengths(labels, texts, length, options):
    names = [f"l{n}" for n in range(labels)]
    corpus = Corpus("mine", [Example("x" * length, "l0")] * texts, [], [], "", names,
                    multi_label=options.pop("multi_label"))
    assert options.items() <= task.Sentiment(Settings()).recipe(corpus).items()
