"""The signature `ids` of a head as an ONNX file, for runtimes whose kernels are not TensorFlow's.

    folder/model.onnx   and beside it labels, vocabulary and the tokenizer as tables, as of a TFLite file

An output that is called as an input is called next_… there, since a name of ONNX stands for one tensor.
It takes the extra `onnx`: tf2onnx converts, ONNX Runtime checks.
"""
import logging
import os
import pathlib
import time

import numpy as np

from export import (
    ExportError, cannot_write, one_line, optional, quiet, stock_ops, tokenizer, unfinished, verify)
from export.saved_model import answers_of
from zoo.models.head import batch

NAME, SIGNATURE = "model.onnx", "ids"
OPSET = 17
REQUESTS = 200


def write(head, folder, examples):
    """Write `folder/model.onnx`, once ONNX Runtime has given the head's outputs for it, to 1e-5.

    Args:    examples  real strings: together and one by one they are what both are compared on
    Returns: {"file", "bytes", "seconds", "milliseconds", "milliseconds_p95"}: the times of one text on
             one thread
    Raises:  ExportError: an operation that ONNX does not have, other outputs, a folder that takes no
             files; ModuleNotFoundError: no extra `onnx`. An earlier file stays
    """
    start, folder = time.perf_counter(), pathlib.Path(folder)
    with unfinished(folder) as work, stock_ops("loop"):
        signature = head.lite_signatures()[SIGNATURE]
        answers = answers_of(head, {SIGNATURE: signature}, batch(examples))
        try:
            (work / NAME).write_bytes(converted(signature))
            milliseconds = _verify(work / NAME, *answers[SIGNATURE])
            _publish(work, folder, {**head.assets(), **tokenizer.files(head.trackables.get("text"))})
        except OSError as error:
            raise cannot_write(folder, error) from None
    return {"file": NAME, "bytes": (folder / NAME).stat().st_size,
            "seconds": round(time.perf_counter() - start, 3), **verify.times(milliseconds)}


def need():
    """ModuleNotFoundError, in one line, if the extra `onnx` is not there."""
    with optional("onnx"):
        import onnxruntime  # noqa: F401
        import tf2onnx      # noqa: F401


def converted(function):
    """The bytes of an ONNX model of a `tf.function` with an input_signature."""
    with optional("onnx"):
        import tf2onnx
    with _quiet():
        model, _ = tf2onnx.convert.from_function(
            _renamed(function), input_signature=function.input_signature, opset=OPSET,
            custom_op_handlers={"ScatterNd": (_summed, ["ScatterND"])})
    return model.SerializeToString()


def output_name(name, inputs):
    """What ONNX calls an output. Args: inputs, the names of the inputs.

    >>> output_name("state_0", ["ids", "state_0"]), output_name("tags", ["ids"])
    ('next_state_0', 'tags')
    """
    return f"next_{name}" if name in inputs else name


def _renamed(function):
    import tensorflow as tf
    inputs = [spec.name for spec in function.input_signature]

    @tf.function(input_signature=function.input_signature, autograph=False)
    def graph(*tensors):
        return {output_name(name, inputs): value for name, value in function(*tensors).items()}
    return graph


def _summed(context, node, name, arguments):
    """ScatterNd adds what falls on one place; tf2onnx 1.17 keeps the last of it alone."""
    from tf2onnx.onnx_opset.tensor import ScatterND
    ScatterND.version_11(context, node)
    node.set_attr("reduction", "add")


def _quiet():
    # The converter logs each rewriter that does not apply.
    return quiet.logging_from("tf2onnx", logging.CRITICAL)


class Session:
    """Runs an ONNX file on one thread: `Session(path)(ids=[[2, 3]])` → {output name: array}.

    Names are those of the signature. Raises ValueError: an operation that ONNX Runtime does not have.
    """

    def __init__(self, path, threads=1):
        with optional("onnx"):
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options)
        except Exception as error:      # ONNX Runtime's own classes, which are not public
            raise ValueError(f"ONNX Runtime: {one_line(error)}") from None
        self.inputs = {one.name: one.type for one in self._session.get_inputs()}
        self._outputs = [one.name.removeprefix("next_") for one in self._session.get_outputs()]

    def __call__(self, **inputs):
        arrays = {name: np.asarray(inputs[name], np.int32 if "int32" in kind else np.float32)
                  for name, kind in self.inputs.items()}
        return dict(zip(self._outputs, self._session.run(None, arrays)))


def _verify(path, inputs, expected):
    """Milliseconds of each text alone; the outputs of all together, and of each alone, are the head's."""
    try:
        run = Session(path)
        verify.check_answer(SIGNATURE, run(**inputs), expected)
        milliseconds = []
        for n, row in enumerate(verify.rows(inputs)):
            verify.check_answer(f"{SIGNATURE} of one text", run(**row),
                                {name: value[n:n + 1] for name, value in expected.items()})
            for _ in range(max(1, REQUESTS // len(expected))):
                start = time.perf_counter()
                run(**row)
                milliseconds.append(1e3 * (time.perf_counter() - start))
                if sum(milliseconds) > 1e3 * verify.SECONDS:
                    break
    except ValueError as error:
        raise ExportError(f"the ONNX file was refused: {one_line(error)}") from None
    return milliseconds


def _publish(work, folder, assets):
    for name, text in assets.items():
        (work / name).write_text(text, encoding="utf-8")
    for name in (*assets, NAME):
        os.replace(work / name, folder / name)
