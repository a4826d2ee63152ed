"""A head as a SavedModel that TF Serving loads: written, verified, and only then given a version.

    folder/1/   saved_model.pb, variables/, assets/, …   point TF Serving at `folder`; see `tf_serving`

`write` verifies in a second process, which runs `verify.py` and cannot import the project, and then
through TensorFlow's C++ loader, which is the one TF Serving uses (`cpp_loader`).
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
    ExportError, cannot_write, checksums, one_line, plain_variables, quiet, stock_ops, tf_serving,
    unfinished, verify)
from export.cpp_loader import loader
from export.serving.versions import folders, numbers
from zoo.engines.native.build import BuildError
from zoo.models.head import batch
from zoo.text.vocabulary import utf8


def write(head, folder, examples, server=verify.SERVER, name=None):
    """Write `head` as the next version under `folder`, once it has been verified.

    Args:    examples  real strings; the signatures that the head has inputs for are run on them, and
                       a server warms up with them
             server    version of the TF Serving that is to load it
             name      what the server's model is called; by default as the folder around `folder`
    Returns: {"version", "bytes", "ops_checked", "seconds", "server", "milliseconds",
             "milliseconds_p95", "cpp", "skipped"}: the times of one request of one example in Python,
             the same in C++, and the checks that were not made, a line each
    Raises:  ExportError, with no new version: an op that TF Serving does not have, an answer that
             differs from the head's by more than 1e-5, a folder that cannot be written
    """
    start, examples = time.perf_counter(), batch(examples)
    with unfinished(folder) as work, stock_ops("block"):
        signatures = head.signatures()
        answers = answers_of(head, signatures, examples)
        _save(head, signatures, work)
        name = name or pathlib.Path(folder).resolve().parent.name
        first = example_inputs(head, signatures, examples[:1])
        every = {signature: inputs for signature, (inputs, _) in answers.items()}
        tf_serving.complete(work / "model", [*first.items(), *every.items()], name, head.limits())
        report = _verify(work / "model", answers, server)
        _finish(work / "model", folder, name)
        version = _publish(work / "model", pathlib.Path(folder))
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    return {"version": int(version.name), "bytes": size, "server": server, **report,
            "seconds": round(time.perf_counter() - start, 3)}


def load(folder):
    """The signatures of the newest version under `folder`: {name: function of named tensors}.

    Needs no layer of this project. Raises FileNotFoundError where there is no version.
    """
    path = _newest(folder)
    verify.unknown_ops(verify.graph_nodes(path))  # imports tensorflow-text if the graph needs it
    with _without_warnings():
        loaded = tf.saved_model.load(path)
    return verify.callables(path, loaded)


def describe(folder):
    """What the newest version under `folder` answers, read from its graph without loading it.

    Returns: {signature: {"takes": "ids: int32 [?, ?]", "returns": "probabilities: float32 [?, 2]",
             "example": "{…}"}}: the last is a request to TF Serving's REST API
    """
    path = _newest(folder)
    first = {}
    for name, inputs in tf_serving.warmup(path):
        first.setdefault(name, tf_serving.example(name, inputs))
    return {name: {"takes": _tensors(signature.inputs, signature.defaults),
                   "returns": _tensors(signature.outputs), "example": first.get(name)}
            for name, signature in verify.signatures(path).items()}


def _tensors(infos, defaults=()):
    def described(name, info):
        shape = ", ".join("?" if axis.size < 0 else str(axis.size) for axis in info.tensor_shape.dim)
        given = f" = {tf.make_ndarray(defaults[name])}" if name in defaults else ""
        return f"{name}: {tf.as_dtype(info.dtype).name} [{shape}]{given}"
    return "; ".join(described(name, info) for name, info in sorted(infos.items()))


def _newest(folder):
    found = folders(folder)
    if not found:
        raise FileNotFoundError(f"expected a SavedModel version (1, 2, …) in {folder}, found none: "
                                "train and export first")
    return str(found[max(found)])


def _without_warnings():
    # The loader warns that gradients were not saved; that was the intention.
    return quiet.logging_from("absl", logging.ERROR)


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
    """{signature: (inputs, outputs)} for each signature that the head has example inputs for."""
    with _full_precision():
        found = {name: (inputs, _arrays(signatures[name](**inputs)))
                 for name, inputs in example_inputs(head, signatures, examples).items()}
    if not found:
        raise ExportError("expected examples, and inputs to verify the export with; received "
                          f"{len(examples)} examples for {sorted(signatures)}")
    return found


def example_inputs(head, signatures, examples):
    """{signature: {input: array}}: the head's inputs of strings."""
    strings = tf.constant(list(map(utf8, examples)), tf.string)
    found = head.example_inputs(strings) if len(examples) else {}
    return {name: _arrays(inputs) for name, inputs in found.items() if name in signatures}


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


def _verify(path, answers, server):
    """Check in a process without the project, as a CPU server would, and in C++; what both say."""
    report = _verify_in_python(path, answers, server)
    requests = int(1e3 * verify.SECONDS / report["milliseconds"])
    try:
        times = loader.check(str(path), answers, min(loader.REQUESTS, 1 + requests))
        return {**report, "cpp": times, "skipped": []}
    except BuildError as error:
        return {**report, "skipped": [f"TensorFlow's C++ loader: {one_line(error)}"]}
    except ValueError as error:
        raise refusal(error) from None


def refusal(reason):
    return ExportError(f"the SavedModel was refused: {one_line(reason)}")


def _verify_in_python(path, answers, server):
    command = [sys.executable, verify.__file__, str(path.resolve()), server]
    run = subprocess.run(command, input=pickle.dumps(answers), capture_output=True, cwd=path,
                         env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ExportError(f"the SavedModel could not be verified (exit status {run.returncode}): "
                          f"{one_line(said[-1])}")
    report = json.loads(run.stdout.splitlines()[-1])
    if "refused" in report:
        raise refusal(report["refused"])
    return report


def _finish(model, folder, name):
    """Write the sums of the version's files, and what servers read beside them."""
    try:
        checksums.write(model)
        tf_serving.write_configuration(folder, name)
    except OSError as error:
        raise cannot_write(folder, error) from None


def _publish(model, folder):
    """Rename `model` to the next version; another export may have taken the number meanwhile."""
    while True:
        version = folder / str(max(numbers(folder), default=0) + 1)
        try:
            os.rename(model, version)
            return version
        except OSError as error:
            if not version.exists():
                raise cannot_write(folder, error) from None
