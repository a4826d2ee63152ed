"""Predictions for a person, for the rows of files and for pipes: what is added, and what stays."""

import csv
import io
import json
import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

from conftest import ROOT, exports_here
from export import tflite
from heads import classifier, generator, tagger, translator
from tasks import cli, prediction
from tasks.generation.options import Settings as Generation
from tasks.reporting.predictions import Writer, kind_of
from tasks.sentiment.options import Settings as Sentiment
from tasks.sentiment.prediction import Prediction, line
from tasks.tagging.options import Settings as Tagging
from tasks.training import loop
from tasks.training.run_directory import Run
from tasks.translation.options import Settings as Translation

SETTINGS = {"sentiment": Sentiment, "tagging": Tagging, "generation": Generation,
            "translation": Translation}
TEXTS = ["a good film", "", "BAD film, not good", "Zoë 🙂 good"]


@pytest.fixture(scope="module")
def heads():
    found = {"sentiment": classifier("gru", "mean+max"), "tagging": tagger("bilstm_crf"),
             "generation": generator(), "translation": translator()}
    found["tagging"].network.linear.bias.assign([1.0, 1.0, -3.0])  # so that there are spans
    return found


@pytest.fixture
def predicted(heads, tmp_path, capsys):
    """predicted(task, flag, …) → what is printed, by a head that has no export."""
    def call(task, *flags, **stored):
        folder = tmp_path / task
        if not folder.exists():
            recorded = {**SETTINGS[task]().recorded(), "corpus": "x", "fingerprint": "x", **stored}
            Run.open(folder, task, recorded)
        settings = cli.parse(SETTINGS[task], [task, f"--output_dir={folder}", *map(str, flags)])
        cli.guarded(lambda: prediction.main(prediction.of(task, settings, lambda run: heads[task])))
        return capsys.readouterr().out
    return call


def refused(capsys, predicted, *arguments, **stored):
    """The one line on standard error of a call that fails, but for the note that there is no export."""
    with pytest.raises(SystemExit) as stop:
        predicted(*arguments, **stored)
    error = re.sub("^note: .* has no export: .*\n", "", capsys.readouterr().err)
    assert stop.value.code == 2 and error.count("\n") == 1, error
    return error


def piped(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(text.encode())))


def rows_of(path, delimiter=","):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def written(path, delimiter=","):
    """A table of an id, a text and a number, which need quotes."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=delimiter)
        rows.writerow(["Nr", "Text", "Price, EUR"])
        rows.writerows([f"00{n}", text, "3,50"] for n, text in enumerate(TEXTS))
    return path


# ------------------------------------------------------------------------------------ classification

@pytest.mark.parametrize("ending, delimiter", [("csv", ","), ("tsv", "\t")])
def test_a_table_keeps_its_columns_and_gets_label_confidence_and_probabilities(
        predicted, heads, tmp_path, ending, delimiter):
    source, target = written(tmp_path / f"new.{ending}", delimiter), tmp_path / f"out.{ending}"
    assert predicted("sentiment", f"--input={source}", f"--output={target}") == ""
    before, (header, *rows) = rows_of(source, delimiter), rows_of(target, delimiter)
    assert header == [*before[0], "label", "confidence", "probability_bad", "probability_good"]
    assert [row[:3] for row in rows] == before[1:]
    for row, wanted in zip(rows, heads["sentiment"].predict(TEXTS), strict=True):
        p = wanted["probabilities"]
        assert row[3] == wanted["label"] == max(p, key=p.get)
        assert list(map(float, row[4:])) == pytest.approx([max(p.values()), *p.values()], abs=1e-5)


def test_objects_stay_as_they_are_and_get_theirs(predicted, heads, tmp_path):
    source = [{"id": 7, "text": text, "meta": {"tags": ["x", None], "n": 1.5}} for text in TEXTS]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in source))
    out = predicted("sentiment", f"--input={tmp_path}/new.jsonl")
    rows = list(map(json.loads, out.splitlines()))
    assert [{name: row[name] for name in source[0]} for row in rows] == source
    assert list(rows[0])[3:] == ["label", "confidence", "probabilities"]
    for row, wanted in zip(rows, heads["sentiment"].predict(TEXTS), strict=True):
        assert row["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)


@pytest.mark.parametrize("piping", [False, True])
def test_objects_become_rows_of_a_table_with_all_that_they_hold(predicted, tmp_path, monkeypatch, piping):
    source = [{"id": 7, "meta": {"text": text, "tags": ["x", {"y": 1}]}, "ok": True} for text in TEXTS]
    if piping:      # there is one text at the first level
        source = [{"text": row["meta"].pop("text"), **row} for row in source]
    lines = "".join(json.dumps(row) + "\n" for row in source)
    (tmp_path / "new.jsonl").write_text(lines)
    piped(monkeypatch, lines)
    predicted("sentiment", "--input=-" if piping else f"--input={tmp_path}/new.jsonl",
              f"--output={tmp_path}/out.csv")
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == TEXTS
    assert {(row["id"], row["ok"]) for row in rows} == {("7", "true")}
    tags = json.loads(rows[0]["meta"])["tags"] if piping else json.loads(rows[0]["tags"])
    assert tags == ["x", {"y": 1}]


def test_a_text_file_and_a_pipe_have_a_text_a_line(predicted, tmp_path, monkeypatch):
    (tmp_path / "new.txt").write_text("a good film, bad; film\n\nfilm\n")
    from_file = predicted("sentiment", f"--input={tmp_path}/new.txt")
    piped(monkeypatch, "a good film, bad; film\r\n\nfilm")
    assert predicted("sentiment", "--input=-") == from_file
    assert [json.loads(row)["text"] for row in from_file.splitlines()] == [
        "a good film, bad; film", "", "film"]


def test_the_column_is_the_one_of_the_training_or_of_the_flag(predicted, tmp_path, capsys):
    path = tmp_path / "new.csv"
    path.write_text("text,body\na film,good good\na film,bad bad\n")

    def labels(*flags):
        out = predicted("sentiment", f"--input={path}", *flags, text_column="body")
        return [row["confidence"] for row in csv.DictReader(io.StringIO(out))]
    assert labels() == labels("--text_column=2") != labels("--text_column=text")
    assert labels("--text_column=text")[0] == labels("--text_column=text")[1]
    path.write_text("text,other\na film,good good\n")
    error = refused(capsys, predicted, "sentiment", f"--input={path}")
    assert "no column 'body'" in error and "text_column" in error


def test_a_table_that_leaves_the_column_open_names_the_flag(predicted, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("uno,due\nan old film\ta,another one\n" * 3)
    error = refused(capsys, predicted, "sentiment", f"--input={tmp_path}/new.csv")
    assert "new.csv: expected a column called 'text'" in error and "set text_column" in error


def test_what_is_predicted_never_replaces_a_column(predicted, monkeypatch, capsys, tmp_path):
    (tmp_path / "new.csv").write_text("label,text\nmine,a film\n")
    out = predicted("sentiment", f"--input={tmp_path}/new.csv", f"--output={tmp_path}/out.csv")
    header, row = rows_of(tmp_path / "out.csv")
    assert out == "" and header[:4] == ["label", "text", "predicted_label", "confidence"]
    assert row[:2] == ["mine", "a film"]
    piped(monkeypatch, '{"text": "a"}\n{"text": "a", "label": "mine"}\n')
    assert "with label, which is added" in refused(capsys, predicted, "sentiment", "--input=-")


def test_columns_without_a_header_are_numbered_in_the_output(predicted, tmp_path):
    (tmp_path / "new.csv").write_text("1,a good film\n2,a bad film\n3,not so bad a film\n")
    out = predicted("sentiment", f"--input={tmp_path}/new.csv", "--text_column=2")
    assert out.startswith("column_1,column_2,label,") and len(out.splitlines()) == 4


class Fixed(Prediction):
    """Without a run: what is added for a prediction of a kind."""

    def __init__(self, kind, **settings):
        self.settings, self.model = Sentiment.of(**settings), types.SimpleNamespace(facts={"kind": kind})


@pytest.mark.parametrize("kind, settings, predicted, row, cells", [
    ("single", {"top_k": 2}, {"label": "b", "probabilities": {"a": .2, "b": .7, "c": .1}},
     {"label": "b", "confidence": .7, "probabilities": {"b": .7, "a": .2}},
     {"label": "b", "confidence": .7, "label_2": "a", "confidence_2": .2}),
    ("multi", {}, {"label": "a|c", "chosen": ["a", "c"],
                   "probabilities": {"a": .6, "b": .1, "c": .9}},
     {"label": ["a", "c"], "confidence": [.6, .9], "probabilities": {"a": .6, "b": .1, "c": .9}},
     {"label": "a|c", "confidence": "0.6|0.9", "probability_a": .6, "probability_b": .1,
      "probability_c": .9}),
    ("multi", {}, {"label": "", "chosen": [], "probabilities": {"a": .25}},
     {"label": [], "confidence": [], "probabilities": {"a": .25}},
     {"label": "", "confidence": "", "probability_a": .25}),
    ("regression", {}, {"values": {"stars": 2.5}}, {"stars": 2.5}, {"stars": 2.5})])
def test_every_kind_of_label_has_its_columns(kind, settings, predicted, row, cells):
    one = Fixed(kind, **settings)
    added = one.added(predicted, "")
    assert added == row and list(added.get("probabilities", {})) == list(row.get("probabilities", {}))
    assert one.flat(added) == cells


def test_the_likeliest_labels_are_printed_for_a_person(predicted, heads):
    p = heads["sentiment"].predict("a good film")[0]["probabilities"]
    best, other = sorted(p, key=p.get, reverse=True)
    out = predicted("sentiment", "--predict=a good film", "--top_k=2")
    assert out == f"{best}  {100 * p[best]:.0f} %, {other}  {100 * p[other]:.0f} %   a good film\n"
    assert line({"values": {"stars": 2.5}}, "a", 2) == "2.500   a"


# -------------------------------------------------------------------------------------- other tasks

def test_spans_have_their_text_and_offsets_in_every_unit(predicted, heads, tmp_path):
    texts = ["Zoe\u0308 🙂 bad film", "👩‍👩‍👧 a good 电影 𠮷 film", ""]
    (tmp_path / "new.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    out = predicted("tagging", f"--input={tmp_path}/new.txt")
    count = 0
    for row, text in zip(map(json.loads, out.splitlines()), texts, strict=True):
        assert row["text"] == text
        for span in row["spans"]:
            wide, count = text.encode("utf-16-le"), count + 1
            assert span["text"] == text[span["start_char"]:span["end_char"]] != ""
            assert span["text"].encode() == text.encode()[span["start_byte"]:span["end_byte"]]
            assert span["text"] == wide[2 * span["start_utf16"]:2 * span["end_utf16"]].decode("utf-16-le")
    assert count > 1


def test_the_best_translations_are_a_list_and_blank_texts_have_none(predicted, heads, tmp_path):
    (tmp_path / "new.tsv").write_text("id\tzh\n1\t我爱中国\n2\t \n", encoding="utf-8")
    flags = f"--input={tmp_path}/new.tsv", "--source_column=zh", "--width=4"
    best = heads["translation"].n_best(["我爱中国"], 4)["translations"][0].numpy()
    best = [text.decode() for text in best]
    one, none = csv.DictReader(io.StringIO(predicted("translation", *flags)), delimiter="\t")
    assert one["translation"] == best[0] and float(one["score"]) < 0
    assert (none["id"], none["translation"], none["score"]) == ("2", "", "")
    out = predicted("translation", *flags, "--n_best=3")
    one = next(csv.DictReader(io.StringIO(out), delimiter="\t"))
    assert [row["translation"] for row in json.loads(one["translations"])] == best[:3]


def test_a_text_goes_on_at_each_temperature(predicted):
    def said(*flags):
        return predicted("generation", "--predict=sing o", "--length=9", *flags)
    cold, warm = said("--temperature=0"), said("--temperature=1.5")
    assert cold != warm and cold.startswith("sing o")
    assert said("--temperature=0,1.5") == f"temperature 0:\n{cold}\ntemperature 1.5:\n{warm}"


def test_what_follows_depends_on_the_number_of_a_line_alone(predicted, monkeypatch):
    flags = "--input=-", "--length=9"
    piped(monkeypatch, "sing\nsing\nthe wrath\n")
    rows = list(map(json.loads, predicted("generation", *flags).splitlines()))
    piped(monkeypatch, "o\nsing\n")
    other = list(map(json.loads, predicted("generation", *flags).splitlines()))
    assert rows[1]["continuation"] == other[1]["continuation"] != rows[0]["continuation"]
    piped(monkeypatch, "sing\n")
    several = json.loads(predicted("generation", *flags, "--temperature=0.8,0"))["continuations"]
    assert several[0] == {"temperature": 0.8, "text": rows[0]["continuation"]} and len(several) == 2


# ------------------------------------------------------------------------------------------ mistakes

def test_the_path_of_a_file_is_no_text(predicted, capsys, tmp_path):
    path = written(tmp_path / "new.csv")
    error = refused(capsys, predicted, "sentiment", f"--predict={path}")
    assert f"the path of a file, {path}" in error and f"--input={path}" in error


@pytest.mark.parametrize("flags, message", [
    (["--predict=a", "--input=-"], "received both"),
    (["--predict=a", "--output=b.csv"], "expected --input"),
    (["--input=nowhere.csv"], "found nothing at nowhere.csv"),
    (["--input=-", "--output=out.xlsx"], "ends in .csv, .tsv or .jsonl, or -"),
    (["--predict=a", "--variant=int8"], "variant: expected one that"),
    (["--input=-", "--text_column=x"], "expected JSON objects on standard input with text_column")])
def test_what_cannot_be_is_one_line(predicted, capsys, monkeypatch, flags, message):
    piped(monkeypatch, "a film\n")
    assert message in refused(capsys, predicted, "sentiment", *flags)


@pytest.mark.parametrize("text, message", [
    ("", "expected lines of text on standard input, received none"),
    ('{"a": "b", "text": "c"}\nno', "standard input, line 2: expected a JSON object"),
    ('{"text": "c"}\n{"text": 3}', "line 2: expected a text as 'text', received 3")])
def test_a_wrong_line_of_a_pipe_is_named(predicted, capsys, monkeypatch, text, message):
    piped(monkeypatch, text)
    assert message in refused(capsys, predicted, "sentiment", "--input=-")


def test_a_file_is_not_written_over_itself(predicted, capsys, tmp_path):
    path = written(tmp_path / "new.csv")
    error = refused(capsys, predicted, "sentiment", f"--input={path}", f"--output={path}")
    assert "expected another file than the input" in error and path.read_text().count("\n") == 5


def test_equal_names_of_columns_go_into_a_table_only():
    Writer(io.StringIO(), ".csv", ["a", "a"]).write([["1", "2"]], [{"label": "x"}])
    with pytest.raises(ValueError, match="columns with different names .* a, a"):
        Writer(io.StringIO(), ".jsonl", ["a", "a"])
    assert kind_of("-", ".tsv") == ".tsv"


# --------------------------------------------------------------------------------- the exported file

@pytest.fixture(scope="module")
def exported(heads, tmp_path_factory):
    """The folder of a run with an export of float32, and no model."""
    folder = tmp_path_factory.mktemp("run")
    Run.open(folder, "sentiment", {**Sentiment().recorded(), "corpus": "x", "fingerprint": "x"})
    head = heads["sentiment"]
    with exports_here():
        tflite.write(head, folder / "tflite", variants=["float32"])
    return folder


def test_what_making_a_model_prints_is_no_prediction(heads, tmp_path, capsys):
    Run.open(tmp_path / "run", "sentiment", {**Sentiment().recorded(), "corpus": "x", "fingerprint": "x"})

    def make(run):
        print("fitted in 3 s")
        return heads["sentiment"]
    settings = Sentiment.of(predict="film", output_dir=str(tmp_path / "run"))
    prediction.main(prediction.of("sentiment", settings, make))
    said = capsys.readouterr()
    assert said.out.count("\n") == 1 and "fitted" not in said.out and "fitted in 3 s\n" in said.err


ALONE = ("import sys\nsys.modules['tensorflow'] = None\n"
         "from tasks import cli\ncli.main('sentiment')")


def child(folder, *flags):
    """The program in a process in which TensorFlow cannot be imported."""
    return subprocess.Popen([sys.executable, "-c", ALONE, f"--output_dir={folder}", *flags], cwd=ROOT,
                            text=True, encoding="utf-8", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def state(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_an_export_predicts_without_tensorflow_and_writes_nothing_into_the_run(exported, heads):
    before = state(exported)
    out, err = child(exported, "--predict=a good film").communicate()
    wanted = heads["sentiment"].predict("a good film")[0]
    assert (out, err) == (f"{line(wanted, 'a good film')}\n", "")
    assert state(exported) == before


@pytest.mark.parametrize("flag", ["--input=-", "--predict=-"])
def test_a_pipe_is_answered_line_by_line(exported, flag):
    with child(exported, flag) as program:
        for text in ("a good film", "bad"):      # The second comes only after the first answer.
            print(text, file=program.stdin, flush=True)
            assert text in program.stdout.readline()
        program.stdin.close()
        assert program.stdout.read() == ""


def test_the_export_and_the_model_predict_alike(exported, predicted, capsys, tmp_path):
    path = written(tmp_path / "new.csv")
    by_model = predicted("sentiment", f"--input={path}")
    by_file, err = child(exported, f"--input={path}").communicate()
    assert err == "" and by_file.splitlines()[0] == by_model.splitlines()[0]
    for one, other in zip(rows_of(io_file(tmp_path, by_file)), rows_of(io_file(tmp_path, by_model))):
        assert one[:4] == other[:4]
        np.testing.assert_allclose([float(p) for p in one[4:] if p[0].isdigit()],
                                   [float(p) for p in other[4:] if p[0].isdigit()], atol=2e-6)


def io_file(folder, text):
    """A file with this text."""
    path = folder / f"{len(list(folder.iterdir()))}.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_another_variant_is_another_file(exported, capsys):
    (exported / "tflite/model_int8.tflite").write_bytes(b"no model")
    out, err = child(exported, "--predict=a", "--variant=int8").communicate()
    assert out == "" and err.count("\n") == 1 and err.startswith("error: ")
    (exported / "tflite/model_int8.tflite").unlink()
    out, err = child(exported, "--predict=a", "--variant=int8").communicate()
    assert "float32, received int8; export it with --mode=export" in err


@pytest.mark.slow
def test_a_run_that_has_stopped_predicts_with_its_best_checkpoint(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loop, "deterministic", keras.utils.set_random_seed)

    def said(*flags):
        with exports_here():
            settings = cli.parse(Sentiment, ["sentiment", f"--output_dir={tmp_path}/run", *flags])
            cli.guarded(lambda: cli.started("sentiment", settings))
        return capsys.readouterr()
    said("--corpus=sample", "--epochs=2", "--units=8", "--embedding=8")
    stored = json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8"))["test"]
    whole = said("--predict=not bad at all").out
    for name in ("tflite", "saved_model"):
        (tmp_path / "run" / name).rename(tmp_path / name)
    err = f"note: {tmp_path}/run has no export: predicting with its best checkpoint, by TensorFlow\n"
    assert said("--predict=not bad at all") == (whole, err)
    for name in ("metrics.json", "model.keras", "model.json", "text.json", "vocabulary.txt"):
        (tmp_path / "run" / name).unlink()
    assert said("--predict=not bad at all") == (whole, err)
    again = said("--mode=evaluate").out
    assert "is not finished: its best checkpoint is used" in again
    assert f"{stored['accuracy']:.4f}" in again
    said("--mode=export", "--force")
    assert (tmp_path / "run/tflite/model_int8.tflite").exists()
    assert not (tmp_path / "run/metrics.json").exists()
