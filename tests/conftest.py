"""What every test file shares: a quiet TensorFlow and the way to the real corpora."""
import contextlib
import importlib
import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
for _name in ("no_proxy", "NO_PROXY"):  # servers of the tests are asked without one
    os.environ[_name] = "127.0.0.1,localhost"
pytest.register_assert_rewrite("layer_checks")
ROOT = pathlib.Path(__file__).resolve().parents[1]
WHOLE_RUNS = ("translation", "tagging", "sentiment", "generation", "text_translator", "text_generator",
              "saved_model", "tflite", "export_run", "serve")


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
    """What a test leaves to chance does not depend on the tests before it, and is the same every time."""
    import keras
    keras.utils.set_random_seed(0)


def pytest_collection_modifyitems(items):
    """The longest files first, so that no core waits for another's at the end."""
    whole = [f"test_{name}.py" for name in WHOLE_RUNS]
    items.sort(key=lambda item: item.path.name not in whole)


@pytest.fixture(scope="session")
def shared():
    """The folder `shared` beside the repository, which holds real corpora; skips without it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("real corpora not found: ../shared is absent")
    return folder


@contextlib.contextmanager
def flags_of(task):
    """The flags of one task, as in its program; afterwards another task may define its own."""
    from absl.flags import FLAGS
    before = set(FLAGS)
    importlib.import_module(f"tasks.{task.name}.flags").define()
    try:
        yield
    finally:
        for name in set(FLAGS) - before:
            delattr(FLAGS, name)
        FLAGS.unparse_flags()


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
