"""The recurrences as CPU operations (`native.cc`), compiled on first use; see `build.py` for where to.

The same library holds the training step's other large part, see `adam.py`. Before a build is kept it must
agree with the loop, see `selftest.py`. `ZOO_NATIVE=0` turns the engine off.
"""

import concurrent.futures
import contextlib
import functools
import os
import pathlib
import platform
import tempfile
import threading

import tensorflow as tf
from absl import logging
from tensorflow.python.eager import record

from zoo.engines import graphs, kinds
from zoo.engines.kinds import GRU, LSTM, kind
from zoo.engines.native import build, second_order, selftest
from zoo.engines.native.build import BuildError
from zoo.engines.native.cores import cores

FOLDER = pathlib.Path(__file__).parent
SOURCES = tuple(FOLDER / name for name in ("native.cc", "product.cc", "bfloat16.cc", "adam.cc"))
HEADERS = tuple(sorted(FOLDER.glob("*.h")))
# Hidden symbols: another build in the same process has its own threads.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno",
         "-fno-trapping-math", "-fPIC", "-fvisibility=hidden", "-pthread")


# What the engine can run.

def unmet(layer):
    """None, or what keeps the engine from running this layer, in words."""
    return _unmet_option(layer) or operations().missing


def unmet_here():
    """None, or what keeps the engine from running anything in this process, its build aside."""
    if os.environ.get("ZOO_NATIVE") == "0":
        return "ZOO_NATIVE unset: ZOO_NATIVE=0 turns the engine off"
    if tf.config.list_physical_devices("GPU"):
        return "a machine without a GPU, whose tensors it would have to copy"
    return None


def _unmet_option(layer):
    cell = layer.cell
    if unmet_here():
        return unmet_here()
    if not kinds.is_known(cell):
        return f"a SimpleRNNCell, GRUCell or LSTMCell, not a {type(cell).__name__}"
    if layer.compute_dtype not in ("float32", "bfloat16"):
        return f"float32 or bfloat16, not {layer.compute_dtype}"
    if layer.truncate is not None:
        return f"truncate=None, not {layer.truncate}"
    if cell.layer_normalization:
        return "layer normalisation off, not layer_normalization=True"
    return kinds.unmet_activation(cell)


# What the engine does.

def run(cell, inputs, states, timing, return_sequences):
    """As `zoo.engines.loop.run`."""
    return operations().run(cell, inputs, states, timing, return_sequences)


class Operations:
    """The operations of a loaded library: the forward one with its gradient, and that of `adam.py`.

    Args:  forward, backward, adam  functions that TensorFlow made of the library
           names                    of these operations
    """

    missing = None

    def __init__(self, forward, backward, adam, names):
        self.forward, self.backward, self.adam = forward, backward, adam
        tf.RegisterGradient(names[0])(self.gradient)
        tf.RegisterGradient(names[1])(second_order.gradient)

    def run(self, cell, inputs, states, timing, return_sequences):
        """As `zoo.engines.loop.run`. In bfloat16 the factors of products are rounded."""
        graphs.refuse_to_save("native")
        tensors = [inputs, tf.convert_to_tensor(cell.kernel), cell.recurrent_matrix(timing.weight_drop),
                   *pair(states), *given(timing), *biases(cell)]
        tensors = [t if t.dtype == tf.bool else tf.cast(t, tf.float32) for t in tensors]
        # Without a tape nothing is kept; a gradient asked for all the same runs the steps again.
        keep = record.should_record_backprop([t for t in tensors if t.dtype == tf.float32])
        sequence, h, c, *_ = self.forward(
            *tensors, cell=kind(cell), threads=threads(), go_backwards=timing.go_backwards,
            return_sequences=return_sequences, keep=keep, narrow=inputs.dtype == tf.bfloat16)
        sequence, h, c = (tf.cast(output, inputs.dtype) for output in (sequence, h, c))
        shape = [inputs.shape[0], cell.units]
        last = [shaped(state, shape) for state in (h, c)[:len(states)]]
        return shaped(sequence, [*inputs.shape[:2], cell.units]) if return_sequences else None, last

    def gradient(self, forward, dsequence, dh, dc, *_):
        """∂L/∂ the inputs of the forward operation, in their order."""
        *common, bias, recurrent_bias = forward.inputs
        settings = {name: forward.get_attr(name)
                    for name in ("cell", "threads", "go_backwards", "return_sequences", "narrow")}
        outputs = forward.outputs
        if not forward.get_attr("keep"):
            outputs = self.forward(*forward.inputs, keep=True, **settings)
        sequence, _, _, gates, extra = outputs
        lstm = settings["cell"] == LSTM
        _, dx, dW, dU, dh, dc, dbias, drecurrent_bias, _ = self.backward(
            *common, gates, extra, sequence, dsequence if settings["return_sequences"] else nothing(), dh,
            dc if lstm else nothing(), bias, recurrent_bias, keep=True, **settings)
        found = [dx, dW, dU, dh, dc if lstm else None, *4 * [None],  # mask, dropout, zoneout of h and c
                 dbias if is_given(bias) else None, drecurrent_bias if is_given(recurrent_bias) else None]
        return [d if d is None else shaped(d, given.shape) for d, given in zip(found, forward.inputs)]


def nothing(dtype=tf.float32):
    """How an operation is told that an input is not given."""
    return tf.zeros([0], dtype)


def is_given(tensor):
    return tensor.shape != [0]


def pair(states):
    """Both states, the second one not given where a cell has one."""
    return [*states, nothing()][:2]


def given(timing):
    """The mask, the dropout mask, and the zoneout of h and c."""
    mask = nothing(tf.bool) if timing.mask is None else timing.mask
    dropout = nothing() if timing.dropout is None else timing.dropout
    return [mask, dropout, *pair(timing.zoneout or [nothing()])]


def biases(cell):
    """The bias of x·W, and that of h·U, which only the GRU with the reset gate after has."""
    if cell.bias is None:
        return [nothing(), nothing()]
    return [cell.input_bias(), cell.recurrent_weights()[1] if kind(cell) == GRU else nothing()]


def shaped(tensor, shape):
    """Say the shape of an output: TensorFlow knows no shapes of an operation built like this."""
    tensor.set_shape(shape)
    return tensor


def threads():
    """TensorFlow's setting, but no more than the cores that this process may use."""
    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    return min(chosen, cores()) if chosen else cores()


# Where the operations come from.

WAYS = "forward", "backward", "adam"


class Missing:
    """The operations could not be had; `missing` says what they need."""

    def __init__(self, missing):
        self.missing = missing


_lock = threading.RLock()


def _renew_lock():
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # a thread may hold it that the child does not have
    os.register_at_fork(after_in_child=_renew_lock)


def operations():
    """The operations, built where they are not yet; or `Missing`. Once a process."""
    with _lock:
        return _operations()


@functools.cache
def _operations():
    try:
        return load_or_build()
    except Exception as error:  # whatever it is, the loop can do all
        why = str(error) if isinstance(error, BuildError) else f"{type(error).__name__}: {error}"
        logging.warning("native engine not available, using the loop: %s", why)
        return Missing(f"a working build of {SOURCES[0].name}: {why}")


def library():
    return build.Build("native", ".so", (*SOURCES, *HEADERS), FLAGS)


def load_or_build():
    """Load the library from the cache, or build it, compare it with the loop and keep it."""
    with library().kept() as found:
        for path, key in found:
            with contextlib.suppress(BuildError):  # a damaged one is built anew
                return load(path, key)
    with library().new() as (compiler, path, key):
        compile_library(compiler, path, key)
        loaded = load(path, key)
        # In a thread of its own: eager, whatever graph or tape is open here.
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            executor.submit(selftest.check, loaded).result()
    return loaded


def compile_library(compiler, path, key):
    """Compile the sources side by side, and link them."""
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as executor:
        objects = [f"{folder}/{source.stem}.o" for source in SOURCES]
        names = [f'-DZOO_{way.upper()}="{operation_name(way, key)}"' for way in WAYS]
        include = f"-I{FOLDER}", f"-I{tf.sysconfig.get_include()}"
        list(executor.map(lambda source, to: build.call(
            [*compiler, *FLAGS, *names, *include, "-c", str(source), "-o", to]), SOURCES, objects))
        build.call([*compiler, *FLAGS, "-shared", *platform_flags(), *objects, "-o", path])


def platform_flags():
    """On macOS the linker must be told that TensorFlow's symbols come later."""
    return ("-undefined", "dynamic_lookup") if platform.system() == "Darwin" else ()


def operation_name(way, key):
    """Whoever meets an operation where it is unknown reads in its name what to do."""
    return f"Zoo{way.capitalize()}_if_unknown_use_engine_loop_{key}"


def load(path, key):
    names = [operation_name(way, key) for way in WAYS]
    try:
        loaded = tf.load_op_library(str(path))
        operations = [getattr(loaded, name.replace("Zoo", "zoo_").lower()) for name in names]
    except (tf.errors.OpError, OSError, RuntimeError, AttributeError) as error:
        raise BuildError(f"TensorFlow cannot load {path}: {error}") from error
    return Operations(*operations, names)
