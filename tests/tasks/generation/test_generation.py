"""The task from the command line: a whole run on text of known entropy, labels, and what can go wrong."""

import csv
import json
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from export import saved_model, tflite
from tasks import cli, pretrained
from tasks.generation import prediction
from tasks.generation.dataset import LabelledTexts
from tasks.generation.options import Settings
from tasks.generation.prediction import searched
from tasks.generation.task import Generation, main
from tasks.reading.splits import WHOLE
from tasks.training import loop
from tasks.training.run_directory import Run

SMALL = ("--units=8", "--embedding=8", "--epochs=1", "--batch_size=8", "--window=16",
         "--learning_rate=0.05", "--average=0.9", "--weight_drop=0", "--output_dropout=0",
         "--embedding_dropout=0")
LINES = 4000


def here(*arguments):
    """Run the task in this process. Raises SystemExit where the command would fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "deterministic", keras.utils.set_random_seed)
        settings = cli.parse(Settings, ["generation", *map(str, arguments)])
        cli.guarded(lambda: main(settings))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run on lines that are "ab" or "cd", each as likely as the other."""
    folder = tmp_path_factory.mktemp("generation")
    chosen = np.random.default_rng(0).choice(["ab\n", "cd\n"], LINES)
    (folder / "lines.txt").write_text("".join(chosen))
    here(f"--corpus={folder}/lines.txt", *SMALL, "--noexport", f"--output_dir={folder}/run")
    return folder / "run"


@pytest.fixture(scope="module")
def metrics(finished):
    return json.loads((finished / "metrics.json").read_text())


@pytest.fixture(scope="module")
def exported(finished):
    """The run once more, with all its files, and its metrics."""
    folder = finished.with_name("exported")
    here(f"--corpus={finished.parent}/lines.txt", *SMALL, f"--output_dir={folder}")
    return folder, json.loads((folder / "metrics.json").read_text())


@pytest.mark.slow
def test_a_run_leaves_everything_the_contract_names(exported):
    finished, metrics = exported
    for name in ("history.csv", "checkpoints/latest.npz", "model.keras", "MODEL_CARD.md",
                 "plots/learning_curves.png", "plots/surprise.html", "saved_model/1",
                 "tflite/model_float32.tflite", "tflite/vocabulary.txt"):
        assert (finished / name).exists(), name
    assert {"task", "corpus", "model", "seed", "parameters", "train", "validation", "test",
            "exports"} <= set(metrics)


def test_the_loss_comes_down_to_the_entropy_and_not_below(metrics):
    """A line of three characters is one fair choice: ln 2 / 3 nats each, give or take some chance."""
    entropy = math.log(2) / 3
    for split in ("validation", "test"):
        assert 0.98 * entropy < metrics[split]["nats_per_token"] < 1.15 * entropy
        assert metrics[split]["bits_per_character"] == pytest.approx(
            metrics[split]["nats_per_token"] / math.log(2))
    (name, counted), = metrics["baselines"].items()
    assert re.fullmatch("Kneser-Ney [567]-grams", name)
    assert counted["nats_per_token"] == pytest.approx(entropy, rel=0.1)


@pytest.mark.slow
def test_every_file_scores_as_keras_does(exported, capsys):
    finished, metrics = exported
    exports = metrics["exports"]
    for entry in (exports["saved_model"], exports["tflite"]["float32"]):
        assert entry["test"] == pytest.approx(metrics["test"], rel=1e-4)
    path = finished / "tflite/model_float32.tflite"
    assert not any(name.startswith("custom") for name in tflite.op_names(path))
    here(f"--corpus={finished.parent}/lines.txt", *SMALL, f"--output_dir={finished}")
    assert "TFLite float32" in capsys.readouterr().out


def test_the_page_shows_the_test_split_and_its_surprise(finished):
    spans = re.findall('title="(.*?) bits">(.)', (finished / "plots/surprise.html").read_text())
    said = "".join(sign for _, sign in spans).replace("↵", "\n")
    assert said in (finished.parent / "lines.txt").read_text() and len(said) > 500
    bits = np.array([float(number) for number, _ in spans])
    assert np.abs(bits[[sign in "ac" for _, sign in spans]] - 1).mean() < 0.3
    assert bits[[sign in "bd" for _, sign in spans]].mean() < 0.2


def test_predict_goes_on_with_a_text(finished, capsys):
    asked = f"--output_dir={finished}", "--temperature=0", "--length=2"
    for prompt, whole in (("cd\na", "cd\nab\n"), ("ab\nc", "ab\ncd\n")):
        here(*asked, "--predict", prompt)
        assert capsys.readouterr().out == whole + "\n"


def test_the_seed_decides_what_is_written(finished, capsys):
    def written(seed):
        here(f"--output_dir={finished}", f"--seed={seed}", "--length=60", "--predict", "ab\n")
        return capsys.readouterr().out
    first = written(1)
    assert first == written(1) != written(2)
    assert set(re.findall("..", first.replace("\n", ""))) == {"ab", "cd"}


@pytest.mark.slow
def test_the_saved_model_scores_a_text(exported):
    score = saved_model.load(exported[0] / "saved_model")["score"]
    answer = score(text=tf.constant(["ab\ncd\nab\n", "ab\n", "ab\na", "ab\nad"]))
    assert answer["symbols"].numpy().tolist() == [9, 3, 4, 5]
    longest, line, letter, wrong = answer["log_probability"].numpy()
    assert longest - line == pytest.approx(-2 * math.log(2), abs=0.5)
    assert letter - line == pytest.approx(-math.log(2), abs=0.3)
    assert wrong - letter < -2


def test_a_finished_run_is_shown_again_and_evaluated_again(finished, metrics, capsys):
    again = f"--corpus={finished.parent}/lines.txt", f"--output_dir={finished}"
    here(*again, *SMALL)
    out = capsys.readouterr().out
    assert "finished" in out and "Kneser-Ney" in out
    here(f"--output_dir={finished}", "--mode=evaluate")
    assert f"perplexity                   {metrics['test']['perplexity']:.4f}" in capsys.readouterr().out
    here(f"--output_dir={finished}", "--mode=evaluate", "--part=validation")
    wanted = metrics["validation"]["perplexity"]
    assert f"perplexity                   {wanted:.4f}" in capsys.readouterr().out


def evaluated(capsys, folder, *arguments):
    """nats a symbol, as --mode=evaluate prints them."""
    capsys.readouterr()
    here(f"--output_dir={folder}", "--mode=evaluate", *arguments)
    return float(re.search(r"nats_per_token +([\d.]+)", capsys.readouterr().out)[1])


def test_evaluation_adapts_to_the_text_where_inputs_of(finished, metrics, capsys):
    (finished.parent / "other.txt").write_text("cb\n" * 3000)
    other = f"--corpus={finished.parent}/other.txt"
    static = evaluated(capsys, finished, other)
    still = evaluated(capsys, finished, other, "--dynamic", "--dynamic_rate=0")
    assert still == pytest.approx(static, abs=2e-4)
    assert evaluated(capsys, finished, other, "--dynamic") < 0.9 * static


# Texts with labels -------------------------------------------------------------------------

@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """(head, {split: its data}, corpus, folder) of a run on a table with labels, not exported."""
    folder, kept = tmp_path_factory.mktemp("labelled"), []
    rng = np.random.default_rng(1)
    with open(folder / "words.tsv", "w", newline="") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(["word", "kind"])
        table.writerows(["".join(rng.choice(list(letters), 6)), kind]
                        for _ in range(400) for kind, letters in (("low", "abcd"), ("high", "wxyz")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generation, "finish", lambda self, run, head, corpus, data, result: kept.extend(
            (head, data, corpus, run.folder)))
        here(f"--corpus={folder}/words.tsv", "--text_column=word", "--label_column=kind", *SMALL,
             "--epochs=2", f"--output_dir={folder}/run")
    return kept


def test_a_table_gives_texts_that_follow_from_labels(labelled):
    head, data, corpus, folder = labelled
    assert isinstance(data["train"], LabelledTexts) and sorted(head.labels) == ["high", "low"]
    assert zoo.load(folder).labels == head.labels == corpus.labels
    wrong, right = (likelihood(head, "low", text) for text in ("wxyzxw", "abdcab"))
    assert right > wrong + 5


@pytest.mark.parametrize("name, text, message", [
    ("new.tsv", "word\tkind\n" + "".join(f"ab{n}\tmiddle\n" for n in range(60)),
     "a label the model does not know, 'middle'"),
    ("new.txt", "to be or not\n" * 200, "expected texts with labels, as the model was trained on")])
def test_what_the_model_cannot_score_is_refused(labelled, tmp_path, name, text, message):
    head = labelled[0]
    (tmp_path / name).write_text(text)
    task = Generation(Settings.of(corpus=str(tmp_path / name), **(
        {"text_column": "word", "label_column": "kind"} if name == "new.tsv" else {})))
    with pytest.raises(ValueError, match=message):
        task.datasets(head, task.load_corpus(WHOLE), ["test"])


def likelihood(head, label, text):
    return float(head.score_text(np.array([text]), np.array([label]))["log_probability"][0])


def test_what_is_written_has_its_labels_letters_and_an_end(labelled):
    head = labelled[0]
    labels = np.array(["low", "high"] * 20)
    uniform = np.random.default_rng(0).random([40, 30], np.float32)
    texts = head.generate(np.full(40, ""), uniform, labels, temperature=1.0)["text"].numpy()
    for label, letters in (("low", b"abcd"), ("high", b"wxyz")):
        said = b"".join(texts[labels == label])
        assert np.mean([letter in letters for letter in said]) > 0.9
    assert np.mean([len(text) for text in texts]) < 15


def test_the_likeliest_text_of_a_label_is_searched_and_another_label_refused(labelled):
    low, high = searched(labelled[0], ["low", "high"], width=3, length=20)
    assert set(low["text"]) <= set("abcd") and set(high["text"]) <= set("wxyz")
    with pytest.raises(ValueError, match="expected a label among high, low, received 'middle'"):
        searched(labelled[0], ["middle"], width=3, length=20)


def test_a_search_longer_than_a_file_goes_is_refused():
    settings = pretrained.chosen("generation", Settings.of(
        predict="a", model_from="shakespeare", beam_width=2, length=1025))
    with pytest.raises(ValueError, match="length: expected at most 1,024 with beam_width"):
        prediction.Prediction("generation", settings)


def test_texts_with_labels_are_not_adapted_to(labelled):
    head, data, *_ = labelled
    with pytest.raises(ValueError, match="expected a running text with --dynamic"):
        Generation(Settings(dynamic=True)).scored(head, data["test"])


# What can go wrong -------------------------------------------------------------------------

def short(folder):
    (folder / "short.txt").write_text("to be\n" * 5)
    return f"--corpus={folder}/short.txt", "--epochs=1"


def binary(folder):
    (folder / "binary.txt").write_bytes(b"to be\0or not\n" * 100)
    return f"--corpus={folder}/binary.txt",


def steep(folder):
    (folder / "lines.txt").write_text("to be or not\n" * 200)
    return f"--corpus={folder}/lines.txt", "--units=4", "--cutoffs=5,2000"


def column(folder):
    (folder / "lines.txt").write_text("to be or not\n" * 200)
    return f"--corpus={folder}/lines.txt", "--text_column=word"


@pytest.mark.parametrize("arguments, expected", [
    (lambda _: ["--corpus=nowhere.txt"], "nowhere.txt"),
    (lambda _: ["--predict=hello"], "python -m tasks.generation"),
    (short, "at least 32 symbols to train on"), (binary, "binary.txt"),
    (steep, "cutoffs: expected rising"), (column, "text_column"),
    (lambda _: ["--corpus=sample", "--dynamic"], "--mode=evaluate")])
def test_a_mistake_is_one_clear_line_and_a_failing_exit(tmp_path, capsys, arguments, expected):
    with pytest.raises(SystemExit) as stop:
        here(*arguments(tmp_path), f"--output_dir={tmp_path}/run")
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.count("\n") == 1 and err.startswith("error: "), err
    assert expected in err


@pytest.mark.parametrize("wrong, expected", [
    ("--epochs=many", "epochs"), ("--model=bert", "char_rnn"), ("--cutoffs=2000,many", "whole number"),
    ("--temperature=-1", "temperature"), ("--temperature=", "at least one"),
    ("--top_p=2", "top_p"), ("--weight_drop=1", "below 1"),
    ("--level=syllable", "character"), ("--windows=3", "windows")])
def test_a_wrong_flag_is_one_clear_line(capsys, wrong, expected):
    with pytest.raises(SystemExit) as stop:
        cli.parse(Settings, ["generation", wrong])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.count("\n") == 1 and expected in err, err


def test_another_setting_in_a_used_folder_is_refused(tmp_path, capsys):
    Run.open(tmp_path / "run", "generation", {"units": 3})
    (tmp_path / "lines.txt").write_text("to be or not\n" * 200)
    with pytest.raises(SystemExit):
        here(f"--corpus={tmp_path}/lines.txt", *SMALL, f"--output_dir={tmp_path}/run")
    assert "--overwrite" in capsys.readouterr().err
