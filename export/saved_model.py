"""A head as a SavedModel that TF Serving loads: written, verified, and only then given a version.

    folder/1/   saved_model.pb, variables/, assets/      point TF Serving at `folder`

`write` verifies in a second process, which runs `verify.py` and cannot import the project.
"""
import contextlib
import json
import logging
import os
import pathlib
import pickle
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from export import (
    ExportError, cannot_write, one_line, plain_variables, stock_ops, unfinished, verify)


def write(head, folder, examples):
    """Write `head` as the next version under `folder`, once it has been verified.

    Args:    examples  real strings; the signatures that the head has questions for are run on them
    Returns: {"version", "bytes", "ops_checked", "seconds", "milliseconds"}: the last is the
             median time of one request of one example
    Raises:  ExportError, with no new version: an op that TF Serving does not have, an answer that
             differs from the head's by more than 1e-5, a folder that cannot be written
    """
    start = time.perf_counter()
    with unfinished(folder) as work, stock_ops():
        signatures = head.signatures()
        answers = answers_of(head, signatures, examples)
        _save(head, signatures, work)
        report = _verify(work / "model", answers)
        version = _publish(work / "model", pathlib.Path(folder))
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    return {"version": int(version.name), "bytes": size, **report,
            "seconds": round(time.perf_counter() - start, 3)}


def load(folder):
    """The signatures of the newest version under `folder`: {name: function of named tensors}.

    Needs no layer of this project. Raises FileNotFoundError where there is no version.
    """
    path = _newest(folder)
    verify.unknown_ops(verify.graph_nodes(path))  # imports tensorflow-text if the graph needs it
    with _without_warnings():
        loaded = tf.saved_model.load(path)
    return {name: _keeping(loaded, function) for name, function in loaded.signatures.items()}


def describe(folder):
    """What the newest version under `folder` answers, read from its graph without loading it.

    Returns: {signature: {"takes": "ids: int32 [?, ?]", "returns": "probabilities: float32 [?, 2]"}}
    """
    path = _newest(folder)
    return {name: {"takes": _tensors(signature.inputs), "returns": _tensors(signature.outputs)}
            for name, signature in sorted(verify.meta_graph(path).signature_def.items())
            if not name.startswith("__")}


def _tensors(infos):
    def shape(info):
        return ", ".join("?" if axis.size < 0 else str(axis.size) for axis in info.tensor_shape.dim)
    return "; ".join(f"{name}: {tf.as_dtype(info.dtype).name} [{shape(info)}]"
                     for name, info in sorted(infos.items()))


def versions(folder):
    """The version numbers under `folder`, in order."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(int(name) for name in names if name.isdecimal())


def _newest(folder):
    found = versions(folder)
    if not found:
        raise FileNotFoundError(f"expected a SavedModel version (1, 2, …) in {folder}, found none: "
                                "train and export first")
    return os.path.join(folder, str(found[-1]))


@contextlib.contextmanager
def _without_warnings():
    # The loader warns that gradients were not saved; that was the intention.
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _keeping(loaded, function):
    # The variables live as long as the loaded object, which a signature does not hold on to.
    def answer(**inputs):
        _ = loaded
        return function(**inputs)
    return answer


def _save(head, signatures, work):
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    try:
        module = tf.Module()
        module.weights = plain_variables(head)
        module.files = [tf.saved_model.Asset(path) for path in _write_assets(head, work)]
        for name, trackable in head.trackables.items():
            setattr(module, name, trackable)
        tf.saved_model.save(module, str(work / "model"), signatures, options)
    except (OSError, tf.errors.OpError) as error:
        raise cannot_write(work.parent, error) from None
    except (AssertionError, ValueError) as error:
        raise ExportError(f"cannot save the head as a SavedModel: {one_line(error)}") from error


def _write_assets(head, work):
    (work / "assets").mkdir()
    for name, text in head.assets().items():
        path = work / "assets" / name
        path.write_text(text, encoding="utf-8")
        yield str(path)


def answers_of(head, signatures, examples):
    """{signature: (inputs, outputs)} for each signature that the head has a question for."""
    strings = tf.constant(list(examples), tf.string)
    questions = head.questions(strings) if len(strings) else {}
    with _full_precision():
        found = {name: (_arrays(inputs), _arrays(signatures[name](**inputs)))
                 for name, inputs in questions.items() if name in signatures}
    if not found:
        raise ExportError("expected examples, and a question to verify the export with; received "
                          f"{len(strings)} examples for {sorted(signatures)}")
    return found


def _arrays(tensors):
    return {name: np.asarray(tensor) for name, tensor in tensors.items()}


@contextlib.contextmanager
def _full_precision():
    # A GPU that rounds products to TF32 is 1e-3 off what a CPU server answers.
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _verify(path, answers):
    """Run `check` in a process without the project, as a CPU server would; return what it says."""
    command = [sys.executable, verify.__file__, str(path.resolve())]
    run = subprocess.run(command, input=pickle.dumps(answers), capture_output=True, cwd=path,
                         env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ExportError(f"the SavedModel could not be verified (exit status {run.returncode}): "
                          f"{one_line(said[-1])}")
    report = json.loads(run.stdout.splitlines()[-1])
    if "refused" in report:
        raise ExportError(f"the SavedModel was refused: {one_line(report['refused'])}")
    return report


def _publish(model, folder):
    """Rename `model` to the next version; another export may have taken the number meanwhile."""
    while True:
        version = folder / str(max(versions(folder), default=0) + 1)
        try:
            os.rename(model, version)
            return version
        except OSError as error:
            if not version.exists():
                raise cannot_write(folder, error) from None
