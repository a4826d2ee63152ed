"""Verifies a SavedModel in a process of its own, as a server without this project would load it.

`export.saved_model` runs this very file. Hence nothing of the project is imported here.
"""
import json
import os
import pickle
import sys
import time

import numpy as np

TOLERANCE = 1e-5
SECONDS = 10.0  # that requests are timed at the most: some answers take long
# Stock ops that only work in the process, or on the machine, that traced them.
TIED = ("PyFunc", "PyFuncStateless", "EagerPyFunc", "CudnnRNN", "Xla", "TPU", "TRTEngineOp")
# TF Serving → what its version lacks of the ops known here. 2.19 links tensorflow-text 2.12, the
# later ones 2.20.
LACKS = {"2.19": {"DecodeJxl", "DecodeWebP", "TFText>RoundRobinGenerateMasks", "TFText>RoundRobinTrim",
                  "TFText>Utf8Binarize"},
         "2.20": {"DecodeJxl"},
         "2.21": set()}
SERVER = "2.19"  # what it loads, the later ones load too
# Of the ops with state those that keep it in the process: variables, tables, calls, draws.
STATE = ("AssignAddVariableOp", "AssignSubVariableOp", "AssignVariable", "DisableCopyOnRead",
         "ReadVariable", "Resource", "VarHandleOp", "VarIsInitializedOp", "Variable", "HashTable",
         "LookupTable", "MutableHashTable", "MutableDenseHashTable", "TensorArray", "RandomUniform",
         "RandomStandardNormal", "TruncatedNormal", "StatefulPartitionedCall", "If", "While", "Case",
         "Assert")
# Those that restore and save a model, which no signature needs.
CHECKPOINT = {"RestoreV2", "SaveV2", "MergeV2Checkpoints", "InitializeTableFromTextFileV2"}
# Ops that read files, though TensorFlow does not count them among those with state.
FILES = {"ReadFile", "MatchingFiles", "InitializeTableFromTextFile"}
PROJECT = ("zoo", "export", "tasks")


def check(path, answers, server=SERVER):
    """Check the SavedModel at `path`: its ops, and its answers in two runtimes.

    Args:    answers  {signature: (inputs, expected outputs)}, arrays by name
             server   version of the TF Serving that is to load it
    Returns: {"ops_checked"} and `times` of one request of one example
    Raises:  ValueError: names the op, or the signature and the difference
    """
    import tensorflow as tf
    kinds = check_ops(path, server)
    check_batch(path)
    in_python = callables(path, tf.saved_model.load(path))
    for runtime, run in (("Python", _in_python(in_python)), ("a session", _in_session(path))):
        for name, (inputs, expected) in answers.items():
            check_answer(f"{name} in {runtime}", run(name, inputs), expected)
    milliseconds = _latencies(in_python, answers)
    return {"ops_checked": len(kinds), **times(milliseconds[2:] or milliseconds)}  # two warm up


def check_ops(path, server=SERVER):
    """The kinds of op in the graph and its functions; ValueError if a server could not run one."""
    if server not in LACKS:
        raise ValueError(f"expected a TF Serving version among {', '.join(LACKS)}, received {server!r}")
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
    kinds = {node.op for node in nodes}
    lacking = sorted(kinds & LACKS[server])
    if lacking:
        raise ValueError(f"op {', '.join(lacking)} is unknown to TF Serving {server}: name a later "
                         "version, or do without")
    foreign = sorted({kind for kind in kinds - CHECKPOINT if reaches_out(kind)}
                     | CHECKPOINT & {node.op for node in reachable_nodes(path)})
    if foreign:
        raise ValueError(f"op {', '.join(foreign)} may use files, the network or other means of the "
                         "machine that serves it: export without it")
    return kinds


def reaches_out(kind):
    """Whether an op uses more than its inputs and the state of the graph.

    >>> [reaches_out(kind) for kind in ("MatMul", "VarHandleOp", "ReadFile", "WriteFile", "PrintV2")]
    [False, False, True, True, True]
    """
    from tensorflow.python.framework import op_def_registry
    return kind in FILES or op_def_registry.get(kind).is_stateful and not kind.startswith(STATE)


def reachable_nodes(path):
    """The nodes that the signatures' outputs need, those of called functions included."""
    graph = meta_graph(path).graph_def
    nodes = {node.name: node for node in graph.node}
    bodies = {function.signature.name: function.node_def for function in graph.library.function}
    named, waiting = {}, [info.name for signature in signatures(path).values()
                          for info in signature.outputs.values()]
    while waiting:
        name = waiting.pop().strip("^").split(":")[0]
        if name in nodes and name not in named:
            named[name] = nodes[name]
            waiting += nodes[name].input
    found = list(named.values())
    for node in found:  # which grows meanwhile
        for name in called_functions(node):
            found += bodies.pop(name, [])
    return found


def called_functions(node):
    """The names of the functions that a node calls."""
    for attribute in node.attr.values():
        yield from (each.name for each in (attribute.func, *attribute.list.func) if each.name)


def check_batch(path):
    """ValueError unless the first axis of every tensor is the batch, settings with a default apart."""
    for name, signature in signatures(path).items():
        inputs = {key: info for key, info in signature.inputs.items() if key not in signature.defaults}
        for key, info in [*inputs.items(), *signature.outputs.items()]:
            shape = info.tensor_shape
            if not shape.unknown_rank and (not shape.dim or shape.dim[0].size >= 0):
                raise ValueError(f"signature {name}: expected the batch, of any size, as first axis of "
                                 f"{key}, received the shape {[axis.size for axis in shape.dim]}; a "
                                 "setting of rank 0 needs a default")


def graph_nodes(path):
    """Every node of the graph and of its function library, read without loading the model."""
    graph = meta_graph(path).graph_def
    functions = graph.library.function
    return [*graph.node, *(node for function in functions for node in function.node_def)]


def meta_graph(path):
    from tensorflow.core.protobuf import saved_model_pb2
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        return saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0]


def signatures(path):
    """{name: SignatureDef} of what can be asked."""
    found = meta_graph(path).signature_def
    return {name: found[name] for name in sorted(found) if not name.startswith("__")}


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


def callables(path, loaded):
    """{signature: function of named tensors} of a loaded SavedModel. A setting may be left out: its
    default comes from the graph, where Python's loader does not look for it."""
    import tensorflow as tf
    definitions = signatures(path)

    def with_defaults(name, function):
        defaults = {key: tf.constant(tf.make_ndarray(value))
                    for key, value in definitions[name].defaults.items()}

        def answer(**inputs):
            _ = loaded  # It holds the variables, which a signature alone does not.
            return function(**{**defaults, **inputs})
        return answer
    return {name: with_defaults(name, function) for name, function in loaded.signatures.items()}


def _in_python(functions):
    import tensorflow as tf

    def run(name, inputs):
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return {key: value.numpy() for key, value in functions[name](**tensors).items()}
    return run


def _in_session(path):
    # Restores variables and tables by the graph alone, as TF Serving's C++ does.
    import tensorflow as tf
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], path)

    def run(name, inputs):
        signature = meta.signature_def[name]
        feed = {signature.inputs[key].name: value for key, value in inputs.items()}
        return session.run({key: info.name for key, info in signature.outputs.items()}, feed)
    return run


def one_by_one(answers):
    """The main signature's name, and its inputs as requests of one example each."""
    name = "serving_default" if "serving_default" in answers else next(iter(answers))
    return name, rows(answers[name][0])


def rows(inputs):
    """The examples of a batch, each a batch of one; settings, of rank 0, go with every one.

    >>> rows({"ids": np.array([[2], [3]]), "top": np.array(5)})[1]
    {'ids': array([[3]]), 'top': array(5)}
    """
    count = max(len(value) for value in inputs.values() if value.ndim)
    return [{key: value[n:n + 1] if value.ndim else value for key, value in inputs.items()}
            for n in range(count)]


def _latencies(functions, answers, requests=52):
    """Milliseconds of requests of one example each, as many as there is time for."""
    import tensorflow as tf
    (name, examples), milliseconds = one_by_one(answers), []
    for request in range(requests):
        one = {key: tf.constant(value) for key, value in examples[request % len(examples)].items()}
        start = time.perf_counter()
        functions[name](**one)
        milliseconds.append(1e3 * (time.perf_counter() - start))
        if sum(milliseconds) > 1e3 * SECONDS:
            break
    return milliseconds


def times(milliseconds):
    """What is reported of the times of many requests.

    >>> times([1.0, 2.0, 3.0])
    {'milliseconds': 2.0, 'milliseconds_p95': 2.9}
    """
    median, p95 = np.percentile(milliseconds, [50, 95])
    return {"milliseconds": round(float(median), 4), "milliseconds_p95": round(float(p95), 4)}


def main():
    sys.path.pop(0)
    sys.modules.update(dict.fromkeys(PROJECT))  # None: importing these now fails
    try:
        report = check(sys.argv[1], pickle.load(sys.stdin.buffer), *sys.argv[2:])
    except Exception as error:
        report = {"refused": str(error) or repr(error)}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
