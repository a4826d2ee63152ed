"""What networks share: recurrent layers by name, word dropout, the weights of another network."""

import typing

import keras
import numpy as np
import tensorflow as tf

from zoo import names
from zoo.layers.bidirectional import Bidirectional
from zoo.layers.recurrent import GRU, LSTM, SimpleRNN
from zoo.layers.stack import Stack
from zoo.text.vocabulary import UNKNOWN

CELLS = dict(zip(names.CELLS, (SimpleRNN, GRU, LSTM), strict=True))


def recurrent(options, return_sequences, dropout=0.0, recurrent_dropout=0.0):
    """The recurrent layers of a network's options, with dropout between them."""

    def layer(sequences):
        one = CELLS[options.cell](options.units, return_sequences=sequences, engine=options.engine,
                                  recurrent_dropout=recurrent_dropout)
        return Bidirectional(one) if options.bidirectional else one

    return Stack([layer(True) for _ in range(options.layers - 1)] + [layer(return_sequences)],
                 dropout=dropout)


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

    Args:    ours, theirs   lists of `Backbone`, equally long
    Raises:  ValueError: layers of other shapes; nothing has changed then
    """
    shapes = [[[part.shape for _, part in one.weights()] for one in backbones]
              for backbones in (ours, theirs)]
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


class Backbone(typing.NamedTuple):
    """An embedding of words, the words of its rows, and the recurrent layers above it."""

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
