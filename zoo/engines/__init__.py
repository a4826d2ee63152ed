"""One recurrence, several engines: the same weights give the same numbers in each.

An engine is a module with two functions:

    unmet(layer)    None, or the condition that keeps it from running this layer, in words
    run(cell, inputs, states, timing, return_sequences)    as `zoo.engines.loop.run`; numbers at masked
                    steps, NaN too, reach nothing

`engine="auto"` takes the first engine of the table without an unmet condition; a named engine that
cannot run the layer raises. Inside `exporting()` every layer runs on the loop, whatever it was built
with, so that an exported graph holds stock TensorFlow ops only: as `lite` writes it for TFLite, or beside
the operation that `block` takes for a SavedModel. What Keras's or TensorFlow's own savers trace runs on
the loop too. A function traced before is refused by `tf.saved_model.save`, in words; TFLite's converter
says that it does not know an operation, whose name says to use engine="loop".
"""

import contextlib
import sys

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from zoo.engines import block, cudnn, lite, loop
from zoo.engines.native import ops

ENGINES = {"cudnn": cudnn, "native": ops, "loop": loop, "block": block, "lite": lite}

SAVERS = ("keras.src.export", "tensorflow.python.saved_model", "tensorflow.lite")

# A module global: the replica threads of `tf.distribute` see neither thread-locals nor contextvars.
_exporting = None


@contextlib.contextmanager
def exporting(engine="loop"):
    """Run every layer on the loop, on "block" or on "lite", while a graph is traced for export."""
    global _exporting
    before, _exporting = _exporting, engine
    try:
        yield
    finally:
        _exporting = before


def exports_to_tflite():
    """Whether a graph is being traced for a TFLite file: there no array may shrink in a loop."""
    return _exporting == "lite"


def check(name):
    """Raise ValueError unless `name` is "auto" or an engine."""
    if name != "auto" and name not in ENGINES:
        raise ValueError(f"engine: expected one of {['auto', *ENGINES]}, received {name!r}")
    return name


def choose(layer):
    """The name of the engine that runs `layer` now.

    Raises:  ValueError: the engine that the layer names cannot run it; says which condition is unmet
    """
    if _exporting or _saving():
        return _exporting or "loop"
    name, option = layer.engine, f"engine={layer.engine!r}"
    if layer.use_cudnn is True:
        name, option = "cudnn", "use_cudnn=True"
    if name == "auto":
        return next(name for name in ENGINES if unmet(name, layer) is None)
    condition = unmet(name, layer)
    if condition is not None:
        raise ValueError(f"{option} cannot run {layer.name}: it needs {condition}")
    return name


def unmet(name, layer):
    """None, or the condition that keeps an engine from running the layer here and now, in words."""
    if name != "loop" and control_flow_util.GraphOrParentsInXlaContext(
            tf.compat.v1.get_default_graph()):
        return "a function that XLA does not compile (jit_compile=False)"
    return ENGINES[name].unmet(layer)


def _saving():
    """Whether Keras's or TensorFlow's own saving is tracing the layer: a file must run anywhere."""
    if tf.executing_eagerly():
        return False
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(SAVERS):
            return True
        frame = frame.f_back
    return False
