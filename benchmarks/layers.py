"""How fast the recurrent layers are, beside everybody else's, on this machine.

    python -m benchmarks.layers [--quick] [--output_dir=runs/benchmarks] [--threads=2] [--busy]

For every cell, shape [B, T, D = H] and mode (inference; training, that is forward and backward with the
input's gradient and no optimiser) all contenders take turns in one process: this project's engines in
float32; its native engine in bfloat16, beside them and in no ratio; `keras.layers` as a graph and under
XLA; PyTorch and ONNX Runtime where they are installed. A turn is a rest, one call that does not count,
and some that do, one after another. Writes `layers.md`,
`layers.csv` and `layers.png`: medians, quartiles, ratios, GFLOP/s, and the share of the machine's own
peak, which is the fastest square float32 matrix product measured in the same run. With `--busy` another
process keeps one core busy all the while.
"""

import contextlib
import csv
import dataclasses
import functools
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

import numpy as np

import zoo
import keras
import tensorflow as tf

from tasks import cli, options
from zoo import engines
from zoo.options import Options, option

try:
    import torch
except ImportError:
    torch = None
try:
    import onnx
    import onnxruntime
except ImportError:
    onnx = onnxruntime = None

SHAPES = ((1, 100, 128), (1, 100, 256), (16, 200, 64), (32, 100, 128), (32, 100, 256), (64, 50, 512),
          (128, 64, 256))
QUICK_SHAPES = SHAPES[:1] + SHAPES[2:5]
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
MODES = ("inference", "training")
# Seconds that a turn lasts, and those before it: threads of OpenMP wait by spinning, and would slow the
# next contender down.
TURN, REST = 0.03, 0.01
PEERS = ("Keras", "Keras XLA", "PyTorch", "ONNX Runtime")


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions(Options):
    """Of this program."""

    quick: bool = option(False, "Four shapes, a tenth of the time.")
    busy: bool = option(False, "Run beside another process that keeps a core busy.")
    output_dir: str = option("runs/benchmarks", "Directory of the table, the CSV and the plot.")
    threads: int = option(0, "Threads for every contender; 0: as many as there are cores.", least=0)
    seconds: float = option(2.0, "Seconds that the contenders take turns for, in every case.", above=0)
    cells: tuple = option(tuple(GATES), "Cells to measure.", GATES)


Settings = options.settings(benchmark=BenchmarkOptions)


@dataclasses.dataclass
class Case:
    """What is run: one cell, one shape [B, T, D = H], one mode."""
    cell: str
    shape: tuple
    mode: str

    @property
    def flops(self):
        """Operations of the matrix products, x·W and h·U; backward does twice as many."""
        B, T, H = self.shape
        forward = 2 * B * T * 2 * H * GATES[self.cell] * H
        return forward if self.mode == "inference" else 3 * forward

    def array(self, seed):
        return np.random.default_rng(seed).normal(size=self.shape).astype("float32")

    def __str__(self):
        return f"{self.cell} {self.mode} {self.shape}"


# Contenders: each takes a case and gives a function that runs it once, or None.

def layer_function(layer, case, jit_compile=False):
    """A Keras layer, ours or Keras's own, as one graph."""
    layer.build((None, None, case.shape[-1]))
    weights = [weight.value for weight in layer.trainable_weights]

    def training(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return tape.gradient(y, [x, *weights], dy)

    dtype = layer.compute_dtype
    run = layer if case.mode == "inference" else training
    arrays = [tf.cast(case.array(seed), dtype) for seed in range(1 if case.mode == "inference" else 2)]
    return functools.partial(tf.function(lambda *given: run(*given), jit_compile=jit_compile), *arrays)


def engine_contender(engine, dtype="float32"):
    def contender(case):
        layer = getattr(zoo, case.cell)
        options = {"return_sequences": True, "engine": engine, "dtype": dtype}
        return layer_function(layer(case.shape[-1], **options), case)
    return contender


def keras_contender(jit_compile):
    def contender(case):
        layer = getattr(keras.layers, case.cell)(case.shape[-1], return_sequences=True)
        return layer_function(layer, case, jit_compile)
    return contender


def torch_contender(case):
    name = {"SimpleRNN": "RNN"}.get(case.cell, case.cell)
    layer = getattr(torch.nn, name)(case.shape[-1], case.shape[-1], batch_first=True)
    x, dy = (torch.from_numpy(case.array(seed)) for seed in range(2))

    def inference():
        with torch.no_grad():
            layer(x)

    def training():
        x.grad = None
        layer.zero_grad(set_to_none=True)
        layer(x)[0].backward(dy)

    x.requires_grad = case.mode == "training"
    return inference if case.mode == "inference" else training


def onnx_contender(case):
    """ONNX Runtime knows time-major arrays only; it is given one, so its transposition costs nothing."""
    if case.mode == "training":
        return None
    H = case.shape[-1]
    session = onnxruntime.InferenceSession(
        onnx_model(case.cell, H, GATES[case.cell]), onnx_options(), ["CPUExecutionProvider"])
    x = np.ascontiguousarray(case.array(0).transpose(1, 0, 2))
    return lambda: session.run(None, {"x": x})


def onnx_options():
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = tf.config.threading.get_intra_op_parallelism_threads()
    session.add_session_config_entry("session.force_spinning_stop", "1")  # let the others have the cores
    return session


def onnx_model(cell, H, gates):
    normal = np.random.default_rng(0).normal
    weights = [onnx.numpy_helper.from_array((normal(size=shape) / H ** 0.5).astype("float32"), name)
               for name, shape in (("W", (1, gates * H, H)), ("R", (1, gates * H, H)),
                                   ("B", (1, 2 * gates * H)))]
    extra = {"linear_before_reset": 1} if cell == "GRU" else {}
    node = onnx.helper.make_node(
        {"SimpleRNN": "RNN"}.get(cell, cell), ["x", "W", "R", "B"], ["y"], hidden_size=H, **extra)
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in (("x", (None, None, H)), ("y", (None, 1, None, H))))
    graph = onnx.helper.make_graph([node], cell, [x], [y], weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)])
    model.ir_version = 8
    return model.SerializeToString()


def contenders():
    """Name → contender: all that this machine has."""
    found = {f"zoo {name}": engine_contender(name) for name in usable_engines()}
    if "zoo native" in found:
        found["bfloat16"] = engine_contender("native", "mixed_bfloat16")
    found |= {"Keras": keras_contender(False), "Keras XLA": keras_contender(True)}
    if torch is not None:
        found["PyTorch"] = torch_contender
    if onnxruntime is not None:
        found["ONNX Runtime"] = onnx_contender
    return found


def usable_engines():
    probe = zoo.LSTM(4)
    return [name for name, engine in engines.ENGINES.items() if engine.unmet(probe) is None]


# Time.

def take_turns(functions, seconds):
    """Run the functions round and round, each round in another order; name → list of milliseconds."""
    milliseconds = {name: [] for name in functions}
    end = time.perf_counter() + seconds * len(functions)
    while time.perf_counter() < end or min(map(len, milliseconds.values())) < 5:
        for name in random.sample(list(functions), len(functions)):
            milliseconds[name] += turn(functions[name])
    return milliseconds


def turn(function):
    """Milliseconds of calls, one after another, but for the first: threads sleep, and caches are cold."""
    time.sleep(REST)
    function()
    milliseconds, end = [], time.perf_counter() + TURN
    while not milliseconds or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        milliseconds.append(1e3 * (time.perf_counter() - start))
    return milliseconds


@contextlib.contextmanager
def busy_core():
    """Another process computes all the while; it ends with this one, whatever happens."""
    spin = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    process = subprocess.Popen([sys.executable, "-c", spin])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def peak_gflops(seconds):
    """The fastest square float32 product that TensorFlow or PyTorch manages."""
    best = 0
    for N in (1024, 2048):
        a, b = (np.random.default_rng(seed).normal(size=(N, N)).astype("float32") for seed in range(2))
        product = tf.function(tf.matmul)
        functions = {"TensorFlow": functools.partial(product, tf.constant(a), tf.constant(b))}
        if torch is not None:
            arrays = torch.from_numpy(a), torch.from_numpy(b)
            functions["PyTorch"] = functools.partial(torch.matmul, *arrays)
        milliseconds = take_turns(functions, seconds)
        best = max([best, *(2e-6 * N ** 3 / min(times) for times in milliseconds.values())])
    return best


@dataclasses.dataclass
class Result:
    """One contender's milliseconds in one case."""
    case: Case
    name: str
    low: float
    median: float
    high: float

    @property
    def gflops(self):
        return 1e-6 * self.case.flops / self.median


def measured(case, seconds):
    functions = {name: contender(case) for name, contender in contenders().items()}
    times = take_turns({name: run for name, run in functions.items() if run is not None}, seconds)
    return [Result(case, name, *statistics.quantiles(values, n=4)) for name, values in times.items()]


def measured_all(settings):
    seconds = settings.seconds / 10 if settings.quick else settings.seconds
    peak, results = peak_gflops(settings.seconds), []
    for case in cases(settings):
        results += measured(case, seconds)
        print(case, {r.name: round(r.median, 2) for r in results if r.case == case}, flush=True)
    return peak, results


# What is written.

def ratios(results, peer):
    """How many times faster than a peer our fastest engine is: case → ratio."""
    found = {}
    for case in {str(result.case): result.case for result in results}.values():
        medians = {result.name: result.median for result in results if result.case == case}
        ours = min(median for name, median in medians.items() if name.startswith("zoo "))
        if peer in medians:
            found[str(case)] = medians[peer] / ours
    return found


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def markdown(results, peak, settings):
    busy = "One core busy with another process. " if settings.busy else ""
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return "\n".join([
        f"Peak: {peak:.0f} GFLOP/s (square float32 products). Threads: {threads}. {busy}"
        "Milliseconds: median (quartiles).", "", *summary(results), "", *details(results, peak), ""])


def summary(results):
    yield "| mode | peer | geometric mean | worst | where |"
    yield "|---|---|---|---|---|"
    for mode in MODES:
        for peer in PEERS:
            found = ratios([result for result in results if result.case.mode == mode], peer)
            if found:
                worst = min(found, key=found.get)
                yield (f"| {mode} | {peer} | {geometric_mean(found.values()):.2f}× "
                       f"| {found[worst]:.2f}× | {worst} |")


def details(results, peak):
    yield "| case | contender | ms | GFLOP/s | share of peak |"
    yield "|---|---|---|---|---|"
    for result in results:
        spread = f"{result.median:.2f} ({result.low:.2f}–{result.high:.2f})"
        yield (f"| {result.case} | {result.name} | {spread} | {result.gflops:.0f} "
               f"| {result.gflops / peak:.0%} |")


def write_csv(path, results, peak):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["cell", "mode", "B", "T", "H", "contender", "milliseconds", "lower_quartile",
                         "upper_quartile", "gflops", "share_of_peak"])
        for r in results:
            writer.writerow([r.case.cell, r.case.mode, *r.case.shape, r.name, round(r.median, 4),
                             round(r.low, 4), round(r.high, 4), round(r.gflops, 1),
                             round(r.gflops / peak, 4)])


def plot(path, results):
    """One panel a mode: how many times faster than each peer, case by case."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(14, 6), layout="constrained")
    for panel, mode in zip(panels, MODES):
        for peer in PEERS:
            found = ratios([result for result in results if result.case.mode == mode], peer)
            if found:
                panel.plot(list(found.values()), "o", label=peer)
                panel.set_xticks(range(len(found)), [name.replace(f" {mode}", "") for name in found],
                                 rotation=90)
        panel.axhline(1, color="gray")
        panel.set(yscale="log", title=mode, ylabel="times faster")
        panel.legend()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def cases(settings):
    shapes = QUICK_SHAPES if settings.quick else SHAPES
    return [Case(cell, shape, mode) for cell in settings.cells for mode in MODES for shape in shapes]


def main(settings):
    threads = settings.threads or len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    if torch is not None:
        torch.set_num_threads(threads)
    with busy_core() if settings.busy else contextlib.nullcontext():
        peak, results = measured_all(settings)
    folder = pathlib.Path(settings.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layers.md").write_text(markdown(results, peak, settings), encoding="utf-8")
    write_csv(folder / "layers.csv", results, peak)
    plot(folder / "layers.png", results)
    print("\n".join(summary(results)))
    print(f"wrote {folder}/layers.md, layers.csv and layers.png")


if __name__ == "__main__":
    main(cli.parse(Settings, sys.argv))
