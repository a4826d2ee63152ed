"""Import TensorFlow without the log lines it writes while loading.

`TF_CPP_MIN_LOG_LEVEL` alone lets a few lines through, because they are written before the level is
read; so standard error (file descriptor 2) is turned away for the length of the import.
"""

import contextlib
import logging
import os


@contextlib.contextmanager
def standard_error_to(path):
    """Send everything written to file descriptor 2, C++ included, to `path` (kept for reading)."""
    saved = os.dup(2)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(target)
        os.close(saved)


@contextlib.contextmanager
def logging_from(name, level):
    """Have a logger of Python's say only what is of this level and above."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


def import_tensorflow():
    """Import and return TensorFlow; what it logs at level 3 and above still reaches the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with standard_error_to(os.devnull):
        import tensorflow
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow
