"""What the task heads share: files, signatures, predictions for many texts."""

import inspect
import json
import pathlib
import typing

import keras
import numpy as np
import tensorflow as tf

from zoo.models import transfer
from zoo.models.blocks import Backbone
from zoo.text.vocabulary import utf8


class Head:
    """Everything that a prediction takes: a `network` and a `text` processing.

    A subclass states

        name, text_class      as model.json names it; the class of its text processing
        settings              arguments of its own that model.json keeps
        predict_text(text)    strings [B] → {name: tensor}, batch first
        readable(row, facts)  one text's prediction as people read it
        signature_table()     {name: `Signature`}: what is exported, each stated once
    """

    settings = ()
    classes = {}    # {name: subclass}, for `zoo.load`
    _held, _graph = None, None

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "name" in vars(cls):
            Head.classes[cls.name] = cls

    def predict(self, texts, batch_size=64):
        """Texts, or one text alone → a list with a dictionary each; see `readable`."""
        facts = self.facts()
        return in_slices(self.graph(), texts, lambda row: self.readable(row, facts), batch_size)

    def graph(self):
        """`predict_text` as one graph; it is traced again only when what it holds has changed."""
        held = self.network, self.text, self.description()
        if held != self._held:
            self._graph = tf.function(self.predict_text, autograph=False,
                                      input_signature=[tf.TensorSpec([None], tf.string)])
            self._held = held
        return self._graph

    def __getstate__(self):
        """A copy traces its own graph: graphs cannot be copied."""
        return {name: value for name, value in vars(self).items() if name not in ("_graph", "_held")}

    # What `export` takes of a head.

    def examples(self):
        """A few texts that the head can read, to verify exports with: words of its vocabulary."""
        words = next(iter(self.vocabularies().values()))[8:72]
        return [" ".join(words[n::4]) for n in range(4)]

    def signatures(self):
        """{name: graph}: the serving signatures."""
        return {name: one.graph() for name, one in self.signature_table().items()}

    def lite_signatures(self):
        """{name: graph}: those of the TFLite files, which take numbers only."""
        return {name: one.graph() for name, one in self.signature_table().items() if one.is_numeric}

    def limits(self):
        """{signature: {name: number}}: what a server lets a request cost; see `Signature`."""
        return {name: one.limits for name, one in self.signature_table().items() if one.limits}

    def example_inputs(self, strings):
        """{name: inputs} to verify each signature with, made of strings [B]."""
        return {name: one.example_inputs(strings) for name, one in self.signature_table().items()}

    def start_from(self, other):
        """Take over another head's embedding, word by word, and its recurrent layers.

        Where both are built alike (see `zoo.models.transfer.difference`) all other weights are taken
        too: rows and columns of words and labels by their names. New words and labels keep their start.

        Returns: what was taken and what is new, in a sentence
        Raises:  ValueError: layers of other shapes, or another number of backbones; nothing has changed
        """
        ours, theirs = self.backbones(), other.backbones()
        if len(ours) != len(theirs):
            raise ValueError(f"init_from: expected {len(ours)} embeddings with their layers, received "
                             f"{len(theirs)}; train with the same cell, units, layers, embedding and "
                             "ensemble")
        transfer.take_backbones(ours, theirs)
        differs = transfer.difference(self, other)
        if not differs:
            transfer.take_all(self, other)
            self.take_fitted(other)
        return transfer.described(self, other, differs)

    def take_fitted(self, other):
        """Take over another head's numbers that are fitted beside the weights, if there are any."""

    def vocabularies(self):
        """{what it lists, in the plural: list of str, by id}: those of embeddings first."""
        return {"words": self.text.vocabulary}

    def outputs(self):
        """A `zoo.models.transfer.Named` for each axis of a weight, beside the embeddings of words, along
        which labels or words stand."""
        return []

    def backbones(self):
        """A `Backbone` for each embedding of words."""
        layers = self.network.recurrent.layers if self.network.recurrent else []
        return [Backbone(self.network.embedding, self.text.vocabulary, layers)]

    @property
    def variables(self):
        return self.network.variables

    @property
    def trackables(self):
        return {"text": self.text}

    def assets(self):
        """{file name: text}: all that the exported files need to be used and read."""
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
        folder.mkdir(parents=True, exist_ok=True)
        self.network.save(folder / "model.keras")
        self.text.save(folder)
        (folder / "model.json").write_text(self.description(), encoding="utf-8")

    @classmethod
    def load(cls, folder):
        """The head that `save` wrote into a folder."""
        folder = pathlib.Path(folder)
        facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        network = keras.saving.load_model(folder / "model.keras", compile=False)
        return cls(network, cls.text_class.load(folder), **{
            name: facts[name] for name in cls.settings if name in facts})


def batch(texts):
    """Texts as they are, and one string alone as the only one.

    >>> batch("not bad"), batch(["not bad"])
    (['not bad'], ['not bad'])
    """
    return [texts] if isinstance(texts, (str, bytes)) else texts


def texts_of(texts):
    """A list of strings, of one string alone too.

    >>> texts_of([None])
    Traceback (most recent call last):
    ...
    ValueError: texts[0]: expected a string, received None
    """
    if texts is None or hasattr(texts, "columns") or not hasattr(texts, "__iter__"):
        raise ValueError(f"texts: expected a string or a list of strings, received {texts!r:.60}")
    texts = list(batch(texts))
    for number, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise ValueError(f"texts[{number}]: expected a string, received {text!r:.60}")
    return texts


def in_slices(predict, texts, readable, size=64):
    """readable(row) of predict(strings [B]) for all texts, in order, similar lengths at a time.

    Memory stays bounded by the longest slice; bytes that are not UTF-8 are passed on as they are.

    Raises:  ValueError: what is no text
    """
    texts = texts_of(texts)
    encoded = list(map(utf8, texts))
    order = sorted(range(len(encoded)), key=lambda n: len(encoded[n]))
    predictions = [None] * len(encoded)
    for start in range(0, len(order), size):
        chosen = order[start:start + size]
        for n, row in zip(chosen, rows(predict(tf.constant([encoded[n] for n in chosen])))):
            predictions[n] = readable(row)
    return predictions


def rows(predictions):
    """{"label": [B], "probabilities": [B, C]} → a dictionary a row."""
    columns = {name: np.asarray(value) for name, value in predictions.items()}
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


TEXTS = tf.TensorSpec([None], tf.string)
IDS = tf.TensorSpec([None, None], tf.int32)


class Signature(typing.NamedTuple):
    """One exported function of named tensors, and what to verify it with.

    function  of the inputs by name → {name: tensor}, batch first
    inputs    {name: TensorSpec}, in order
    example   strings [B] → {name: tensor}, those of all inputs and perhaps others; settings keep their
              defaults unless it names them; by default the strings are the first input
    settings  {name: default} of scalars, which are the last inputs
    limits    {name: number}: the greatest length of an input and value of a setting, and the greatest
              "size" and "rows"; see `export.serving.limits`. A setting above its own is cut in the graph
    """

    function: typing.Callable
    inputs: dict
    example: typing.Callable | None = None
    settings: dict = {}
    limits: dict = {}

    @property
    def is_numeric(self):
        """Whether it takes no strings."""
        return all(spec.dtype != tf.string for spec in self.inputs.values())

    def defaults(self):
        """{name: scalar tensor} of the settings."""
        return {name: tf.constant(value) for name, value in self.settings.items()}

    def example_inputs(self, strings):
        """{name: tensor} of all inputs, made of strings [B]."""
        found = self.example(strings) if self.example else {next(iter(self.inputs)): strings}
        found = {**self.defaults(), **found}
        return {name: found[name] for name in (*self.inputs, *self.settings)}

    def graph(self):
        """The function as a graph whose inputs have these names, types and defaults."""
        defaults = self.defaults()
        specs = {name: tf.TensorSpec(one.shape, one.dtype, name)
                 for name, one in {**self.inputs, **defaults}.items()}

        def graph(*tensors):
            inputs = dict(zip(specs, tensors))
            cut = {name: tf.minimum(inputs[name], self.limits[name])
                   for name in self.settings if name in self.limits}
            return self.function(**{**inputs, **cut})

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        graph.__signature__ = inspect.Signature([
            inspect.Parameter(name, kind, default=defaults.get(name, inspect.Parameter.empty))
            for name in specs])
        return tf.function(graph, input_signature=list(specs.values()), autograph=False)


def numbered(states):
    """States by the names that they have in signatures.

    >>> numbered(["h", "c"])
    {'state_0': 'h', 'state_1': 'c'}
    """
    return {f"state_{n}": state for n, state in enumerate(states)}
