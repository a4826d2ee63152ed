"""Any trained head becomes files that run without this project. Knows no task.

A *head* is any object with

    variables          list of Keras variables
    trackables         {name: trackable} that the text signatures need
    signatures()       {name: tf.function with an input_signature}, batch first, outputs named; a
                       setting is an input of rank 0 whose default in the function is a tensor
    lite_signatures()  the same over numbers only
    example_inputs(strings)  {signature: {input name: tensor}}, to verify signatures with, of strings [B]
    assets()           {file name: text}, e.g. labels.txt
    limits()           {signature: {name: number}}, what a server lets a request cost; see
                       `export.serving.limits`

Whatever cannot be exported or written raises `ExportError`, whose text is one line.
"""
import contextlib
import importlib
import os
import pathlib
import shutil
import tempfile

_under_way = set()


class ExportError(ValueError):
    """One line: what was expected, what came, what to do."""


def __getattr__(name):
    """`write`, whose module imports TensorFlow."""
    if name != "write":
        raise AttributeError(f"module 'export' has no attribute {name!r}")
    return importlib.import_module("export.files").write


@contextlib.contextmanager
def optional(extra):
    """Turns a missing package into one line that says how to install it. Args: extra, of setup.cfg.

    >>> with optional("serve"):
    ...     import no_such_package
    Traceback (most recent call last):
    ModuleNotFoundError: expected the package no_such_package, received none; install it, in this \
project's folder: python -m pip install -e '.[serve]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"expected the package {error.name}, received none; install it, in this project's folder: "
            f"python -m pip install -e '.[{extra}]'", name=error.name) from None


def one_line(text, width=300):
    """The text on one line, cut to `width` characters.

    >>> one_line("Op type not registered\\n  'Beam'  ")
    "Op type not registered 'Beam'"
    """
    text = " ".join(str(text).split())
    return text if len(text) <= width else text[:width - 1] + "…"


@contextlib.contextmanager
def unfinished(folder):
    """A new folder inside `folder` for work in progress, removed at the end.

    Its name starts with a dot, so TF Serving, which looks for integers, passes it by. What a
    killed export left behind is removed too: its name holds the number of a process that is gone.
    """
    folder = pathlib.Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        work = pathlib.Path(tempfile.mkdtemp(prefix=f".unfinished-{os.getpid()}-", dir=folder))
    except OSError as error:
        raise cannot_write(folder, error) from None
    _under_way.add(work)
    try:
        yield work
    finally:
        _under_way.discard(work)
        shutil.rmtree(work, ignore_errors=True)


def cannot_write(folder, error):
    """The one line for a full disk or a folder that takes no files."""
    reason = getattr(error, "strerror", None) or one_line(error)
    return ExportError(f"cannot write the export to {folder}: {reason}; "
                       "expected a folder with free space that this user may write to")


def plain_variables(head):
    """The head's tf.Variables. A Keras variable, if tracked, is saved as an unrestored copy."""
    import tensorflow as tf
    return [v if isinstance(v, tf.Variable) else v.value for v in head.variables]


def stock_ops(engine="loop"):
    """The context to trace in: recurrent layers take an engine of stock TensorFlow ops."""
    from zoo import engines
    return engines.exporting(engine)


def _remove_abandoned(folder):
    for path in folder.glob(".unfinished-*-*"):
        if path not in _under_way and not _elsewhere(int(path.name.split("-")[1])):
            shutil.rmtree(path, ignore_errors=True)


def _elsewhere(process):
    """Whether another process of that number is alive. In a container every run may be number 1,
    so this process's own number says nothing."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process != os.getpid()
