"""A corpus of shards: held out by hash, read a group at a time, each example once an epoch."""
import collections
import csv
import gzip
import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from tasks.reading import sharded
from tasks.reading.splits import SPLITS, Example, Pair, normalised
from tasks.sentiment import corpora
from tasks.training.batches import Streamed, shared_out

SMALL = {"epochs": 2, "units": 8, "embedding": 8, "batch_size": 16, "export": False}
# {task: options that make it small}
TASKS = {"sentiment": SMALL,
         "tagging": {**SMALL, "model": "bilstm_crf"},
         "translation": {**SMALL, "vocabulary_size": 400}}


def rows_of(task):
    """The examples of a built-in sample as records."""
    corpus = importlib.import_module(f"tasks.{task}.corpora").load("sample")
    return [{name: value for name, value in example._asdict().items() if value is not None}
            for split in SPLITS for example in getattr(corpus, split)]


def written(folder, rows, count=6):
    """The pattern of some rows in so many shards, some of them compressed."""
    folder.mkdir()
    for n in range(count):
        opened, ending = (gzip.open, ".gz") if n % 2 else (open, "")
        with opened(folder / f"{n}.jsonl{ending}", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows[n::count])
    return f"{folder}/*.jsonl*"


def task_of(name, folder, pattern, **options):
    settings = importlib.import_module(f"tasks.{name}.options").Settings.of(
        corpus=pattern, output_dir=str(folder / "run"), **{**TASKS[name], **options})
    return getattr(importlib.import_module(f"tasks.{name}.task"), name.capitalize())(settings)


@pytest.mark.parametrize("name", TASKS)
def test_an_epoch_has_every_example_that_is_not_held_out_once(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sharded, "GROUP", (300, 100_000))
    rows = rows_of(name)
    task = task_of(name, tmp_path, written(tmp_path / "in", rows))
    corpus = task.load_corpus()
    every = [example for group in corpus.stream.groups(0, 0) for example in corpus.stream.examples(group)]
    held = corpus.validation + corpus.test
    texts = {normalised(text) for example in held for text in sharded.texts(example)}
    assert not texts & {normalised(text) for example in every for text in sharded.texts(example)}
    wanted = [type(every[0])(**{name: tuple(value) if isinstance(value, list) else value
                                for name, value in row.items()}) for row in rows]
    kept = [example for example in wanted
            if texts.isdisjoint(map(normalised, sharded.texts(example)))]
    assert collections.Counter(every) == collections.Counter(kept)
    assert 0.05 < len(corpus.test) / len(rows) < 0.3


@pytest.mark.parametrize("name", TASKS)
def test_the_batches_of_an_epoch_hold_its_examples(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sharded, "GROUP", (300, 100_000))
    task = task_of(name, tmp_path, written(tmp_path / "in", rows_of(name)))
    corpus = task.load_corpus()
    head, _ = task.begun(corpus)
    batches = task.batches(head, task.datasets(head, corpus, ["train"])["train"])
    epochs = [[batch for batch in batches(epoch)] for epoch in (0, 0, 1)]
    sizes = [[len(next(iter(batch.inputs.values()))) for batch in epoch] for epoch in epochs]
    examples = len(corpus.stream.examples(range(len(corpus.stream.shards))))
    assert {sum(epoch) for epoch in sizes} == {examples} and max(map(max, sizes)) <= 16 + 1
    assert {len(epoch) for epoch in sizes} == {-(-examples // 16)}
    first, again, other = ([np.asarray(next(iter(batch.inputs.values()))).tolist() for batch in epoch]
                           for epoch in epochs)
    assert first == again != other and len(first) == len(other)


def test_the_splits_depend_on_the_texts_alone(tmp_path):
    rows = rows_of("sentiment")
    one, two = (task_of("sentiment", tmp_path, written(tmp_path / str(count), some, count)).load_corpus()
                for count, some in ((6, rows), (3, rows[::-1])))
    assert set(one.test) == set(two.test) and set(one.validation) == set(two.validation)
    assert one.labels == two.labels == corpora.load("sample").labels


def test_the_smallest_hashes_are_kept_whatever_comes_first():
    examples = [Example(f"text {n}", "a") for n in range(100)]
    wanted = sorted(examples, key=lambda example: sharded.number(example.text))[:10]
    for order in (examples, examples[::-1]):
        kept = sharded.Smallest(10)
        for example in order + order[:1]:
            kept.add(sharded.number(example.text), example)
        assert [group[0] for _, group in kept.in_order()] == wanted
        assert kept.counts.total() == 10 + (order[0] in wanted)


def test_few_characters_are_kept_whatever_comes_first():
    examples = [Example(f"text {n}" + " so" * (n % 5), "a") for n in range(300)]
    found = []
    for order in (examples, examples[::-1], examples[100:] + examples[:100]):
        kept = sharded.Smallest(300, characters=1000)
        for example in order:
            kept.add(sharded.number(example.text), example)
        found.append(kept.in_order()[:-5])      # where it ends depends on what came in between
    assert found[0] == found[1] == found[2] and len(found[0]) > 50


def test_each_label_is_in_the_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(sharded, "SAMPLE", 30)
    monkeypatch.setattr(sharded, "HELD", 3)
    rows = [{"text": f"word {n}", "label": "common"} for n in range(1000)]
    rows += [{"text": f"rare {n}", "label": "rare"} for n in range(5)]
    corpus = task_of("sentiment", tmp_path, written(tmp_path / "in", rows)).load_corpus()
    assert {example.label for example in corpus.train} == {"common", "rare"}
    assert 30 <= len(corpus.train) <= 30 + 2 and len(corpus.stream) == 999


def test_a_sentence_of_either_side_is_in_one_split():
    pair = Pair("Guten Tag.", "Hello.")
    stream = sharded.Stream(("a",), ((2, 30),), 1, frozenset([sharded.number("HELLO.")]), "",
                            lambda path: [pair, Pair("Ja.", "Yes.")])
    assert stream.examples([0]) == [Pair("Ja.", "Yes.")]
    assert sharded.apart([pair, Pair("Nein.", "No.")], [Pair("Hallo.", "Hello.")]) == [
        Pair("Nein.", "No.")]


def test_batches_are_read_a_group_at_a_time():
    read = []
    batches = Streamed([2, 1, 3], lambda n: read.append(n) or [f"{n}{k}" for k in range(3)])
    assert list(batches) == ["00", "01", "10", "20", "21", "22"] and read == [0, 1, 2]
    assert Streamed([2, 1, 3], lambda n: read.append(n) or "abc")[3] == "a" and read[3:] == [2]


def test_examples_are_shared_out_in_as_many_batches_as_are_asked_for():
    lengths = np.random.default_rng(0).integers(1, 50, 1001)
    groups = shared_out(lengths, 120, 0)
    assert sorted(np.concatenate(groups)) == list(range(1001)) and len(groups) == 120
    assert {len(group) for group in groups} == {8, 9}
    assert np.mean([np.ptp(lengths[group]) for group in groups]) < 10
    assert list(map(len, shared_out([3, 4], 3, 0))) == [1, 1, 1]
    with pytest.raises(ValueError, match="all are held out"):
        shared_out([], 1, 0)


def test_shards_that_do_not_fit_together_are_refused(tmp_path):
    pattern = written(tmp_path / "in", rows_of("sentiment"))
    with open(tmp_path / "in/9.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"review": f"so {n}", "stars": "ab"[n % 2]}) + "\n" for n in range(9))
    with pytest.raises(ValueError, match="9.jsonl: expected text: column `text`; label: column `label` "
                                         "as in .*0.jsonl, received text: column `review`"):
        task_of("sentiment", tmp_path, pattern).load_corpus()
    with pytest.raises(FileNotFoundError, match="found none for"):
        task_of("sentiment", tmp_path, f"{tmp_path}/no*").load_corpus()


def test_shards_of_two_splits_and_folds_are_refused(tmp_path):
    written(tmp_path / "in", rows_of("sentiment"))
    for name in ("train-0", "dev-0"):
        (tmp_path / "in" / f"{name}.jsonl").write_text('{"text": "so", "label": "a"}\n')
    with pytest.raises(ValueError, match="shards of one split, received train and validation"):
        task_of("sentiment", tmp_path, f"{tmp_path}/in/*-0.jsonl").load_corpus()
    for split in ("train", "test"):
        (tmp_path / "in" / f"x{split == 'test':d}.csv").write_text(
            "text,label,split\n" + "".join(f"a {n},{n % 2},{split}\n" for n in range(9)))
    with pytest.raises(ValueError, match="x1.csv: expected rows of training, received those of the test"):
        task_of("sentiment", tmp_path, f"{tmp_path}/in/x*.csv").load_corpus()
    for name in ("train", "test"):
        (tmp_path / "in" / name).mkdir()
        (tmp_path / "in" / name / "part.jsonl").write_text('{"text": "so", "label": "a"}\n')
    with pytest.raises(ValueError, match="shards of one split, received test and train"):
        task_of("sentiment", tmp_path, f"{tmp_path}/in/t*/*.jsonl").load_corpus()
    with pytest.raises(ValueError, match="fold: expected a corpus in memory"):
        task_of("sentiment", tmp_path, f"{tmp_path}/in/*", fold=1).load_corpus()


def test_another_row_is_another_corpus_and_equal_rows_stay(tmp_path):
    rows = [{"text": f"text {n % 300}", "label": "ab"[n % 2]} for n in range(3000)]
    pattern = written(tmp_path / "in", rows)
    corpus = task_of("sentiment", tmp_path, pattern).load_corpus()
    assert len(corpus.train) == len(corpus.stream) == 10 * 240 and len(corpus.test) == 10 * 30
    with open(tmp_path / "in/0.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"text": "text 7", "label": "b"}) + "\n")
    assert task_of("sentiment", tmp_path, pattern).load_corpus().fingerprint != corpus.fingerprint


def test_names_with_signs_of_patterns_are_still_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a[1].de", "a[1].en"):
        (tmp_path / name).write_text("")
    assert not sharded.is_pattern("a[1].de") and not sharded.is_pattern("a[1].de,a[1].en")
    assert sharded.is_pattern("a*.de") and not sharded.is_pattern("a.de")


@pytest.mark.parametrize("kind", ["-place", ""])
def test_a_tagger_learns_all_tags_of_types_that_the_sample_knows_and_words_of_any_length(
        tmp_path, monkeypatch, kind):
    monkeypatch.setattr(sharded, "GROUP", (100, 100_000))
    monkeypatch.setattr(sharded, "SAMPLE", 30)
    monkeypatch.setattr(sharded, "HELD", 5)
    rows = []
    for n in range(600):    # longer words in later shards; a span of one token is rare
        tags = [f"B{kind}", "O"] if n % 100 == 99 else [f"B{kind}", f"I{kind}"]
        rows.append({"tokens": ["a" * (1 + n // 100), f"b{n}"], "tags": tags})
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(6):
        with open(folder / f"{n}.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows[100 * n:100 * (n + 1)])
    task = task_of("tagging", tmp_path, f"{folder}/*.jsonl", model="bilstm_char_crf", epochs=1)
    corpus = task.load_corpus()
    head, run = task.begun(corpus)
    assert set(head.labels) == {"O", *(f"{letter}{kind}" for letter in "BIES")}
    result = task.fit(head, task.datasets(head, corpus), run)
    assert np.isfinite(result.history[0]["loss"])


def test_what_counts_in_memory_is_refused(tmp_path):
    pattern = written(tmp_path / "in", rows_of("sentiment"))
    for model in ("nb_bilstm", "linear_bilstm", "linear"):
        task = task_of("sentiment", tmp_path, pattern, model=model)
        with pytest.raises(ValueError, match="learns by steps alone for shards"):
            task.begun(task.load_corpus())
    task = task_of("sentiment", tmp_path, pattern, tune_minutes=1)
    with pytest.raises(ValueError, match="tune_minutes: expected a corpus in memory"):
        task.train()


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_as_if_it_had_not(tmp_path):
    name = "sentiment"
    pattern = written(tmp_path / "in", rows_of(name))
    code = ("import sys, tasks.reading.sharded as s, tasks.training.loop as loop\n"
            "s.GROUP = 300, 100_000\n"
            "if sys.argv.pop(1) == 'stop':\n"
            "    take = loop.Training.take\n"
            "    def stopping(self, batch):\n"
            "        if self.progress.epoch == 1 and self.progress.step == 20:\n"
            "            import os, signal; os.kill(os.getpid(), signal.SIGINT)\n"
            "        return take(self, batch)\n"
            "    loop.Training.take = stopping\n"
            f"from tasks import cli; cli.main('{name}')")
    flags = [f"--{key}={value}" for key, value in TASKS[name].items() if key != "export"]
    for folder, ways in (("whole", ["go"]), ("parts", ["stop", "go"])):
        for way in ways:
            subprocess.run([sys.executable, "-c", code, way, f"--corpus={pattern}", "--noexport", *flags,
                            f"--output_dir={tmp_path / folder}"], cwd=ROOT, check=way == "go",
                           capture_output=True)
    one, two = (np.load(tmp_path / folder / "checkpoints/best.npz") for folder in ("whole", "parts"))
    assert all(np.array_equal(one[name], two[name]) for name in one.files) and one.files == two.files


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """Ten times as many shards take the memory of a few."""
    words = [f"word{n}" for n in range(5000)]
    draw = np.random.default_rng(0)
    peaks = []
    for count in (2, 20):
        folder = tmp_path / str(count)
        folder.mkdir()
        for n in range(count):
            with open(folder / f"{n:02}.csv", "w", encoding="utf-8", newline="") as file:
                table = csv.writer(file)
                table.writerow(["text", "label"])
                table.writerows([" ".join(draw.choice(words, 60)), "ab"[k % 2]] for k in range(1500))
        peaks.append(peak_of(folder))
    assert peaks[1] < peaks[0] + 40


def peak_of(folder):
    """MiB that reading a corpus of shards and its first group take at the most."""
    code = ("import resource, sys; from tasks.sentiment.options import Settings; "
            "from tasks.sentiment.task import Sentiment; "
            "from tasks.reading import sharded; sharded.GROUP = 3000, 10 ** 7; "
            "sharded.SAMPLE, sharded.HELD = 1000, 100; "
            f"corpus = Sentiment(Settings.of(corpus='{folder}/*.csv')).load_corpus(); "
            "stream = corpus.stream; [len(stream.examples(group)) for group in stream.groups(0, 0)]; "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=True)
    return int(done.stdout.split()[-1])
