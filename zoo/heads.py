"""What the task heads share: files, signatures, answers to many texts, recurrent layers by name."""

import inspect
import json
import pathlib
import typing

import keras
import numpy as np
import tensorflow as tf

from zoo.bidirectional import Bidirectional
from zoo.gru import GRU
from zoo.lstm import LSTM
from zoo.simple_rnn import SimpleRNN
from zoo.stack import Stack

CELLS = {"simple": SimpleRNN, "gru": GRU, "lstm": LSTM}
UNKNOWN = 1


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


def check_recurrence(cell, layers):
    """Refuse a cell that there is not, and a network without a layer."""
    if cell not in CELLS:
        raise ValueError(f"cell: expected one of {list(CELLS)}, received {cell!r}")
    if layers < 1:
        raise ValueError(f"layers: expected at least 1, received {layers}")


def recurrent(cell, units, layers, bidirectional, engine, return_sequences, dropout=0.0,
              recurrent_dropout=0.0):
    """A deep recurrent network of one kind of cell, with dropout between its layers."""
    check_recurrence(cell, layers)

    def layer(sequences):
        one = CELLS[cell](units, return_sequences=sequences, engine=engine,
                          recurrent_dropout=recurrent_dropout)
        return Bidirectional(one) if bidirectional else one

    return Stack([layer(True) for _ in range(layers - 1)] + [layer(return_sequences)], dropout=dropout)


def cells_of(stack):
    """The layers of a `recurrent`, each one's forward direction."""
    return [getattr(layer, "forward_layer", layer) for layer in stack.layers]


def drop_words(ids, rate, seed_generator):
    """Words read as unknown at a rate, one for all or [B, T], padding left alone: [B, T] → [B, T]."""
    if not tf.is_tensor(rate) and not rate:
        return ids
    drawn = keras.random.uniform(tf.shape(ids), seed=seed_generator)
    return tf.where((drawn < rate) & tf.not_equal(ids, 0), UNKNOWN, ids)


def start_from(ours, theirs):
    """Take over embeddings, word by word, and recurrent layers.

    The rows of a kernel that read anything but words stay new.

    Args:    ours, theirs   readers of words, lists of `Reader`, as many
    Raises:  ValueError: layers of other shapes; nothing has changed then
    """
    shapes = [[[part.shape for _, part in reader.weights()] for reader in readers]
              for readers in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"init_from: expected recurrent layers of shapes {shapes[0]}, received "
                         f"{shapes[1]}; train with the same cell, units, layers and embedding")
    for our, their in zip(ours, theirs):
        for (weight, _), (_, part) in zip(our.weights(), their.weights()):
            weight.assign(np.concatenate([part, np.array(weight)[len(part):]]))
        row = {token: n for n, token in enumerate(their.words)}
        found = [(n, row[token]) for n, token in enumerate(our.words) if token in row]
        table, (mine, other) = our.table, np.transpose(found)
        table[mine] = their.table[other]
        our.embedding.embeddings.assign(table)


class Reader(typing.NamedTuple):
    """What reads words: an embedding, the words of its rows, the recurrent layers above it."""

    embedding: keras.layers.Embedding
    words: list
    layers: list

    @property
    def table(self):
        """The rows of the embedding [V, D], a copy."""
        return np.array(self.embedding.embeddings)

    def weights(self):
        """[(weight, its part that reads embeddings or states)]: the table, in which all words may be
        others, with no rows; then those of the recurrent layers."""
        width = self.table.shape[1]
        first = {id(w) for w in (self.layers[0].weights if self.layers else []) if w.name == "kernel"}
        parts = [(w, np.array(w)[:width] if id(w) in first else np.array(w))
                 for layer in self.layers for w in layer.weights]
        return [(self.embedding.embeddings, self.table[:0]), *parts]


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
