"""The network and the head of each task."""

import importlib
import json
import pathlib
import pkgutil


def load(folder):
    """The trained model of a run: network, text processing and labels in one object.

    Args:    folder  a run's, such as "runs/sentiment"
    Returns: a head with `.predict(texts)`
    Raises:  FileNotFoundError: no trained model there
             ValueError: a model of a head that is not among those imported
    """
    return head_class(folder).load(folder)


def head_class(folder):
    """The class of the trained model of a run; raises as `load`."""
    path = pathlib.Path(folder) / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected a trained model in {folder}, found no model.json; train "
                                "one first, as with python -m tasks.sentiment")
    known, name = heads(), json.loads(path.read_text(encoding="utf-8"))["head"]
    if name not in known:
        raise ValueError(f"head: expected one of {', '.join(sorted(known))} in {path}, received "
                         f"{name!r}; import the module that defines it first")
    return known[name]


def heads():
    """{name: class} of every head of this folder's modules and of what else is imported."""
    for module in pkgutil.iter_modules(__path__, "zoo.models."):
        importlib.import_module(module.name)
    return importlib.import_module("zoo.models.head").Head.classes
