"""Every record of every shard is answered once, whatever is killed."""
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import ROOT
from tasks import batch, prediction, pretrained
from tasks.reading import shards as reading
from tasks.sentiment.options import Settings

MODEL = "language-id"
TEXTS = ["Where is the station?", "Wo ist der Bahnhof?", "Où est la gare ?", "车站在哪里？", "", "a\u2028b"]
pytestmark = pytest.mark.skipif(not batch.trained.known(MODEL), reason="needs a pretrained model")


def shards(folder, count, rows=6):
    """Shards of records with ids, some of them compressed; two lines of each are no records."""
    folder.mkdir()
    for n in range(count):
        records = [{"id": rows * n + k, "text": TEXTS[k % len(TEXTS)]} for k in range(rows)]
        lines = [*map(json.dumps, records), "{", "", '{"id": 1}']
        opened, name = (gzip.open, f"{n}.jsonl.gz") if n % 2 else (open, f"{n}.jsonl")
        with opened(folder / name, "wt", encoding="utf-8") as file:
            file.write("\n".join(lines))
    return f"{folder}/*.jsonl*"


def command(pattern, output, *more):
    return [sys.executable, "-m", "tasks.batch", MODEL, f"--input={pattern}", f"--output={output}", *more]


def run(*arguments):
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True)


def found(output):
    """The answers of all shards, in order."""
    files = sorted(path for path in output.glob("*.jsonl") if ".refused" not in path.name)
    texts = [path.read_text(encoding="utf-8") for path in files]
    return [json.loads(line) for text in texts for line in text.split("\n")[:-1]]


def test_a_shard_is_answered_in_order_and_its_bad_lines_are_kept(tmp_path):
    answers = batch.Answers(MODEL, "text", str(tmp_path))
    shards(tmp_path / "in", 2)
    done = [answers(str(tmp_path / "in" / name)) for name in ("0.jsonl", "1.jsonl.gz")]
    assert [(one.answered, one.refused) for one in done] == [(6, 2), (6, 2)]
    model = prediction.of("sentiment", pretrained.chosen(
        "sentiment", Settings.of(input="-", model_from=MODEL))).opened()
    wanted = [model.added(one, text) for one, text in zip(model.predict(TEXTS, 0), TEXTS)]
    assert found(tmp_path) == [{"id": n, "text": TEXTS[n % 6], **wanted[n % 6]} for n in range(12)]
    refused = [json.loads(line) for line in (tmp_path / "0.refused.jsonl").read_text().splitlines()]
    assert [(one["line"], one["record"]) for one in refused] == [(7, "{"), (9, '{"id": 1}')]
    assert refused[1]["reason"] == "expected a text as 'text', received null"


def test_what_is_there_is_not_answered_again(tmp_path):
    answers = batch.Answers(MODEL, "text", str(tmp_path))
    (tmp_path / "in.txt").write_text("Where?\nWo?\n")
    left = tmp_path / f".in.jsonl.{socket.gethostname()}.{2 ** 22}"      # no process has this number
    left.write_text("what a process that was killed left")
    assert answers(str(tmp_path / "in.txt")).answered == 2
    before = (tmp_path / "in.jsonl").stat().st_mtime_ns
    assert answers(str(tmp_path / "in.txt")) == batch.Done(str(tmp_path / "in.txt"))
    assert (tmp_path / "in.jsonl").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "in.txt"]


def test_a_text_that_is_not_utf8_is_refused_alone(tmp_path):
    (tmp_path / "in.txt").write_bytes(b"one\n\xff\xfe\ntwo\n")
    done = batch.Answers(MODEL, "text", str(tmp_path))(str(tmp_path / "in.txt"))
    assert (done.answered, done.refused) == (2, 1)
    assert [one["text"] for one in found(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize("name, line", [("in.txt", b"one"), ("in.jsonl", b'{"text": "one"}')])
def test_a_byte_order_mark_is_no_text(tmp_path, name, line):
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + line + b"\n" + line)
    (tmp_path / "out").mkdir()
    done = batch.Answers(MODEL, "text", str(tmp_path / "out"))(str(tmp_path / name))
    assert (done.answered, done.refused) == (2, 0)
    assert [one["text"] for one in found(tmp_path / "out")] == ["one", "one"]


def test_the_column_is_a_usual_name_or_is_asked_for(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "7", "review": "good"}\n')
    assert reading.column_of([str(path)], None) == "review"
    path.write_text('not JSON\n{"a": "7", "b": "good"}\n')
    with pytest.raises(ValueError, match="expected one key of a text in .*, received a, b; set --text"):
        reading.column_of([str(path)], None)
    assert reading.column_of([str(path)], "b") == "b"


def test_shards_that_cannot_be_answered_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none for .*nothing"):
        reading.shards_of(f"{tmp_path}/nothing*", tmp_path)
    for name in ("a.jsonl", "a.txt", "b.csv"):
        (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match="received .*b.csv; the task's own --input"):
        reading.shards_of(f"{tmp_path}/*", tmp_path)
    with pytest.raises(ValueError, match="expected files of objects or of texts, received both"):
        reading.shards_of(f"{tmp_path}/a.*", tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.jsonl").write_text("x")
    with pytest.raises(ValueError, match="of different names, received .*a.jsonl and .*a.jsonl"):
        reading.shards_of(f"{tmp_path}/**/a.jsonl", tmp_path / "out")
    with pytest.raises(ValueError, match="another folder than that of the shards"):
        reading.shards_of(f"{tmp_path}/a.jsonl", tmp_path)
    (tmp_path / "c.refused.jsonl").write_text("x")
    with pytest.raises(ValueError, match="received .*c.refused.jsonl"):
        reading.shards_of(f"{tmp_path}/c*", tmp_path / "out")


def test_answers_of_another_model_or_other_shards_are_not_mixed_in(tmp_path):
    shard, output = tmp_path / "a.txt", str(tmp_path / "out")
    shard.write_text("one\n")
    for _ in range(2):
        batch.recorded(batch.Answers(MODEL, "text", output), [str(shard)])
    with pytest.raises(ValueError, match="holds others; choose another"):
        batch.recorded(batch.Answers(MODEL, "review", output), [str(shard)])
    shard.write_text("other\n")
    with pytest.raises(ValueError, match="holds others; choose another"):
        batch.recorded(batch.Answers(MODEL, "text", output), [str(shard)])
    (tmp_path / "b.jsonl").write_text("")
    with pytest.raises(ValueError, match="which holds other files"):
        batch.recorded(batch.Answers(MODEL, "text", str(tmp_path)), [str(shard)])


def test_one_line_that_cannot_be_answered_is_refused_alone(tmp_path):
    lines = [json.dumps(["车" * 30], ensure_ascii=False), "[" * 100_000, '{"text": "a", "label": "x"}',
             '{"text": "b", "label": 1, "predicted_label": 2}', '{"text": "c"}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "out").mkdir()
    done = batch.Answers(MODEL, "text", str(tmp_path / "out"))(str(tmp_path / "in.jsonl"))
    assert (done.answered, done.refused) == (2, 3)
    first, last = found(tmp_path / "out")
    assert first["label"] == "x" and "predicted_label" in first and "predicted_label" not in last


def test_a_shard_that_is_not_whole_is_named_and_the_others_are_answered(tmp_path, capsys):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one\n" * 9999)[:-9])
    (tmp_path / "b.txt").write_text("two\n")
    answers = batch.Answers(MODEL, "text", str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="1 of 2 shards have no answers, .* whole gzip .*a.txt"):
        batch.answer(answers, [str(tmp_path / name) for name in ("a.txt.gz", "b.txt")],
                     lambda answers, shards, _: [batch.answered(answers, shard) for shard in shards], 1)
    assert [one["text"] for one in found(tmp_path / "out")] == ["two"]
    batch._opened.clear()


def test_other_texts_get_other_numbers(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(batch, "ROWS", 2)

    class Model:
        def predict(self, texts, first):
            asked.extend(range(first, first + len(texts)))
            return texts

        def added(self, one, text):
            return {"answer": one}

    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("x\ny\nz\n")
        answers = batch.Answers(MODEL, "text", str(tmp_path))
        answers.opened = Model()
        answers(str(tmp_path / f"{name}.txt"))
    assert len(set(asked)) == 6


@pytest.mark.slow
def test_no_record_is_lost_or_doubled_when_a_worker_of_ray_is_killed(tmp_path):
    pytest.importorskip("ray")
    pattern, output = shards(tmp_path / "in", 8, rows=1500), tmp_path / "out"
    process = subprocess.Popen(command(pattern, output, "--workers=2", "--ray"), cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(output.glob("[0-9].jsonl")):
        time.sleep(0.05)
    actors = subprocess.run(["pgrep", "-f", "^ray::.*Actor"], capture_output=True, text=True).stdout
    os.kill(int(actors.split()[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert [one["id"] for one in found(output)] == list(range(8 * 1500))


@pytest.mark.slow
def test_no_record_is_lost_or_doubled_when_a_worker_or_all_are_killed(tmp_path):
    pattern, output = shards(tmp_path / "in", 8, rows=1500), tmp_path / "out"
    process = subprocess.Popen(command(pattern, output, "--workers=2"), cwd=ROOT, stdout=subprocess.PIPE)
    while not list(output.glob("[0-9].jsonl")):
        time.sleep(0.05)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout
    os.kill(int(children.split()[-1]), signal.SIGKILL)      # a worker: another takes its place
    while len(list(output.glob("[0-9].jsonl"))) < 3:
        time.sleep(0.05)
    process.kill()                                          # all of it
    process.wait()
    done = run(pattern, output, "--workers=2")
    assert done.returncode == 0, done.stderr
    assert [one["id"] for one in found(output)] == list(range(8 * 1500))


@pytest.mark.slow
def test_what_is_wrong_is_one_line(tmp_path):
    done = run(str(tmp_path / "nothing*"), tmp_path / "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
