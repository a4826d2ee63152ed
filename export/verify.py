"""Verifies a SavedModel in a process of its own, as a server without this project would load it.

`export.saved_model` runs this very file. Hence nothing of the project is imported here.
"""
import json
import os
import pickle
import statistics
import sys
import time

import numpy as np
import tensorflow as tf

TOLERANCE = 1e-5
# Stock ops that only work in the process, or on the machine, that traced them.
TIED = ("PyFunc", "PyFuncStateless", "EagerPyFunc", "CudnnRNN", "Xla", "TPU", "TRTEngineOp")
PROJECT = ("zoo", "export", "tasks")


def check(path, answers):
    """Check the SavedModel at `path`: its ops, and its answers in two runtimes.

    Args:    answers  {signature: (inputs, expected outputs)}, arrays by name
    Returns: {"ops_checked", "milliseconds"}
    Raises:  ValueError: names the op, or the signature and the difference
    """
    kinds = check_ops(path)
    loaded = tf.saved_model.load(path)
    for runtime, run in (("Python", _in_python(loaded)), ("a session", _in_session(path))):
        for name, (inputs, expected) in answers.items():
            check_answer(f"{name} in {runtime}", run(name, inputs), expected)
    return {"ops_checked": len(kinds), "milliseconds": _latency(loaded, answers)}


def check_ops(path):
    """The kinds of op in the graph and its functions; ValueError if a server could not run one."""
    nodes = graph_nodes(path)
    for node in nodes:
        if node.op.startswith(TIED):
            raise ValueError(f"op {node.op} (node {node.name}) runs only where it was traced")
        if node.attr["_XlaMustCompile"].b:
            raise ValueError(f"node {node.name} must be compiled by XLA, which servers switch off: "
                             "export without jit_compile=True")
        if "GPU" in node.device:
            raise ValueError(f"node {node.name} is placed on {node.device}")
    unknown = unknown_ops(nodes)
    if unknown:
        raise ValueError(f"op {', '.join(unknown)} belongs neither to TensorFlow nor to "
                         "tensorflow-text")
    return {node.op for node in nodes}


def graph_nodes(path):
    """Every node of the graph and of its function library, read without loading the model."""
    graph = meta_graph(path).graph_def
    functions = graph.library.function
    return [*graph.node, *(node for function in functions for node in function.node_def)]


def meta_graph(path):
    from tensorflow.core.protobuf import saved_model_pb2
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        return saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0]


def unknown_ops(nodes):
    """Kinds of op that this process lacks, tensorflow-text being imported if the stock ones do
    not suffice."""
    from tensorflow.python.framework import op_def_registry
    kinds = {node.op for node in nodes}
    unknown = sorted(kind for kind in kinds if op_def_registry.get(kind) is None)
    if unknown:
        import tensorflow_text  # noqa: F401, registers its ops
    return [kind for kind in unknown if op_def_registry.get(kind) is None]


def check_answer(where, outputs, expected):
    """ValueError unless names, shapes and values agree, numbers to 1e-5."""
    if set(outputs) != set(expected):
        raise ValueError(f"{where}: expected outputs {sorted(expected)}, got {sorted(outputs)}")
    for name, right in expected.items():
        got = outputs[name]
        if got.shape != right.shape:
            raise ValueError(f"{where}: {name} has shape {got.shape}, expected {right.shape}")
        if right.dtype.kind == "f":
            difference = np.max(np.abs(got - right) / np.maximum(1, np.abs(right)), initial=0)
            if not difference <= TOLERANCE:
                raise ValueError(f"{where}: {name} differs from the head's by {difference:.1e}")
        elif not np.array_equal(got, right):
            raise ValueError(f"{where}: {name} differs from the head's")


def _in_python(loaded):
    def run(name, inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return {key: value.numpy() for key, value in loaded.signatures[name](**tensors).items()}
    return run


def _in_session(path):
    # Restores variables and tables by the graph alone, as TF Serving's C++ does.
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], path)

    def run(name, inputs):
        signature = meta.signature_def[name]
        feed = {signature.inputs[key].name: value for key, value in inputs.items()}
        return session.run({key: info.name for key, info in signature.outputs.items()}, feed)
    return run


def _latency(loaded, answers, requests=50):
    """Median milliseconds of one request of one example, after two that warm up."""
    name = "serving_default" if "serving_default" in answers else next(iter(answers))
    inputs = answers[name][0]
    rows = len(next(iter(inputs.values())))
    milliseconds = []
    for request in range(requests + 2):
        row = request % rows
        one = {key: tf.constant(value[row:row + 1]) for key, value in inputs.items()}
        start = time.perf_counter()
        loaded.signatures[name](**one)
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(milliseconds[2:]), 3)


def main():
    sys.path.pop(0)
    sys.modules.update(dict.fromkeys(PROJECT))  # None: importing these now fails
    try:
        report = check(sys.argv[1], pickle.load(sys.stdin.buffer))
    except Exception as error:
        report = {"refused": str(error) or repr(error)}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
