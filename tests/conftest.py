"""What every test file shares: a quiet TensorFlow and the way to the real corpora."""
import collections
import contextlib
import ctypes
import functools
import gc
import io
import json
import os
import pathlib
import signal
import sys

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads of small products only wait for each other
os.environ.setdefault("MALLOC_ARENA_MAX", "2")      # of the workers: what one thread freed serves another
for _name in ("no_proxy", "NO_PROXY"):  # servers of the tests are asked without one
    os.environ[_name] = "127.0.0.1,localhost"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell script
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
pytest.register_assert_rewrite("layer_checks")
ROOT = pathlib.Path(__file__).resolve().parents[1]


def _import_quietly():
    """Imports TensorFlow with file descriptor 2 closed: some lines ignore the log level."""
    stderr, silence = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(silence)


_import_quietly()


@pytest.fixture(autouse=True)
def seed():
    """What a test leaves to chance does not depend on the tests before it, and is the same every time.

    TensorFlow's own seed is set once a file: no value of a test comes from it, and TensorFlow forgets all
    its kernels when it is set, so that a test would take up to twice as long.
    """
    import keras
    import tensorflow as tf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.random, "set_seed", lambda seed: None)
        keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def memory(request):
    """What a file made goes with it, what it and `layer_checks` have cached too.

    TensorFlow's registry keeps each traced gradient of `tf.custom_gradient`, and with it the graph.
    """
    import keras
    from tensorflow.python.framework import ops
    gradients = ops.gradient_registry._registry
    before = set(gradients)
    yield
    for module in (request.module, sys.modules.get("layer_checks")):
        for value in vars(module or object).values():
            if isinstance(value, functools._lru_cache_wrapper) and value.__module__ == module.__name__:
                value.cache_clear()
    for name in set(gradients) - before:
        if name.startswith("CustomGradient"):  # not those of an engine, which is loaded once
            del gradients[name]
    keras.utils.set_random_seed(0)      # TensorFlow's kernels go too
    keras.backend.clear_session()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # else what was freed stays ours


def pytest_configure(config):
    """pytest-xdist keeps our order of the files."""
    config.option.loadscopereorder = False


def pytest_collection_finish():
    """What TensorFlow is made of is no garbage: a collection need not look at it."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Files with the most slow tests first, then those with the most tests: no core waits at the end."""
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    tests = collections.Counter(item.path for item in items)
    items.sort(key=lambda item: (-slow[item.path], -tests[item.path]))


def diagonal(first, second):
    """The grid first × second, of which all but one diagonal, which holds every value, is slow."""
    few = min(len(first), len(second))
    return [pytest.param(a, b, marks=[pytest.mark.slow] * (i % few != j % few))
            for i, a in enumerate(first) for j, b in enumerate(second)]


def slow_but(fast, values):
    """The values as parameters: all are slow but those in `fast`."""
    assert all(value in values for value in fast)
    return [pytest.param(value, marks=[pytest.mark.slow] * (value not in fast)) for value in values]


@pytest.fixture(scope="session")
def shared():
    """The folder `shared` beside the repository, which holds real corpora; skips without it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("real corpora not found: ../shared is absent")
    return folder


@contextlib.contextmanager
def exports_here(variants=None):
    """A SavedModel unverified, and TFLite files, perhaps of some variants alone, converted in this
    process: what is left out takes long, and has its own tests."""
    from export import saved_model, tflite
    report = {"ops_checked": 0, "milliseconds": 1.0, "milliseconds_p95": 1.0, "skipped": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "_verify", lambda *arguments: report)
        patch.setattr(tflite, "_convert_all", converted)
        write = tflite.write
        if variants:
            patch.setattr(tflite, "write", lambda *places, **options: write(
                *places, **{**options, "variants": variants}))
        yield


def converted(work, variants, on_file=None):
    """What `tflite._convert_all` returns of the files that it leaves in `work`."""
    from export import tflite
    with contextlib.redirect_stdout(io.StringIO()) as said:
        tflite.convert(work, variants)
    entries = map(json.loads, said.getvalue().splitlines())
    return {entry.pop("variant"): entry for entry in entries}


@contextlib.contextmanager
def quick_exports():
    """A SavedModel unverified and no TFLite file from a run: both take long and have their own tests."""
    from export import tflite
    with exports_here(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tflite, "write", lambda *arguments, **options: {})
        yield


@pytest.fixture
def traceable(monkeypatch):
    """A machine with cuDNN, as far as the engine can tell: its operation can be traced, but not run."""
    from zoo.engines import cudnn
    monkeypatch.setattr(cudnn, "_unmet_machine", lambda: None)


@pytest.fixture
def stand_in(monkeypatch, traceable):
    """The stand-in for cuDNN's operation, in its place."""
    import tensorflow as tf
    from cudnn_checks import StandIn
    operation = StandIn()
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", operation)
    return operation


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def machine(request):
    """The stand-in, or the operation on a GPU."""
    from cudnn_checks import GPU
    if request.param == "stand-in":
        request.getfixturevalue("stand_in")
    elif not GPU:
        pytest.skip("needs an NVIDIA GPU")
