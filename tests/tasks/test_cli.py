"""What the command lines share: one line for a mistake, texts as bytes bring them, runs that changed."""

import dataclasses
import errno
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
import types

import pytest
import tensorflow as tf

from conftest import ROOT
from tasks import cli, exporting, option_tables, options
from tasks.reading.splits import Example
from tasks.reading.standard_input import decoded, lines
from tasks.reporting import tables
from tasks.sentiment.options import Settings
from tasks.reading.corpus import Corpus
from tasks.training.run_directory import Run
from zoo.options import Options, fields, option


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
        cli.parse(Settings, ["tasks", f"--{flag}=1"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: the flag '{flag}' is gone; {cli.GONE[flag]}\n"


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


def standard_input(monkeypatch, data, encoding=None):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    return [line for batch in lines(encoding) for line in batch]


def test_only_line_feeds_end_a_text(monkeypatch):
    data = "one\x0btext\x85\u2028still\r\n\nthird".encode()
    assert standard_input(monkeypatch, data) == ["one\x0btext\x85\u2028still", "", "third"]
    with pytest.raises(ValueError, match="expected lines of text"):
        standard_input(monkeypatch, b"")


def test_what_is_not_utf8_in_an_argument_is_lost():
    assert decoded(os.fsdecode(b"ab\xff good")) == "ab\ufffd good"


def test_a_line_of_another_encoding_that_comes_later_is_refused_with_its_number(monkeypatch):
    class Pipe(io.BytesIO):
        def read1(self, size):
            return self.readline()
    pipe = Pipe("tea\ntée\n".encode() + b"t\xe9\n")
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=pipe))
    batches = lines()
    assert [next(batches), next(batches)] == [["tea"], ["tée"]]
    with pytest.raises(ValueError, match="standard input, line 3: expected utf-8, .* 0xe9.*--encoding"):
        next(batches)


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


def test_the_encoding_of_standard_input_may_be_named(monkeypatch):
    assert standard_input(monkeypatch, "我喜欢茶\n".encode("gbk"), "gbk") == ["我喜欢茶"]


@pytest.mark.parametrize("row, line", [
    ({"label": "a|b", "probabilities": {"a|b": .9, "c": .1}}, "a|b           90 %"),
    ({"label": "a|c", "chosen": ["a", "c"], "probabilities": {"a": .9, "b": .1, "c": .6}},
     "a|c           90 %, 60 %"),
    ({"label": "", "chosen": [], "probabilities": {"a": .4}}, "(none)        "),
    ({"label": "a", "probabilities": {"a": .4, "b": .35, "c": .25}}, "a             40 %")])
def test_a_name_that_holds_the_sign_between_labels_is_shown(row, line):
    assert tables.prediction(row) == line


def corpus(train, test=(Example("t", "a"),)):
    return Corpus("c", train, [Example("v", "b")], list(test), "none", ["a", "b"])


def test_the_fingerprint_tells_texts_labels_and_splits_apart():
    one, other = Example("x", "a"), Example("x", "b")
    prints = [corpus([one]).fingerprint, corpus([other]).fingerprint, corpus([one, one]).fingerprint,
              corpus([one], test=[one]).fingerprint, corpus([Example("xa", "")]).fingerprint]
    assert len(set(prints)) == len(prints) and corpus([one]).fingerprint == prints[0]


def test_a_run_is_refused_when_its_corpus_changed(tmp_path):
    Run.open(tmp_path, "toy", {"fingerprint": corpus([Example("x", "a")]).fingerprint})
    with pytest.raises(ValueError, match="other settings: the corpus changed"):
        Run.open(tmp_path, "toy", {"fingerprint": corpus([Example("x", "b")]).fingerprint})


def test_overwriting_removes_the_files_beside_the_tflite_models(tmp_path):
    run = Run.open(tmp_path, "toy", {})
    (tmp_path / "tflite/.unfinished-1-x").mkdir(parents=True)
    (tmp_path / "tflite/labels.txt").write_text("a\n")
    Run.open(tmp_path, "toy", {}, overwrite=True)
    assert "tflite/.*" in exporting.WRITTEN and not (run.folder / "tflite").exists()


@pytest.mark.parametrize("task", ["sentiment", "tagging", "generation", "translation"])
def test_flags_that_say_how_a_corpus_is_read_are_settings_of_the_run(task):
    """Else evaluation would read the corpus of a run in another way than its training did."""
    settings = importlib.import_module(f"tasks.{task}.options").Settings()
    read = {field.name for field in fields(settings) if field.metadata.get("of_corpus")}
    assert "encoding" in read and read <= set(settings.recorded())


def test_the_settings_of_a_command_line_are_those_of_python():
    given = {"units": 8, "naive_bayes": False, "corpus": "my reviews.csv", "average": 0.5}
    settings = Settings.of(**given)
    words = shlex.split(settings.command("tasks.sentiment"))
    assert words[:3] == ["python", "-m", "tasks.sentiment"]
    assert cli.parse(Settings, words[2:]) == settings != Settings()
    assert set(cli.parse(Settings, words[2:]).given) == set(given)


def test_a_flag_of_an_earlier_name_still_works_and_help_does_not_show_it():
    assert cli.parse(Settings, ["program", "--part=validation"]).split == "validation"
    assert "--part" not in cli.help_page("sentiment", Settings)


def test_help_shows_ten_flags_first_then_the_others_by_group_each_once():
    page = cli.help_page("sentiment", Settings)
    headings = re.findall(r"^(\S[\w ]*):$", page, re.M)
    assert headings == ["most used", "data", "model", "training", "evaluation", "prediction", "export"]
    first = page[page.index("most used:"):page.index("\ndata:")]
    assert len(re.findall(r"^  --", first, re.M)) == 10
    shown = re.findall(r"^  --(?:\[no\])?(\w+)", page, re.M)
    assert sorted(shown) == sorted(field.name for field in fields(Settings))
    assert "--vocabulary_size=N\n        Largest number of tokens in the vocabulary. (default: 20" in page


def test_a_recipe_fills_what_is_open_and_a_run_what_is_not_given():
    settings = Settings.of(units=8).filled({"units": 64, "epochs": 3})
    assert (settings.units, settings.epochs) == (8, 3)
    stored = {**Settings(units=16, max_length=50, text_column="body").recorded(), "corpus": "a.csv"}
    again = Settings.of(max_length=1024).resumed(stored)
    assert (again.units, again.max_length, again.text_column) == (16, 1024, "body")
    other = Settings.of(corpus="b.csv").resumed(stored)
    assert (other.corpus, other.units, other.text_column) == ("b.csv", 16, None)


def test_a_wrong_option_is_named_with_the_nearest_one():
    with pytest.raises(ValueError, match="received 'unit'; did you mean units"):
        Settings.of(unit=8)


def test_the_page_of_options_is_up_to_date():
    assert (ROOT / "docs/options.md").read_text(encoding="utf-8") == option_tables.page()


def test_an_option_that_is_no_setting_says_so_where_it_is_stated():
    @dataclasses.dataclass(frozen=True)
    class Mine(Options):
        """One that shapes the result, and one that does not."""

        depth: int = option(1, "Depth.", least=1)
        loud: bool = option(False, "Print more.", is_setting=False)

    both = options.settings(mine=Mine)
    given = cli.parse(both, ["program", "--depth=2", "--loud"])
    assert (given.depth, given.loud) == (2, True) and given.recorded() == {"depth": 2}
