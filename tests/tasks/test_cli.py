"""What the command lines share: one line for a mistake, texts as bytes bring them, runs that changed."""

import errno
import importlib
import io
import os
import subprocess
import sys
import types

import pytest
import tensorflow as tf

from conftest import flags_of
from tasks import cli
from tasks.reading.splits import Example
from tasks.reporting import tables
from tasks.reading.corpus import Corpus
from tasks.training.run_directory import Run


def line_of(error, capsys):
    """What `guarded` prints for an error."""
    def raising():
        raise error
    with pytest.raises(SystemExit) as stop:
        cli.guarded(raising)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.count("\n") == 1
    return err


@pytest.mark.parametrize("number, advice", [
    (errno.ENOSPC, "disk with free space"), (errno.EDQUOT, "disk with free space"),
    (errno.EACCES, "this user may read and write"), (errno.EROFS, "this user may read and write"),
    (errno.ENOENT, "check the path")])
def test_the_advice_fits_the_error_of_the_system(capsys, number, advice):
    line = line_of(OSError(number, os.strerror(number), "some/file"), capsys)
    assert line == f"error: {os.strerror(number)}: some/file; " + line.split("; ")[1]
    assert advice in line


def test_an_error_of_the_system_without_advice_gets_none(capsys):
    line = line_of(OSError(errno.EIO, os.strerror(errno.EIO), "f"), capsys)
    assert line == f"error: {os.strerror(errno.EIO)}: f\n"


@pytest.mark.parametrize("flag", cli.GONE)
def test_a_flag_that_is_gone_says_in_one_line_what_to_do_instead(capsys, flag):
    with pytest.raises(SystemExit) as stop:
        cli.parse(["tasks", f"--{flag}=1"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: Unknown command line flag '{flag}'; {cli.GONE[flag]}\n"


def test_an_error_of_tensorflow_is_one_line(capsys):
    with pytest.raises(tf.errors.OpError) as caught:
        tf.io.read_file("/nowhere/at/all")
    assert "/nowhere/at/all" in line_of(caught.value, capsys)
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when\nallocating")
    assert line_of(error, capsys) == "error: OOM when allocating\n"


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_the_program_quietly():
    code = ("import sys; from tasks import cli; "
            "cli.guarded(lambda: [print('answer') for _ in range(100000)])")
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    assert child.stdout.readline() == b"answer\n"
    child.stdout.close()
    assert child.stderr.read() == b"" and child.wait() == 141


def standard_input(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    return cli.questions("-")


def test_only_line_feeds_end_a_text(monkeypatch):
    data = "one\x0btext\x85\u2028still\r\n\nthird".encode()
    assert standard_input(monkeypatch, data) == ["one\x0btext\x85\u2028still", "", "third"]
    with pytest.raises(ValueError, match="expected lines of text"):
        standard_input(monkeypatch, b"")


def test_what_is_not_utf8_in_an_argument_is_lost():
    assert cli.questions(os.fsdecode(b"ab\xff good")) == ["ab\ufffd good"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_standard_input_is_decoded_as_a_corpus_is(monkeypatch, capsys, codec):
    texts = ["Müller kauft Äpfel", "", "für Straßen"]
    assert standard_input(monkeypatch, "\r\n".join([*texts, ""]).encode(codec)) == texts
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("note: standard input: read as cp1252") == (codec == "cp1252")


@pytest.mark.parametrize("data, place", [("Война и мир\n".encode("cp1251"), "line 1"),
                                         ("naïve\ncaf".encode() + b"\xe9", "line 2"),
                                         (b"tea\n\0\n", "line 2")])
def test_standard_input_in_an_unknown_encoding_is_refused(monkeypatch, data, place):
    with pytest.raises(ValueError, match=f"standard input, {place}: expected .*set --encoding"):
        standard_input(monkeypatch, data)


def test_the_flag_for_the_encoding_holds_for_standard_input(monkeypatch):
    task = importlib.import_module("tasks.tagging.task").TASK
    with flags_of(task):
        cli.FLAGS(["program", "--encoding=gbk"])
        assert standard_input(monkeypatch, "我喜欢茶\n".encode("gbk")) == ["我喜欢茶"]


@pytest.mark.parametrize("label, probabilities, line", [
    ("a|b", {"a|b": .9, "c": .1}, "a|b           90 %"),
    ("a|c", {"a": .9, "b": .1, "c": .6}, "a|c           90 %, 60 %"),
    ("", {"a": .4}, "(none)        "), ("a", {"a": .4, "b": .35, "c": .25}, "a             40 %")])
def test_a_name_that_holds_the_sign_between_labels_is_shown(label, probabilities, line):
    assert tables.answer({"label": label, "probabilities": probabilities}) == line


def corpus(train, test=(Example("t", "a"),)):
    return Corpus("c", train, [Example("v", "b")], list(test), "none", ["a", "b"])


def test_the_fingerprint_tells_texts_labels_and_parts_apart():
    one, other = Example("x", "a"), Example("x", "b")
    prints = [corpus([one]).fingerprint, corpus([other]).fingerprint, corpus([one, one]).fingerprint,
              corpus([one], test=[one]).fingerprint, corpus([Example("xa", "")]).fingerprint]
    assert len(set(prints)) == len(prints) and corpus([one]).fingerprint == prints[0]


def test_a_run_is_refused_when_its_corpus_changed(tmp_path):
    Run.open(tmp_path, "toy", {"fingerprint": corpus([Example("x", "a")]).fingerprint})
    with pytest.raises(ValueError, match="other settings: the corpus changed"):
        Run.open(tmp_path, "toy", {"fingerprint": corpus([Example("x", "b")]).fingerprint})


def test_an_unfinished_run_says_what_to_run(tmp_path):
    run = Run.open(tmp_path, "toy", {})
    with pytest.raises(ValueError, match="python -m tasks.toy --output_dir="):
        Run.trained(tmp_path, "toy")
    run.write_json("metrics.json", {})
    assert Run.trained(tmp_path, "toy").folder == tmp_path


def test_overwriting_removes_the_files_beside_the_tflite_models(tmp_path):
    run = Run.open(tmp_path, "toy", {})
    (tmp_path / "tflite/.unfinished-1-x").mkdir(parents=True)
    (tmp_path / "tflite/labels.txt").write_text("a\n")
    Run.open(tmp_path, "toy", {}, overwrite=True)
    assert not (run.folder / "tflite").exists()


@pytest.mark.parametrize("task", ["sentiment", "tagging", "generation", "translation"])
def test_flags_that_say_how_a_corpus_is_read_are_settings_of_the_run(task):
    """Else evaluation would read the corpus of a run in another way than its training did."""
    task = importlib.import_module(f"tasks.{task}.task").TASK
    with flags_of(task):
        cli.FLAGS(["program"])
        assert set(task.corpus_flags) <= set(cli.settings(f"tasks.{task.name}.flags"))
