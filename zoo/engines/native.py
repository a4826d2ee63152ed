"""The recurrences as CPU operations (`native.cc`), compiled on first use with the machine's own compiler.

The same library holds the training step's other large part, see `adam.py`.

The build lands in a cache folder, `$XDG_CACHE_HOME/recurrent-zoo` or `~/.cache/recurrent-zoo`, under a
name made of everything it depends on: source, flags, compiler, CPU and TensorFlow. Before it goes there
it must agree with the loop. `ZOO_NATIVE=0` turns the engine off; `CXX` names the compiler.
"""

import concurrent.futures
import contextlib
import functools
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import threading

import keras
import tensorflow as tf
from absl import logging
from tensorflow.python.eager import record

from zoo import recurrence
from zoo.engines.cores import cores

FOLDER = pathlib.Path(__file__).parent
SOURCES = tuple(FOLDER / name for name in ("native.cc", "product.cc", "adam.cc"))
HEADERS = tuple(sorted(FOLDER.glob("*.h")))
# Hidden symbols: another build in the same process has its own threads.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno",
         "-fno-trapping-math", "-fPIC", "-fvisibility=hidden", "-pthread")

# The numbers of `Kind` in native.cc.
TANH, RELU, GRU, GRU_RESET_BEFORE, LSTM = range(5)

AGREEMENT = 1e-5  # with the loop: max|a−b| over max|b|


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
    if family(cell) is None:
        return f"a SimpleRNNCell, GRUCell or LSTMCell, not a {type(cell).__name__}"
    if layer.compute_dtype != "float32":
        return f"float32, not {layer.compute_dtype}"
    if layer.truncate is not None:
        return f"truncate=None, not {layer.truncate}"
    if cell.layer_normalization:
        return "layer normalisation off, not layer_normalization=True"
    return unmet_activation(cell)


def unmet_activation(cell):
    allowed = {"activation": ("tanh", "relu") if cell.gates == 1 else ("tanh",)}
    if cell.gates > 1:
        allowed["recurrent_activation"] = ("sigmoid",)
    for option, names in allowed.items():
        given = getattr(cell, option)
        if given not in [keras.activations.get(name) for name in names]:
            return f"{option} {' or '.join(names)}, not {getattr(given, '__name__', given)}"
    return None


def family(cell):
    """The cell's class, if its equations are those of `native.cc`: a subclass may have changed them."""
    name = type(cell).__name__
    known = {"SimpleRNNCell": "zoo.simple_rnn", "GRUCell": "zoo.gru", "LSTMCell": "zoo.lstm"}
    return name if type(cell).__module__ == known.get(name) else None


def kind(cell):
    """The number that `native.cc` knows the cell by."""
    if cell.gates == 4:
        return LSTM
    if cell.gates == 3:
        return GRU if cell.reset_after else GRU_RESET_BEFORE
    return RELU if cell.activation is keras.activations.relu else TANH


# What the engine does.

def run(cell, inputs, states, timing, return_sequences):
    """As `zoo.recurrence.run`."""
    return operations().run(cell, inputs, states, timing, return_sequences)


class Operations:
    """The operations of a loaded library: the forward one with its gradient, and that of `adam.py`.

    Args:  forward, backward, adam  functions that TensorFlow made of the library
           name                     of the forward operation
    """

    missing = None

    def __init__(self, forward, backward, adam, name):
        self.forward, self.backward, self.adam = forward, backward, adam
        tf.RegisterGradient(name)(self.gradient)

    def run(self, cell, inputs, states, timing, return_sequences):
        tensors = [inputs, tf.convert_to_tensor(cell.kernel), cell.recurrent_matrix(timing.weight_drop),
                   *pair(states), *given(timing), *biases(cell)]
        # Without a tape nothing is kept; a gradient asked for all the same runs the steps again.
        keep = record.should_record_backprop([t for t in tensors if t.dtype == tf.float32])
        sequence, h, c, *_ = self.forward(
            *tensors, cell=kind(cell), threads=threads(), go_backwards=timing.go_backwards,
            return_sequences=return_sequences, keep=keep)
        shape = [inputs.shape[0], cell.units]
        last = [shaped(state, shape) for state in (h, c)[:len(states)]]
        return shaped(sequence, [*inputs.shape[:2], cell.units]) if return_sequences else None, last

    def gradient(self, forward, dsequence, dh, dc, *_):
        """∂L/∂ the inputs of the forward operation, in their order."""
        *common, bias, recurrent_bias = forward.inputs
        settings = {name: forward.get_attr(name)
                    for name in ("cell", "threads", "go_backwards", "return_sequences")}
        outputs = forward.outputs
        if not forward.get_attr("keep"):
            outputs = self.forward(*forward.inputs, keep=True, **settings)
        sequence, _, _, gates, extra = outputs
        lstm = settings["cell"] == LSTM
        _, dx, dW, dU, dh, dc, dbias, drecurrent_bias, _ = self.backward(
            *common, gates, extra, sequence, dsequence if settings["return_sequences"] else nothing(), dh,
            dc if lstm else nothing(), keep=True, **settings)
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


def operations():
    """The operations, built where they are not yet; or `Missing`. Once a process."""
    with _lock:
        return _operations()


@functools.cache
def _operations():
    try:
        return load_or_build()
    except (BuildError, OSError) as error:
        logging.info("native engine not available, using the loop: %s", error)
        return Missing(f"a working build of {SOURCES[0].name}: {error}")


class BuildError(Exception):
    """Why there is no library."""


def load_or_build():
    """Load the library from the cache, or build it, compare it with the loop and keep it."""
    compiler = find_compiler()
    key = build_key(compiler)
    library = cache_folder() / f"native-{key}.so"
    if os.path.exists(library):  # also where the folder may not be read
        with contextlib.suppress(BuildError):  # a damaged one is built anew
            return load(library, key)
    with temporary(library) as path:
        compile_library(compiler, path, key)
        loaded = load(path, key)
        # In a thread of its own: eager, whatever graph or tape is open here.
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            executor.submit(check, loaded).result()
    return loaded


def find_compiler():
    """The C++ compiler: $CXX, g++ or clang++."""
    for name in filter(None, (os.environ.get("CXX"), "g++", "clang++", "c++")):
        path = shutil.which(name)
        if path:
            return path
    raise BuildError("no C++ compiler: install g++ or clang++, or set CXX to one")


def build_key(compiler, sources=(), flags=()):
    """What a build depends on, as twenty letters: the name of its file and of its operations.

    Another program's build (`export.runner`) gives its own sources and flags.
    """
    sources, flags = sources or (*SOURCES, *HEADERS), flags or FLAGS
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    texts = [path.read_text() for path in sources]
    parts = [*texts, *flags, compiler, version, processor(), tf.__version__]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digest)


def processor():
    """The processor's model and abilities: what `-march=native` looks at."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    names = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


def cache_folder():
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(root) / "recurrent-zoo"


@contextlib.contextmanager
def temporary(library):
    """A file that becomes `library` in one step if all goes well: several processes may build at once."""
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(suffix=".so", dir=library.parent)
    except OSError as error:
        raise BuildError(f"cannot write the cache folder {library.parent}: {error}") from error
    os.close(handle)
    try:
        yield path
        os.chmod(path, 0o755)  # for all who share the cache
        os.replace(path, library)
    finally:
        pathlib.Path(path).unlink(missing_ok=True)


def compile_library(compiler, path, key):
    """Compile the sources side by side, and link them."""
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as executor:
        objects = [f"{folder}/{source.stem}.o" for source in SOURCES]
        names = [f'-DZOO_{way.upper()}="{operation_name(way, key)}"' for way in WAYS]
        include = f"-I{FOLDER}", f"-I{tf.sysconfig.get_include()}"
        list(executor.map(lambda source, to: call(
            [compiler, *FLAGS, *names, *include, "-c", str(source), "-o", to]), SOURCES, objects))
        call([compiler, *FLAGS, "-shared", *platform_flags(), *objects, "-o", path])


def call(command):
    result = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if result.returncode:
        raise BuildError(f"{command[0]} failed:\n{result.stderr.strip()}")


def platform_flags():
    """On macOS the linker must be told that TensorFlow's symbols come later."""
    return ("-undefined", "dynamic_lookup") if platform.system() == "Darwin" else ()


def operation_name(way, key):
    return f"Zoo{way.capitalize()}{key}"


def load(path, key):
    try:
        library = tf.load_op_library(str(path))
    except (tf.errors.OpError, OSError, RuntimeError) as error:
        raise BuildError(f"TensorFlow cannot load {path}: {error}") from error
    return Operations(*[getattr(library, f"zoo_{way}{key}") for way in WAYS],
                      name=operation_name("forward", key))


# Trust is earned: a new build runs every cell against the loop before it is kept.

def check(operations):
    """Raise BuildError unless the operations agree with the loop, and with Adam's formula."""
    from zoo.engines import adam  # it imports this file

    for cell in sample_cells():
        wanted = outputs_and_gradients(recurrence, cell)
        found = outputs_and_gradients(operations, cell)
        if not all(agree(a, b) for a, b in zip(found, wanted)):
            raise BuildError(f"the build disagrees with the loop for {type(cell).__name__}")
    if not all(agree(a, b) for a, b in zip(*adam.found_and_wanted(operations.adam), strict=True)):
        raise BuildError("the build disagrees with the formula of Adam")


def sample_cells():
    """One cell for every kind in native.cc, weights drawn without touching anyone's random numbers."""
    from zoo import gru, lstm, simple_rnn  # they import the engines

    options = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros", "seed": 0,
               "dtype": "float32", "name": "sample"}
    cells = [*[simple_rnn.SimpleRNNCell(19, activation=phi, **options) for phi in ("tanh", "relu")],
             *[gru.GRUCell(19, reset_after=after, **options) for after in (True, False)],
             lstm.LSTMCell(19, **options)]
    for cell in cells:
        cell.build((None, 3))
        cell.set_weights([normal(n, weight.shape) / 5 for n, weight in enumerate(cell.weights)])
    return cells


def outputs_and_gradients(engine, cell):
    inputs, states = normal(10, [7, 5, 3]), [normal(20 + n, [7, 19]) for n in range(cell.states)]
    timing = recurrence.Timing(mask=normal(30, [7, 5]) > -1, go_backwards=True)
    sources = [inputs, *states, *[weight.value for weight in cell.weights]]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        sequence, last = engine.run(cell, inputs, states, timing, True)
        loss = tf.add_n([tf.reduce_sum(value * normal(40, value.shape)) for value in (sequence, *last)])
    return [sequence, *last, *tape.gradient(loss, sources)]


def normal(seed, shape):
    return tf.random.stateless_normal(shape, [seed, 0])


def agree(a, b):
    return bool(tf.reduce_max(tf.abs(a - b)) <= AGREEMENT * tf.reduce_max(tf.abs(b)))
