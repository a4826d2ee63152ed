"""The network and the head of each task."""

import importlib
import json
import pathlib

HEADS = {"classifier": "classifier.TextClassifier", "generator": "language_model.TextGenerator",
         "tagger": "tagger.TextTagger", "translator": "translator.TextTranslator"}


def load(folder):
    """The trained model of a run: network, text processing and labels in one object.

    Args:    folder  a run's, such as "runs/sentiment"
    Returns: a head with `.predict(texts)`
    Raises:  FileNotFoundError: no trained model there
    """
    return head_class(folder).load(folder)


def head_class(folder):
    """The class of the trained model of a run; raises as `load`."""
    path = pathlib.Path(folder) / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected a trained model in {folder}, found no model.json; train "
                                "one first, as with python -m tasks.sentiment")
    module, _, name = HEADS[json.loads(path.read_text(encoding="utf-8"))["head"]].partition(".")
    return getattr(importlib.import_module(f"zoo.models.{module}"), name)
