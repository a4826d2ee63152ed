"""Asks a SavedModel through TensorFlow's C++ loader, with XLA switched off, as TF Serving does.

`loader.cc` is compiled on first use against the C++ library that the pip package holds, and kept in
the cache of `zoo.engines.native.build`.
"""
import contextlib
import importlib.util
import pathlib
import subprocess
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2

from export import verify
from zoo.engines.native import build
from zoo.engines.native.build import BuildError

SOURCE = pathlib.Path(__file__).with_name("loader.cc")
# Time goes into TensorFlow's own kernels: optimising this file would only make the build longer.
FLAGS = ("-O0", "-w")
REQUESTS = 200


def check(path, answers, requests=REQUESTS):
    """Compare the answers of the SavedModel at `path` with the expected ones, and time it.

    Args:    answers   {signature: (inputs, expected outputs)}, arrays by name
             requests  of one example each, how many are timed
    Returns: `verify.times` of one request of one example
    Raises:  BuildError: the program cannot be had here
             ValueError: it cannot load or run the model, or an answer differs
    """
    name, rows = verify.one_by_one(answers)
    rows = rows[:requests]
    answered = ask(path, [*((name, inputs, 0) for name, (inputs, _) in answers.items()),
                          *((name, row, -(-requests // len(rows))) for row in rows)])
    for signature, outputs, _ in answered[:len(answers)]:
        verify.check_answer(f"{signature} in C++", outputs, answers[signature][1])
    return verify.times(np.concatenate([microseconds for *_, microseconds in answered]) / 1e3)


def ask(path, questions):
    """What the SavedModel at `path` answers, in order, and how fast.

    Args:    questions  [(signature, {input: array}, how many further runs of it are timed)]
    Returns: [(signature, {output: array}, microseconds [runs])]
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = (f"{folder}/{name}" for name in ("requests", "answers"))
        with tf.io.TFRecordWriter(asked) as writer:
            for question in questions:
                writer.write(_message(*question))
        with program() as runner:
            run = subprocess.run([runner, path, asked, answered, *op_libraries()],
                                 capture_output=True, encoding="utf-8", errors="replace")
        if run.returncode:
            said = run.stderr.strip().splitlines() or ["no message"]
            raise ValueError(f"TensorFlow's C++ loader (exit status {run.returncode}): {said[-1]}")
        return [_answer(record.numpy()) for record in tf.data.TFRecordDataset(answered)]


def _message(name, inputs, repeats):
    message = attr_value_pb2.NameAttrList(name=name)
    message.attr["repeats"].i = repeats
    for key, value in inputs.items():
        message.attr[key].tensor.CopyFrom(tf.make_tensor_proto(value))
    return message.SerializeToString()


def _answer(record):
    message = attr_value_pb2.NameAttrList.FromString(record)
    arrays = {key: tf.make_ndarray(value.tensor) for key, value in message.attr.items()}
    return message.name, arrays, arrays.pop("microseconds")


def op_libraries():
    """The libraries of tensorflow-text's ops, which TF Serving links."""
    spec = importlib.util.find_spec("tensorflow_text")
    folders = spec.submodule_search_locations if spec else []
    return sorted(str(path) for folder in folders
                  for path in pathlib.Path(folder, "python", "ops").glob("*.so"))


@contextlib.contextmanager
def program():
    """Path of the compiled program, inside the context. Raises BuildError: no compiler, or it fails."""
    flags = *FLAGS, *tf.sysconfig.get_compile_flags(), *link_flags()
    wanted = build.Build("runner", "", (SOURCE,), flags, mode=0o700)
    with wanted.kept() as found:
        missing = not found
    if missing:
        with wanted.new() as (compiler, draft, _):
            build.call([*compiler, str(SOURCE), "-o", draft, *flags])
            _start(draft)
    with wanted.kept() as ((path, _), *_):
        yield path


def link_flags():
    """How to link TensorFlow's C++ library, and to find it when the program starts."""
    folder = tf.sysconfig.get_lib()
    libraries = sorted(pathlib.Path(folder).glob("libtensorflow_cc*.*"))
    if not libraries:
        raise BuildError(f"no libtensorflow_cc in {folder}: TensorFlow came without its C++ library")
    return [str(libraries[0]), *tf.sysconfig.get_link_flags(), f"-Wl,-rpath,{folder}"]


def _start(draft):
    """Without arguments the program says how to use it: it was linked to a TensorFlow that loads."""
    try:
        build.call([draft], status=2)
    except BuildError as error:
        raise BuildError(f"the build does not start: {error}") from error
