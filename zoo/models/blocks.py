"""What networks share: recurrent layers by name, word dropout, what another may start from."""

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
                                  recurrent_dropout=recurrent_dropout, truncate=options.truncate)
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


class Backbone(typing.NamedTuple):
    """An embedding of words, the words of its rows, and the recurrent layers above it."""

    embedding: keras.layers.Embedding
    words: list
    layers: list

    @property
    def table(self):
        """The rows of the embedding [V, D], a copy."""
        return np.array(self.embedding.embeddings)

    @property
    def kernels(self):
        """The weights that read the embedding, one a direction."""
        return [w for w in (self.layers[0].weights if self.layers else []) if w.name == "kernel"]

    def weights(self):
        """[(weight, its part that reads embeddings or states)]: the table, in which all words may be
        others, with no rows; then those of the recurrent layers."""
        width = self.table.shape[1]
        first = set(map(id, self.kernels))
        parts = [(w, np.array(w)[:width] if id(w) in first else np.array(w))
                 for layer in self.layers for w in layer.weights]
        return [(self.embedding.embeddings, self.table[:0]), *parts]
