"""The standard models of the tasks with Keras's recurrent layers and attention in place of this
project's.

What Keras has no layer for (a CRF, pooling by attention, naive Bayes's ratios, words made of
characters, tied weights) is the same on both sides, and so are all rates but DropConnect's, which Keras
lacks.
"""

from unittest import mock

import keras
import tensorflow as tf

from zoo.layers.embedding import WordEmbedding
from zoo.layers.softmax import Softmax
from zoo.models import classifier, tagger

CELLS = {"simple": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


def recurrent(cell, units, layers, bidirectional, engine, return_sequences, dropout=0.0,
              recurrent_dropout=0.0):
    """`zoo.models.head.recurrent` of one layer."""
    if layers != 1:
        raise ValueError(f"layers: expected 1, received {layers}")
    layer = CELLS[cell](units, return_sequences=return_sequences, recurrent_dropout=recurrent_dropout)
    return keras.layers.Bidirectional(layer) if bidirectional else layer


def patched(module, network):
    """A new network of the same class and options whose recurrent layers are Keras's."""
    with mock.patch.object(module, "recurrent", recurrent):
        return type(network)(**network.options)


class Generator(keras.Model):
    """A language model of one layer whose state goes on from batch to batch."""

    def __init__(self, network, batch_size):
        super().__init__()
        options = network.options
        width = options["embedding"] if options["tied"] else options["units"]
        self.embedding = WordEmbedding(options["vocabulary_size"], options["embedding"],
                                       options["word_dropout"], options["embedding_dropout"])
        self.recurrent = CELLS[options["cell"]](width, return_sequences=True, stateful=True)
        self.output_dropout = keras.layers.SpatialDropout1D(options["output_dropout"])
        self.softmax = Softmax(options["vocabulary_size"], options["tied"])
        self.recurrent.build((batch_size, None, options["embedding"]))
        self.softmax.build((None, None, width))

    def call(self, inputs, training=False):
        h = self.recurrent(self.embedding(inputs["ids"], training=training), training=training)
        return self.output_dropout(h, training=training)

    def loss_of(self, targets, h):
        return self.softmax.loss(h, targets, *[self.embedding.embeddings] * self.softmax.tied)


class Translator(keras.Model):
    """An LSTM that reads both ways, one that writes, Luong's general attention, tied weights."""

    def __init__(self, network):
        super().__init__()
        self.options = options = network.options
        units, width = options["units"], options["embedding"]
        self.read, self.written = (
            WordEmbedding(options[size], width, embedding_dropout=options["embedding_dropout"])
            for size in ("source_size", "target_size"))
        self.encoder = keras.layers.Bidirectional(
            keras.layers.LSTM(units // 2, return_sequences=True, return_state=True))
        self.first = keras.layers.Dense(2 * units, activation="tanh")
        self.decoder = keras.layers.LSTM(units, return_sequences=True)
        self.keys = keras.layers.Dense(units, use_bias=False)
        self.attention = keras.layers.Attention()
        self.combination = keras.layers.Dense(width, activation="tanh", use_bias=False)
        self.values_dropout = keras.layers.SpatialDropout1D(options["layer_dropout"])
        self.output_dropout = keras.layers.SpatialDropout1D(options["output_dropout"])
        self.softmax = Softmax(options["target_size"], tied=True)
        self.softmax.build((None, None, width))

    def call(self, inputs, training=False):
        there = inputs["source"] > 0
        h, *states = self.encoder(self.read(inputs["source"], training=training), mask=there)
        h = self.values_dropout(h, training=training)
        first = tf.split(self.first(tf.concat(states, -1)), 2, -1)
        s = self.decoder(self.written(inputs["target"], training=training), initial_state=first)
        c = self.attention([s, h, self.keys(h)], mask=[None, there])
        return self.output_dropout(self.combination(tf.concat([s, c], -1)), training=training)

    def loss_of(self, targets, o):
        return self.softmax.loss(o, targets, self.written.embeddings,
                                 smoothing=self.options["label_smoothing"])


def twin(name, network, batch_size):
    """The network of task `name` as Keras has it."""
    return {"sentiment": lambda: patched(classifier, network),
            "tagging": lambda: patched(tagger, network),
            "generation": lambda: Generator(network, batch_size),
            "translation": lambda: Translator(network)}[name]()


class Fitted(keras.Model):
    """A network under `fit`, its loss summed over a batch and divided by what the batch counts."""

    def __init__(self, network, loss_function):
        super().__init__()
        self.network, self.loss_function = network, loss_function

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        targets, count = y
        return self.loss_function(targets, y_pred) / count[0]
