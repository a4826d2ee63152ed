"""A run's folder: its settings, its checkpoints and its results, each written whole or not at all.

    settings.json          the task, the flags and the environment that shaped the result
    tuning.jsonl           with --tune_minutes: what was measured to choose them, before all else
    checkpoints/latest.npz what training needs to go on; best.npz, the best weights so far
    history.csv            one row an epoch
    metrics.json           the result; it exists only once the run is finished
    .lock                  locked by the process that writes the run, for as long as it lives

A file is written under a temporary name, flushed to the disk and then renamed, so that whoever
reads it, after `kill -9` or a full disk too, finds the old one or the new one.
"""
import contextlib
import csv
import fcntl
import io
import json
import math
import os
import pathlib
import shlex
import shutil
import weakref
import zipfile

import numpy as np

TEMPORARY, LOCK = ".tmp", ".lock"
TUNING = "tuning.jsonl", "tuning.txt"       # what `tasks.tuning` measures before settings are chosen
# What a run writes, as patterns below its folder: see `register`. The metrics go first, since they say
# that all the rest is there.
WRITTEN = ["metrics.json", "checkpoints/*.npz", "history.csv", *TUNING]


def register(*patterns):
    """Name files that a run writes, where they are written; `overwrite` removes these and nothing else.

    Args:    patterns  paths below the run directory, as `pathlib.Path.glob` takes them
    """
    WRITTEN.extend(pattern for pattern in patterns if pattern not in WRITTEN)


_locks = weakref.WeakValueDictionary()    # of this process: {path: file}, while a `Run` holds it

FINGERPRINT = "fingerprint"          # the setting that stands for the corpus's content
# Settings of earlier versions, each with the value that is the only one now.
GONE = {"optimizer": "adam", "language_cost": None}


class Run:
    """The folder of one run of one task.

    Args:    folder  its path; `Run.open` makes it, `Run.existing` finds it
    Writing raises OSError (a full disk, no permission); what was there before stays whole.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> run = Run.open(folder, "sentiment", {"seed": 1})
    >>> run.write_json("metrics.json", {"accuracy": 0.75})
    >>> run.finished, run.read_json("metrics.json")
    (True, {'accuracy': 0.75})
    """

    is_kept = True      # else it is gone with the call that trains

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    @classmethod
    def open(cls, folder, task, settings, overwrite=False, environment=None, before=None):
        """Make the folder, or open it again to go on with the same settings.

        Args:    folder       path, made with its parents if it is absent
                 task         name of the task
                 settings     {flag: JSON value}, every flag that shapes the result
                 overwrite    start afresh: remove what an earlier run of this task wrote here
                 environment  {name: JSON value}, what else the bits depend on (versions, threads);
                              it no longer matters once the run is finished
                 before       {flag: JSON value} of flags that the folder's run may not have known
        Raises:  ValueError: the folder holds another task's run, no run, or other settings, or another
                 process writes it
        """
        run, stored = cls(folder), {"task": task, "settings": settings,
                                    "environment": environment or {}}
        stored = json.loads(json.dumps(stored))
        if run.is_new:
            run.folder.mkdir(parents=True, exist_ok=True)
        else:
            run._check_task(task)
        if overwrite or not run.finished:
            run.lock()
        if run.is_new:
            run.write_json("settings.json", stored)
            return run
        run._check_task(task)
        if overwrite:
            run._remove_written()
            run.write_json("settings.json", stored)
        else:
            run._check_same(stored, before or {})
        return run

    @classmethod
    def existing(cls, folder, task):
        """The run that is already in the folder, whatever its settings, for reading.

        Raises:  FileNotFoundError: nothing has been run there; ValueError: not a run of this task
        """
        run = cls(folder)
        if run.is_new:
            raise FileNotFoundError(f"expected a run of tasks.{task} in {folder}, found none; train"
                                    f" first: {command_of(task, folder)}")
        run._check_task(task)
        return run

    def clear(self, task):
        """Remove what an earlier run of the task wrote, its settings too, so that the folder is new.

        Raises:  ValueError: the folder holds something else, or another process writes it
        """
        if not self.is_new:
            self._check_task(task)
        if self.folder.exists():
            self.lock()
            self._remove_written()
            (self.folder / "settings.json").unlink(missing_ok=True)

    def lock(self):
        """Keep other processes from writing the run until this one ends, or the object is gone.

        Raises:  ValueError: another process holds it
        """
        path = self.folder.resolve() / LOCK
        self._lock = _locks.get(path) or open(path, "a+", encoding="utf-8")
        _locks[path] = self._lock
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            raise ValueError(f"expected a run that nobody writes, received {self.folder}, which process "
                             f"{self._lock.read() or '?'} writes; wait for its end, or choose another "
                             "--output_dir") from None
        except OSError:
            return  # a file system without locks
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    @property
    def finished(self):
        """Whether the run has written its result."""
        return (self.folder / "metrics.json").exists()

    @property
    def settings(self):
        """{flag: value} the run was started with."""
        return self.read_json("settings.json")["settings"]

    def read_json(self, name):
        """The value in the JSON file `name`."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def write_json(self, name, value):
        """Write a value of numbers, strings, lists and dictionaries (NumPy's too) as JSON, whole.

        JSON has no NaN and no infinity: they become null.
        """
        self.write_string(name, json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))

    def write_string(self, name, text):
        """Write a text and the end of its last line, whole."""
        with self._whole(name) as file:
            file.write(text.encode() + b"\n")

    def write_history(self, rows):
        """Write history.csv, whole: one row an epoch."""
        self.write_rows("history.csv", rows)

    def write_rows(self, name, rows):
        """Write a CSV file, whole: one row a dictionary, the columns in the order of the first."""
        text = io.StringIO(newline="")
        lines = csv.DictWriter(text, rows[0] if rows else (), lineterminator="\n")
        lines.writeheader()
        lines.writerows(rows)
        with self._whole(name) as file:
            file.write(text.getvalue().encode())

    def write_lines(self, name, rows):
        """Write a file of JSON lines, whole: one a dictionary."""
        with self._whole(name) as file:
            for row in rows:
                file.write(json.dumps(_plain(row), ensure_ascii=False).encode() + b"\n")

    def save_checkpoint(self, arrays, progress, name="latest"):
        """Write checkpoints/<name>.npz, whole.

        Args:    arrays    {name: array}
                 progress  JSON value kept beside them in the same file, floats bit for bit
        """
        note = np.frombuffer(json.dumps(progress).encode(), np.uint8)
        with self._whole(f"checkpoints/{name}.npz") as file:
            np.savez(file, **{f"array/{key}": value for key, value in arrays.items()},
                     progress=note)

    def load_checkpoint(self, name="latest"):
        """(arrays, progress) of the last `save_checkpoint`, or None where there is none.

        Raises:  ValueError: the file is damaged
        """
        path = self.folder / f"checkpoints/{name}.npz"
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key[len("array/"):]: stored[key] for key in stored if key != "progress"}
                return arrays, json.loads(stored["progress"].tobytes())
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise ValueError(f"expected a checkpoint in {path}, found a damaged file ({error}); "
                             "delete the folder checkpoints, or pass --overwrite, to train from "
                             "the start") from error

    @contextlib.contextmanager
    def _whole(self, name):
        """A binary file that takes the name `name` once it is complete and on the disk."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + TEMPORARY)
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            # On a full disk the unfinished file would be in the way of everything else.
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)

    @property
    def is_new(self):
        """Whether nothing is here yet, except what a start that was killed at once left behind."""
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"expected a folder, found a file: {self.folder}; "
                             "choose another --output_dir")
        leftover = {"settings.json" + TEMPORARY, LOCK, *TUNING, *(name + TEMPORARY for name in TUNING)}
        return not self.folder.exists() or {path.name for path in self.folder.iterdir()} <= leftover

    def _check_task(self, task):
        try:
            stored = self.read_json("settings.json")
            found = stored["task"], stored["settings"], stored["environment"]
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"expected an empty folder or a run of tasks.{task}, found other files"
                             f" in {self.folder}; choose another --output_dir (nothing was removed)"
                             ) from None
        if found[0] != task:
            raise ValueError(f"expected a run of tasks.{task}, found a run of tasks.{found[0]} in "
                             f"{self.folder}; choose another --output_dir (nothing was removed)")

    def _check_same(self, wanted, before):
        stored = self.read_json("settings.json")
        # Only a run that goes on being trained has need of what is gone.
        settings = {name: value for name, value in stored["settings"].items()
                    if name not in GONE or not self.finished and value != GONE[name]}
        differing = changes(_plain({**before, **settings}), wanted["settings"], "--")
        if not self.finished:
            differing += changes(stored["environment"], wanted["environment"])
        if differing:
            raise ValueError(f"{self.folder} holds a run with other settings: {', '.join(differing)}; "
                             f"{self._advice(differing)}")

    def _advice(self, differing):
        """What to do about settings that differ."""
        usual = "use the same ones to resume it, --overwrite to start afresh, or another --output_dir"
        if len(differing) != 1 or not differing[0].startswith("--epochs was"):
            return usual
        why = ("the learning rate falls to 0 over all epochs, so a run cannot go on exactly with more or "
               "fewer")
        start = shlex.quote(f"--init_from={self.folder}")
        return f"{why}; " + (f"start from its weights with {start} --output_dir=ANOTHER, or afresh with "
                             "--overwrite" if self.finished else usual)

    def _remove_written(self):
        for pattern in WRITTEN:
            for path in [*self.folder.glob(pattern), *self.folder.glob(pattern + TEMPORARY)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in {pattern.split("/")[0] for pattern in WRITTEN if "/" in pattern}:
            with contextlib.suppress(OSError):  # absent, or the user keeps something in it
                (self.folder / name).rmdir()


class Followed(Run):
    """A run that another process writes: this one only reads it."""

    def lock(self):
        pass

    def save_checkpoint(self, arrays, progress, name="latest"):
        pass

    @contextlib.contextmanager
    def _whole(self, name):
        yield io.BytesIO()


def command_of(task, folder):
    """What trains into a folder, as a shell takes it.

    >>> command_of("tagging", "my runs")
    "python -m tasks.tagging '--output_dir=my runs'"
    """
    return f"python -m tasks.{task} {shlex.quote(f'--output_dir={folder}')}"


def changes(before, now, prefix=""):
    """["--units was 64 (now 128)", …] for every key that differs.

    A flag that only one of them knows, and that is off, changes nothing.

    >>> changes({"units": 64, "older": False}, {"units": 128, "newer": False}, "--")
    ['--units was 64 (now 128)']
    """
    before, now = ({key: value for key, value in one.items() if value or key in other}
                   for one, other in ((before, now), (now, before)))
    return ["the corpus changed (its texts, labels or splits)" if key == FINGERPRINT else
            f"{prefix}{key} was {json.dumps(before.get(key))} (now {json.dumps(now.get(key))})"
            for key in sorted({*before, *now}) if before.get(key) != now.get(key)]


def _plain(value):
    """The value in Python's own types, null in the place of what JSON cannot say."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flush_folder(folder):
    """Make a rename in the folder survive a power cut, where the system can do so."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
