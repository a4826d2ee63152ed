"""What the task heads share: files, signatures, answers to many texts."""

import inspect
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from zoo.models.blocks import Reader, start_from


class Head:
    """Everything it takes to answer texts: a `network` and a `text` processing.

    A subclass says

        name, text_class      as model.json names it; the class of its text processing
        settings              arguments of its own that model.json keeps
        answer_text(text)     strings [B] → {name: tensor}, batch first
        readable(row, facts)  one text's answer as people read it
        signatures(), lite_signatures(), questions(strings)    as `export` asks
    """

    settings = ()
    _held, _graph = None, None

    def predict(self, texts, batch_size=64):
        """Texts, or one text alone → a list with a dictionary each; see `readable`."""
        facts = self.facts()
        return in_slices(self.graph(), texts, lambda row: self.readable(row, facts), batch_size)

    def graph(self):
        """`answer_text` as one graph; it is traced again only when what it holds has changed."""
        held = self.network, self.text, self.description()
        if held != self._held:
            self._graph = tf.function(self.answer_text, autograph=False,
                                      input_signature=[tf.TensorSpec([None], tf.string)])
            self._held = held
        return self._graph

    def start_from(self, other):
        """Take over another head's embedding, word by word, and its recurrent layers.

        The rows of a kernel that read anything but words stay new.

        Raises:  ValueError: layers of other shapes, or another number of readers
        """
        ours, theirs = self.readers(), other.readers()
        if len(ours) != len(theirs):
            raise ValueError(f"init_from: expected {len(ours)} embeddings with their layers, received "
                             f"{len(theirs)}; train with the same cell, units, layers, embedding and "
                             "members")
        start_from(ours, theirs)

    def readers(self):
        """What reads words: a `Reader` for each embedding."""
        layers = self.network.recurrent.layers if self.network.recurrent else []
        return [Reader(self.network.embedding, self.text.vocabulary, layers)]

    @property
    def variables(self):
        return self.network.variables

    @property
    def trackables(self):
        return {"text": self.text}

    def assets(self):
        """{file name: text}: all that it takes to ask the exported files and to read their answers."""
        return {"labels.txt": "\n".join(self.labels) + "\n", "model.json": self.description(),
                **self.text.files()}

    def description(self):
        """The text of model.json."""
        facts = {"head": self.name, **self.facts()}
        return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"

    def facts(self):
        """What is in neither the network nor the text processing."""
        return {name: getattr(self, name) for name in self.settings}

    def save(self, folder):
        """Write model.keras, the text processing, and model.json."""
        folder = pathlib.Path(folder)
        self.network.save(folder / "model.keras")
        self.text.save(folder)
        (folder / "model.json").write_text(self.description(), encoding="utf-8")

    @classmethod
    def load(cls, folder):
        """What `save` wrote there."""
        folder = pathlib.Path(folder)
        facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        network = keras.saving.load_model(folder / "model.keras", compile=False)
        return cls(network, cls.text_class.load(folder), **{name: facts[name] for name in cls.settings})


def batch(texts):
    """Texts as they are, and one string alone as the only one.

    >>> batch("not bad"), batch(["not bad"])
    (['not bad'], ['not bad'])
    """
    return [texts] if isinstance(texts, (str, bytes)) else texts


def in_slices(answer, texts, named, size=64):
    """named(row) of answer(strings [B]) for all texts, in order, a slice of similar lengths at a time.

    Memory stays bounded by the longest slice; texts that are not UTF-8 are passed on as they are.
    """
    encoded = [text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
               for text in batch(texts)]
    order = sorted(range(len(encoded)), key=lambda n: len(encoded[n]))
    answered = [None] * len(encoded)
    for start in range(0, len(order), size):
        chosen = order[start:start + size]
        for n, row in zip(chosen, rows(answer(tf.constant([encoded[n] for n in chosen])))):
            answered[n] = named(row)
    return answered


def rows(answer):
    """{"label": [B], "probabilities": [B, C]} → a dictionary a row."""
    columns = {name: np.asarray(value) for name, value in answer.items()}
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def signature(function, defaults=None, **specs):
    """A graph of a function of named tensors; `defaults` {name: value} of the last ones."""
    given = {name: tf.constant(value) for name, value in (defaults or {}).items()}

    def graph(*tensors):
        return function(**dict(zip(specs, tensors)))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    graph.__signature__ = inspect.Signature([
        inspect.Parameter(name, kind, default=given.get(name, inspect.Parameter.empty))
        for name in specs])
    return tf.function(graph, input_signature=list(specs.values()), autograph=False)
