"""The network and the head of each task."""

import importlib
import json
import pathlib
import pkgutil

from zoo import trained


def load(folder):
    """The trained model of a run, or a pretrained one: network, text processing and labels in one object.

    Args:    folder  a run's, such as "runs/sentiment", or a name in `zoo.pretrained()`
    Returns: a head with `.predict(texts)`
    Raises:  FileNotFoundError: no trained model there
             ValueError: a model of a head that is not among those imported
    """
    folder = trained.folder(folder) if is_name(folder) else folder
    return head_class(folder).load(folder)


def is_name(folder):
    """Whether a pretrained model is meant: there is one of that name, and no such folder."""
    return not pathlib.Path(folder).exists() and trained.known(folder)


def head_class(folder):
    """The class of the trained model of a run; raises as `load`."""
    path = pathlib.Path(folder) / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected a trained model in {folder}, found no model.json; train one "
                                "first, as with python -m tasks.sentiment, or take one of those in "
                                "zoo.pretrained()")
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
