"""A run's folder: what may be opened, what is refused, and files that are whole or absent."""
import builtins
import errno
import json
import math
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from tasks import task       # which registers the files of every task
from tasks.training import run_directory
from tasks.training.run_directory import Run


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if path.is_file() and path.name != ".lock")


def test_a_new_folder_is_made_with_its_parents_and_opens_again(tmp_path):
    folder = tmp_path / "runs" / "toy"
    Run.open(folder, "toy", {"seed": 1, "layers": (2, 3)})
    again = Run.open(folder, "toy", {"layers": [2, 3], "seed": 1})
    assert again.settings == {"seed": 1, "layers": [2, 3]} and not again.finished


def test_other_settings_are_refused_by_name_with_both_values(tmp_path):
    Run.open(tmp_path, "toy", {"seed": 1, "cell": "gru", "old": 3})
    with pytest.raises(ValueError) as refusal:
        Run.open(tmp_path, "toy", {"seed": 2, "cell": "gru", "new": True})
    message = str(refusal.value)
    for part in ("--seed was 1 (now 2)", "--old was 3 (now null)", "--new was null (now true)",
                 "--overwrite", "--output_dir", str(tmp_path)):
        assert part in message
    assert "cell" not in message


def test_a_flag_that_the_run_did_not_know_is_refused_only_where_it_is_not_as_before(tmp_path):
    Run.open(tmp_path, "toy", {"seed": 1})
    before = {"words": 20000, "sizes": (1, 2), "seed": 0}
    assert Run.open(tmp_path, "toy", {"seed": 1, "words": 20000, "sizes": (1, 2)}, before=before)
    with pytest.raises(ValueError, match=r"other settings: --words was 20000 \(now 5\);"):
        Run.open(tmp_path, "toy", {"seed": 1, "words": 5, "sizes": (1, 2)}, before=before)


def test_another_environment_is_refused_until_the_run_is_finished(tmp_path):
    run = Run.open(tmp_path, "toy", {}, environment={"threads": 2})
    with pytest.raises(ValueError, match=r" threads was 2 \(now 1\)"):
        Run.open(tmp_path, "toy", {}, environment={"threads": 1})
    run.write_json("metrics.json", {})
    assert Run.open(tmp_path, "toy", {}, environment={"threads": 1}).finished


def test_a_setting_that_is_gone_is_refused_only_where_training_would_go_on_without_it(tmp_path):
    Run.open(tmp_path / "same", "toy", {"seed": 1, "optimizer": "adam", "language_cost": None})
    assert not Run.open(tmp_path / "same", "toy", {"seed": 1}).finished
    run = Run.open(tmp_path / "other", "toy", {"seed": 1, "optimizer": "asgd"})
    with pytest.raises(ValueError, match='--optimizer was "asgd"'):
        Run.open(tmp_path / "other", "toy", {"seed": 1})
    run.write_json("metrics.json", {})
    assert Run.open(tmp_path / "other", "toy", {"seed": 1}).finished


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_tasks_run_is_refused_and_left_alone(tmp_path, overwrite):
    Run.open(tmp_path, "tagging", {}).write_json("metrics.json", {"f1": 1})
    with pytest.raises(ValueError, match="a run of tasks.toy, found a run of tasks.tagging"):
        Run.open(tmp_path, "toy", {}, overwrite)
    assert contents(tmp_path) == ["metrics.json", "settings.json"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name, text", [("thesis.txt", "x"), ("settings.json", "{}"),
                                        ("settings.json", "[1"), ("settings.json", "[]")])
def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path, name, text, overwrite):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match="expected an empty folder or a run of tasks.toy"):
        Run.open(tmp_path, "toy", {}, overwrite)
    assert (tmp_path / name).read_text() == text


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(ValueError, match="expected a folder, found a file"):
        Run.open(tmp_path / "runs", "toy", {})


def test_overwriting_removes_what_a_run_writes_and_nothing_else(tmp_path):
    assert task.Run is Run
    run = Run.open(tmp_path, "toy", {"seed": 1})
    run.save_checkpoint({}, {})
    run.write_history([{"epoch": 1}])
    run.write_json("metrics.json", {})
    for name in ("plots/curve.png", "saved_model/1/saved_model.pb", "tflite/float32.tflite",
                 "saved_model/.tmp-2/x", "checkpoints/latest.npz.tmp", "MODEL_CARD.md",
                 "plots/mine.svg", "notes.txt", "saved_model/readme.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    run = Run.open(tmp_path, "toy", {"seed": 2}, overwrite=True)
    assert contents(tmp_path) == ["notes.txt", "plots/mine.svg", "saved_model/readme.txt",
                                  "settings.json"]
    assert run.settings == {"seed": 2} and not (tmp_path / "checkpoints").exists()


def test_a_start_that_was_killed_at_once_can_be_repeated(tmp_path):
    (tmp_path / "settings.json.tmp").write_text("{")
    assert Run.open(tmp_path, "toy", {"seed": 1}).settings == {"seed": 1}


def test_reading_before_any_training_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m tasks.toy --output_dir="):
        Run.existing(tmp_path / "nothing", "toy")
    Run.open(tmp_path, "toy", {"seed": 1})
    assert Run.existing(tmp_path, "toy").settings == {"seed": 1}


def test_json_takes_numpy_and_unicode_and_has_no_nan(tmp_path):
    run = Run.open(tmp_path, "toy", {})
    run.write_json("metrics.json", {"a": np.float32(0.5), "b": np.arange(2), "c": [math.nan, "é"],
                                    "d": {1: np.int64(3)}})
    assert run.finished
    assert run.read_json("metrics.json") == {"a": 0.5, "b": [0, 1], "c": [None, "é"], "d": {"1": 3}}


def test_a_checkpoint_gives_back_every_bit_and_every_float(tmp_path):
    run = Run.open(tmp_path, "toy", {})
    arrays = {"network/0": np.random.default_rng(0).normal(size=(3, 4)).astype("float32"),
              "file": np.array(7, np.int64), "seed": np.array([1, 2], np.uint32)}
    progress = {"loss": 0.1 + 0.2, "best": -math.inf, "history": [{"epoch": 1}]}
    assert run.load_checkpoint() is None
    run.save_checkpoint(arrays, progress)
    run.save_checkpoint({}, {"best": True}, "best")
    found, note = run.load_checkpoint()
    assert note == progress and found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].tobytes() == array.tobytes()
    assert run.load_checkpoint("best") == ({}, {"best": True})


def damage(whole, how):
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    return {"cut": whole[:len(whole) // 2], "empty": b"", "flipped": bytes(flipped),
            "text": b"not a checkpoint", "foreign": foreign()}[how]


def foreign():
    import io
    file = io.BytesIO()
    np.savez(file, x=np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "text", "foreign"])
def test_a_damaged_checkpoint_says_so_and_what_to_do(tmp_path, how):
    run = Run.open(tmp_path, "toy", {})
    run.save_checkpoint({"a": np.zeros(1000)}, {})
    path = tmp_path / "checkpoints/latest.npz"
    path.write_bytes(damage(path.read_bytes(), how))
    with pytest.raises(ValueError, match="latest.npz, found a damaged file .*--overwrite"):
        run.load_checkpoint()


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path, monkeypatch):
    run = Run.open(tmp_path, "toy", {})
    run.save_checkpoint({"a": np.ones(10)}, {"step": 1})
    before = contents(tmp_path)
    opened = builtins.open

    def full(path, *rest, **named):
        file = opened(path, *rest, **named)
        write, left = file.write, [200]

        def limited(data):
            left[0] -= len(data)
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(data)

        class Full:
            def __getattr__(self, name):
                return limited if name == "write" else getattr(file, name)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()
        return Full()
    monkeypatch.setattr(builtins, "open", full)
    with pytest.raises(OSError, match="No space left"):
        run.save_checkpoint({"a": np.zeros(100000)}, {"step": 2})
    monkeypatch.undo()
    found, note = run.load_checkpoint()
    assert note == {"step": 1} and (found["a"] == 1).all() and contents(tmp_path) == before


def test_the_history_has_one_row_an_epoch(tmp_path):
    run = Run.open(tmp_path, "toy", {})
    run.write_history([])
    run.write_history([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    assert (tmp_path / "history.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"


def test_another_number_of_epochs_is_refused_with_the_reason_and_a_way_on(tmp_path):
    folder, settings = tmp_path / "my run", {"epochs": 5, "units": 8}
    run = Run.open(folder, "toy", settings)
    with pytest.raises(ValueError, match=r"--epochs was 5 \(now 9\); the learning rate falls to 0 over "
                                         "all epochs.* use the same ones to resume") as refusal:
        Run.open(folder, "toy", {**settings, "epochs": 9})
    assert "init_from" not in str(refusal.value)        # there is no trained model yet
    run.write_json("metrics.json", {})
    with pytest.raises(ValueError, match="the learning rate falls to 0 over all epochs") as refusal:
        Run.open(folder, "toy", {**settings, "epochs": 9})
    words = shlex.split(str(refusal.value))
    assert f"--init_from={folder}" in words and "--output_dir=ANOTHER," in words
    assert words[-1] == "--overwrite" and "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="--epochs was 5.*--units was 8") as refusal:
        Run.open(folder, "toy", {"epochs": 9, "units": 4})
    assert "learning rate" not in str(refusal.value)


def test_settings_record_task_flags_and_environment(tmp_path):
    Run.open(tmp_path, "toy", {"seed": 1}, environment={"keras": "3"})
    assert json.loads((tmp_path / "settings.json").read_text()) == {
        "task": "toy", "settings": {"seed": 1}, "environment": {"keras": "3"}}


@pytest.fixture
def writer(tmp_path):
    """A process that writes the run in `tmp_path`, and waits."""
    code = ("import sys; from tasks.training.run_directory import Run; "
            "run = Run.open(sys.argv[1], 'toy', {'seed': 1}); "
            "print('open', flush=True); sys.stdin.read()")
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT, text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == "open\n"
    yield child
    child.kill()
    child.communicate()


@pytest.mark.slow
def test_a_run_that_another_process_writes_is_refused_until_that_one_is_dead(tmp_path, writer):
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=f"which process {writer.pid} writes"):
            Run.open(tmp_path, "toy", {"seed": 1}, overwrite)
    before = (tmp_path / "settings.json").read_bytes()
    writer.kill()
    writer.communicate()
    run = Run.open(tmp_path, "toy", {"seed": 1})
    assert (tmp_path / "settings.json").read_bytes() == before and not run.finished


@pytest.mark.slow
def test_a_run_that_another_process_writes_can_be_read_but_not_exported_again(tmp_path, writer):
    run = Run.existing(tmp_path, "toy")
    assert run.settings == {"seed": 1}
    with pytest.raises(ValueError, match="which process"):
        run.lock()


def test_one_process_may_open_its_run_again(tmp_path):
    run = Run.open(tmp_path, "toy", {"seed": 1})
    assert Run.open(tmp_path, "toy", {"seed": 2}, overwrite=True).settings == run.settings == {"seed": 2}


def test_the_command_that_is_suggested_holds_the_folder_as_one_argument(tmp_path):
    folder = tmp_path / "my runs"
    with pytest.raises(FileNotFoundError) as refusal:
        Run.existing(folder, "toy")
    assert f"--output_dir={folder}" in shlex.split(str(refusal.value).split("first: ")[1])


def test_a_file_that_is_registered_is_removed_when_the_run_starts_afresh(tmp_path, monkeypatch):
    monkeypatch.setattr(run_directory, "WRITTEN", [*run_directory.WRITTEN])
    run_directory.register("notes/*.md")
    run = Run.open(tmp_path, "toy", {})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.md").write_text("written by the run")
    (tmp_path / "notes.txt").write_text("the user's")
    Run.open(tmp_path, "toy", {}, overwrite=True)
    assert not (run.folder / "notes").exists() and (run.folder / "notes.txt").exists()
