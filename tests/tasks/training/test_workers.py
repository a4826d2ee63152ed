"""Two workers train as one process does; without one of them training ends."""
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from tasks.training import launch, workers

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
# Trains a task, and writes the weights at its end and the losses of its epochs.
TRAIN = """
import importlib, json, sys
from tasks.training import workers
workers.join()
import numpy as np
name, folder, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
options = importlib.import_module(f"tasks.{name}.options").Settings.of(output_dir=folder, **options)
task = getattr(importlib.import_module(f"tasks.{name}.task"), name.capitalize())(options)
corpus = task.load_corpus()
head, run = task.begun(corpus)
result = task.fit(head, task.datasets(head, corpus), run)
np.savez(folder + "/weights.npz", *[weight.numpy() for weight in head.network.trainable_weights],
         losses=[row["loss"] for row in result.history], steps=len(task.batches(head, task.datasets(
             head, corpus, ["train"])["train"])(0)) * result.epochs)
"""
SMALL = {"corpus": "sample", "units": 16, "epochs": 2, "batch_size": 30}
TASKS = {
    "sentiment": {**SMALL, "model": "lstm", "embedding": 16, "embedding_dropout": 0.0,
                  "output_dropout": 0.0, "word_dropout": 0.0},
    "tagging": {**SMALL, "model": "bilstm_crf", "embedding": 16, "embedding_dropout": 0.0,
                "output_dropout": 0.0, "word_dropout": 0.0, "recurrent_dropout": 0.0,
                "rare_dropout": 0.0},
    "generation": {**SMALL, "epochs": 1, "window": 32, "embedding": 16, "embedding_dropout": 0.0,
                   "output_dropout": 0.0, "weight_drop": 0.0},
    "translation": {**SMALL, "embedding": 16, "embedding_dropout": 0.0, "output_dropout": 0.0,
                    "layer_dropout": 0.0}}


def trained(task, folder, count, **options):
    """{name: array}, what `count` workers have learnt."""
    options = json.dumps({**TASKS[task], **options})
    command = [sys.executable, "-c", TRAIN, task, str(folder), options]
    if count == 1:
        subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    else:
        code = f"from tasks.training import launch; launch.launch({count}, {command!r})"
        subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True,
                       stdout=subprocess.DEVNULL)
    with np.load(folder / "weights.npz") as stored:
        return dict(stored)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_two_workers_learn_what_one_process_learns(tmp_path, task):
    one, two = (trained(task, tmp_path / str(count), count) for count in (1, 2))
    assert one["steps"] >= 100
    for name, expected in one.items():
        np.testing.assert_allclose(two[name], expected, rtol=0, atol=1e-4 * np.abs(expected).max())


COMMAND = [sys.executable, "-m", "tasks.sentiment", "--corpus=sample", "--model=lstm", "--units=16",
           "--noexport", "--workers=2", "--epochs=30", "--patience=0"]


def children(process):
    """The processes that a process has started."""
    found = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid="], stdout=subprocess.PIPE)
    return sorted(map(int, found.stdout.split()))


def started(folder, *flags):
    """A training that has begun to take steps, and its workers."""
    (folder / "history.csv").unlink(missing_ok=True)
    process = subprocess.Popen([*COMMAND, f"--output_dir={folder}", *flags], env=ENVIRONMENT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (folder / "history.csv").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.2)
    return process, children(process)


@pytest.mark.slow
def test_a_worker_that_is_killed_stops_the_others_and_the_command_goes_on(tmp_path):
    process, (chief, other) = started(tmp_path / "run")
    os.kill(other, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("error: worker 1 of 2 ended with signal 9; the others are ")
    assert not [pid for pid in (chief, other) if os.path.exists(f"/proc/{pid}")]
    process, (chief, _) = started(tmp_path / "run")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT
    assert "Resuming at epoch" in printed and "Stopped after" in printed


def runs(pid):
    """Whether a process is there, and has not ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")
def test_workers_end_when_the_launcher_is_killed(tmp_path):
    process, pids = started(tmp_path / "run")
    process.kill()
    process.communicate()
    end = time.monotonic() + 60
    while any(map(runs, pids)):
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.slow
def test_workers_that_would_learn_other_things_are_refused(tmp_path):
    code = TRAIN.replace("workers.join()", "workers.join(); seed = workers._group.index").replace(
        "output_dir=folder,", "output_dir=folder, seed=0,").replace(
        "result =", "head.network.trainable_weights[0].assign_add("
        "seed * np.ones_like(head.network.trainable_weights[0].numpy()))\nresult =")
    command = [sys.executable, "-c", code, "sentiment", str(tmp_path / "run"),
               json.dumps(TASKS["sentiment"])]
    done = subprocess.run(
        [sys.executable, "-c", f"from tasks.training import launch; launch.launch(2, {command!r})"],
        env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode and "expected the same weights on all" in done.stderr


def test_the_parts_of_a_batch_are_the_batch(monkeypatch):
    rows = np.arange(14).reshape(7, 2)
    for kind in (np.asarray, tf.constant):
        parts = []
        for index in range(3):
            monkeypatch.setattr(workers, "_group", workers.Group(index, 3))
            parts.append(workers.part(kind(rows)))
            assert workers.part(kind(5)) == 5
        assert list(map(len, parts)) == [2, 2, 3]
        np.testing.assert_array_equal(np.concatenate(parts), rows)


def test_what_is_shared_comes_back_in_order(monkeypatch):
    shares = []
    for index in range(3):
        monkeypatch.setattr(workers, "_group", workers.Group(index, 3))
        monkeypatch.setattr(workers, "collected", lambda found: shares.append(found) or [[]] * 3)
        try:
            workers.shared(str, range(7))
        except IndexError:
            pass
    assert shares == [["0", "3", "6"], ["1", "4"], ["2", "5"]]
    monkeypatch.setattr(workers, "collected", lambda found: shares)
    assert workers.shared(str, range(7)) == list("0123456")


def test_alone_everything_stays_as_it_is():
    rows = tf.ones([2, 3])
    assert workers.part(rows) is rows and workers.gathered(rows) is rows
    assert workers.summed([rows])[0] is rows
    assert workers.shared(str, range(3)) == ["0", "1", "2"]
    assert workers.count() == 1 and workers.is_chief()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="asks for cores")
@pytest.mark.parametrize("cores, count, sizes", [(3, 2, [1, 1]), (4, 2, [2, 2]), (2, 3, [1, 1, 1])])
def test_all_workers_have_as_many_cores(monkeypatch, tmp_path, cores, count, sizes):
    given = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, chosen: given.append(chosen))
    for n in range(count):
        launch.start(["true"], ["a"] * count, n, tmp_path / "log").wait()
    assert list(map(len, given)) == sizes and set().union(*given) <= set(range(cores))


def test_the_chief_is_the_first_worker():
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    found = [launch.place({"cluster": cluster, "task": {"type": kind, "index": index}})
             for kind, index in (("chief", 0), ("worker", 0), ("worker", 1))]
    assert found == [(0, 3), (1, 3), (2, 3)]
    alone = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    assert launch.place(alone) == (0, 1)
    with pytest.raises(ValueError, match="expected a task chief or worker, received ps"):
        launch.place({"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}})


def test_several_workers_do_not_tune(monkeypatch):
    from tasks.sentiment.options import Settings
    with pytest.raises(ValueError, match="tune_minutes: expected one worker"):
        launch.wanted(Settings.of(workers=2, tune_minutes=1.0))
    assert launch.wanted(Settings.of(workers=2)) and not launch.wanted(Settings.of())
    monkeypatch.setenv(launch.CONFIG, "{}")
    assert not launch.wanted(Settings.of(workers=2))


@pytest.mark.slow
def test_ray_starts_the_workers(tmp_path):
    pytest.importorskip("ray")
    command = [one for one in COMMAND if not one.startswith("--epochs")]
    done = subprocess.run([*command, "--ray", "--epochs=1", f"--output_dir={tmp_path / 'run'}"],
                          env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "run/settings.json").read_text())
    assert settings["environment"]["workers"] == 2
    assert json.loads((tmp_path / "run/metrics.json").read_text())["train"]["epochs"] == 1
