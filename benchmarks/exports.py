"""How fast exported files answer, beside what Keras exports of the equal models, on this machine.

    python -m benchmarks.exports [--quick] [--only=tagging] [--output_dir=runs/benchmarks]

Every network is built twice with the same weights, from this project's layers and from `keras.layers`,
and exported by each side's own means: TFLite files and SavedModels by `export`, and by Keras's
`model.export(format="litert")` and `model.export(format="tf_saved_model")`. One request of one text, on
one thread: TFLite in ai-edge-litert, SavedModels in TensorFlow's C++ loader. All take turns.

    layers   LSTM and GRU of 128 units over 128 inputs: TFLite at T = 64 and 512, SavedModel at T = 100
    heads    the standard network of each task, untrained

What Keras exports to TFLite as it is holds Flex ops, which ai-edge-litert does not run, so it is told to
use builtin ops only and given the length, without which they do not suffice. Writes `exports.md` and
`exports.csv`: bytes, median and 95th percentile, the median as a share of Keras's of the same format.
"""

import contextlib
import csv
import dataclasses
import functools
import os
import pathlib
import sys
import tempfile

import numpy as np
from absl import logging

import keras
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from benchmarks.keras_twins import FORMATS, Layer, head_cases, layer_cases
from benchmarks.layers import take_turns
from export import saved_model, tflite, verify
from export.cpp_loader import loader
from tasks import cli, options
from zoo.options import Options, option

COLUMNS = ("model", "T", "format", "file", "bytes", "milliseconds", "p95", "share", "difference", "note")
ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions(Options):
    """Of this program."""

    quick: bool = option(False, "float32 alone, a tenth of the time.")
    only: str = option("", "Measure the models whose names begin so: LSTM, GRU, classification, …")
    output_dir: str = option("runs/benchmarks", "Directory of the table and the CSV.")
    seconds: float = option(2.0, "Seconds that the files of a model take turns for.", above=0)


Settings = options.settings(benchmark=BenchmarkOptions)


@dataclasses.dataclass
class File:
    """A file, and how it is asked."""
    kind: str       # of `FORMATS`
    name: str
    path: str
    signature: str
    inputs: dict

    @property
    def bytes(self):
        path = pathlib.Path(self.path)
        return sum(one.stat().st_size for one in ([path] if path.is_file() else path.rglob("*"))
                   if one.is_file() and "assets" not in str(one.relative_to(path)))


@functools.cache
def exported(head, kind, quick):
    """Our files of a head, {name: path}; kept until the process ends."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=exported.folder))
    if kind == "SavedModel":
        saved_model.write(head, folder, ["w1 w2", "c"])
        return {"SavedModel": str(folder / "1")}
    variants = ("float32",) if quick or isinstance(head, Layer) else tflite.VARIANTS
    entries = tflite.write(head, folder, variants=variants)
    return {f"TFLite {name}": str(folder / entry["file"]) for name, entry in entries.items()}


def our_files(case, quick):
    return [File(kind, name, path, case.signature, case.inputs) for kind in case.formats
            for name, path in exported(case.head, kind, quick).items()]


def keras_file(case, kind):
    """The Keras model's file. Raises whatever Keras raises."""
    path = tempfile.mkdtemp(dir=exported.folder) + "/model" + ".tflite" * (kind == "TFLite")
    more = {}
    if kind == "TFLite":
        specs = [tf.TensorSpec(array.shape, array.dtype) for array in case.asked]
        builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
        more = {"input_signature": specs if len(specs) == 1 else [specs], "target_spec": builtins}
    case.twin.export(path, format=FORMATS[kind], verbose=False, **more)
    details = lite_inputs(path) if kind == "TFLite" else saved_inputs(path)
    return File(kind, f"{kind}, Keras", path, "serving_default", matched(details, case.asked))


def lite_inputs(path):
    runner_of = Interpreter(model_path=path).get_signature_runner("serving_default")
    return [name for name, _ in sorted(runner_of.get_input_details().items(),
                                       key=lambda item: item[1]["index"])]


def saved_inputs(path):
    return list(verify.signatures(path)["serving_default"].inputs)


def matched(names, arrays):
    """{name: array}: Keras names its inputs by the order in which they were made."""
    return dict(zip(sorted(names, key=lambda name: (len(name), name)), arrays, strict=True))


# Time and answers.

def lite_call(file):
    interpreter = Interpreter(model_path=file.path, num_threads=1)
    return functools.partial(interpreter.get_signature_runner(file.signature), **file.inputs)


def lite_times(files, seconds):
    """{name: (milliseconds, outputs)}, in turns."""
    calls = {file.name: lite_call(file) for file in files}
    answers = {name: call() for name, call in calls.items()}
    times = take_turns(calls, seconds) if calls else {}
    return {name: (times[name], answers[name]) for name in calls}


def cpp_times(files, rounds):
    """The same in TensorFlow's C++ loader: each round starts it anew for every file."""
    found = {file.name: ([], None) for file in files}
    for _ in range(rounds):
        for file in files:
            warm, timed = ((file.signature, file.inputs, count) for count in (10, 100))
            *_, (_, outputs, microseconds) = loader.ask(file.path, [warm, timed])
            found[file.name] = (found[file.name][0] + list(microseconds / 1e3), outputs)
    return found


@contextlib.contextmanager
def one_thread():
    """For the processes that are started meanwhile."""
    names = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


def measured(case, settings):
    """The rows of the table of one case."""
    rows = []
    for kind in case.formats:
        files = [file for file in our_files(case, settings.quick) if file.kind == kind]
        note = case.missing
        if case.twin is not None:
            try:
                files.append(keras_file(case, kind))
            except Exception as error:
                note = tflite.reason(error)
        with one_thread():
            times = (lite_times(files, settings.seconds / (10 if settings.quick else 1))
                     if kind == "TFLite" else cpp_times(files, 2 if settings.quick else ROUNDS))
        rows += table_rows(case, kind, files, times, note)
    return rows


def table_rows(case, kind, files, times, note):
    peer = f"{kind}, Keras"
    median, p95 = ({name: np.percentile(milliseconds, q) for name, (milliseconds, _) in times.items()}
                   for q in (50, 95))
    rows = [{"model": case.name, "T": case.T, "format": kind, "file": file.name, "bytes": file.bytes,
             "milliseconds": median[file.name], "p95": p95[file.name]} for file in files]
    if peer not in times:
        return [*rows, {"model": case.name, "T": case.T, "format": kind, "file": peer, "note": note}]
    wanted = case.picked(list(times[peer][1].values()))
    for row in rows[:-1]:
        answer = times[row["file"]][1]
        row["share"] = row["milliseconds"] / median[peer]
        row["difference"] = max(np.abs(answer[name] - right).max() for name, right in wanted.items())
    return rows


# What is written.

def markdown(rows):
    return "\n".join([
        "One text, one thread. ×: the median as a share of Keras's; Δ: largest difference to its.", "",
        "| model | T | file | kB | median, ms | p95, ms | × | Δ |", "|---|---|---|---|---|---|---|---|",
        *map(line, rows), ""])


def line(row):
    start = f"| {row['model']} | {row['T']} | {row['file']} | "
    if "note" in row:
        return f"{start}{row['note']} | | | | |"
    share = f"{row['share']:.2f} | {row['difference']:.0e}" if "share" in row else " | "
    return (f"{start}{row['bytes'] / 1e3:,.0f} | {row['milliseconds']:.3f} | {row['p95']:.3f} "
            f"| {share} |")


def main(settings):
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every file it saves.
    keras.utils.set_random_seed(0)  # How much an untrained translator says hangs on its weights.
    rows = []
    with tempfile.TemporaryDirectory() as exported.folder:
        for case in (*layer_cases(), *head_cases()):
            found = measured(case, settings) if case.name.startswith(settings.only) else []
            if found:
                print(*map(line, found), sep="\n", flush=True)
            rows += found
    if not rows:
        raise ValueError(f"only: expected the beginning of a case's name, received {settings.only!r}")
    folder = pathlib.Path(settings.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exports.md").write_text(markdown(rows), encoding="utf-8")
    with open(folder / "exports.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"wrote {folder}/exports.md and exports.csv")


if __name__ == "__main__":
    main(cli.parse(Settings, sys.argv))
