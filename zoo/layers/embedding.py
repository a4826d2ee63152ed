"""Words to vectors, some of which are dropped while a network is trained."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from zoo.ops.ranges import is_inside


@keras.saving.register_keras_serializable("zoo")
class Embedding(keras.layers.Embedding):
    """Keras's layer, but an id outside the table is an error, or under XLA NaN, and not another row.

    >>> tuple(Embedding(10, 4)(tf.constant([[2, 3, 0]])).shape)
    (1, 3, 4)
    """

    def call(self, ids):
        ids = tf.convert_to_tensor(ids)
        ids = ids if ids.dtype.is_integer else tf.cast(ids, tf.int32)
        rows = tf.gather(tf.convert_to_tensor(self.embeddings), ids)
        if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
            rows = tf.where(tf.expand_dims(is_inside(ids, self.input_dim), -1), rows, np.nan)
        return tf.cast(rows, self.compute_dtype)


@keras.saving.register_keras_serializable("zoo")
class WordEmbedding(Embedding):
    """Rows of a table: ids [B, T] → x [B, T, D], ids [B] → [B, D].

        x_t = m ⊙ r[w_t]·E[w_t]

    While it is trained r drops whole rows, a word's wherever it occurs in a batch, and m [B, 1, D] drops
    coordinates, the same ones at every step of a sequence; else both are 1. E starts between ±0.1, for
    where its rows predict too, smaller ones learn slowly.

    Args:    size    rows of E;   width  D
             word_dropout        rate at which a row is dropped
             embedding_dropout   rate at which a coordinate is
    Raises:  ValueError: a rate outside [0, 1]
    Source:  Gal & Ghahramani 2016; ±0.1, Luong et al. 2015

    >>> tuple(WordEmbedding(10, 4)(tf.constant([[2, 3, 0]])).shape)
    (1, 3, 4)
    """

    def __init__(self, size, width, word_dropout=0.0, embedding_dropout=0.0, **kwargs):
        start = keras.initializers.RandomUniform(-0.1, 0.1)
        super().__init__(size, width, **{"embeddings_initializer": start, **kwargs})
        self.rates = {"word_dropout": word_dropout, "embedding_dropout": embedding_dropout}
        self.rows = keras.layers.Dropout(word_dropout, noise_shape=(None, 1))
        self.coordinates = keras.layers.SpatialDropout1D(embedding_dropout)

    def call(self, ids, training=False):
        if not training:
            return super().call(ids)
        table = tf.cast(tf.convert_to_tensor(self.embeddings), self.compute_dtype)
        if self.rates["word_dropout"]:
            table = self.rows(table, training=True)
        return self.coordinates(tf.gather(table, ids), training=True)

    def get_config(self):
        config = super().get_config()
        size, width = config.pop("input_dim"), config.pop("output_dim")
        return {**config, "size": size, "width": width, **self.rates}


@keras.saving.register_keras_serializable("zoo")
class WordVectors(keras.layers.Layer):
    """Vectors V that others have trained, beside the rows e_t of an embedding that is learnt.

        frozen, tuned   x_t = [e_t; V[w_t]]         tuned, V is trained too
        projected       x_t = e_t + V[w_t]·P        P is learnt, V is not

    A word without a vector has a row of zeros, so that e_t alone tells it from others.

    Args:    size, width   rows and columns of V
             how           "frozen", "tuned" or "projected"
    Call:    ids [B, T], e [B, T, D] → x [B, T, D + width], or [B, T, D] where they are projected

    >>> tuple(WordVectors(10, 4)(tf.constant([[2, 3]]), tf.zeros([1, 2, 3])).shape)
    (1, 2, 7)
    """

    def __init__(self, size, width, how="frozen", **kwargs):
        super().__init__(**kwargs)
        self.size, self.width, self.how = size, width, how
        self.table = Embedding(size, width, "zeros", trainable=how == "tuned")
        self.projection = None

    def build(self, ids_shape, embedded_shape):
        self.table.build((None, None))
        if self.how == "projected":
            self.projection = keras.layers.Dense(embedded_shape[-1], use_bias=False,
                                                 trainable=self.trainable)
            self.projection.build((None, None, self.width))
        self.built = True

    def give(self, rows):
        """Put vectors [size, width] into V."""
        self.table.embeddings.assign(rows)

    def call(self, ids, embedded):
        vectors = self.table(ids)
        if self.projection:
            return embedded + self.projection(vectors)
        return tf.concat([embedded, vectors], -1)

    def compute_output_shape(self, ids_shape, embedded_shape):
        added = 0 if self.how == "projected" else self.width
        return (*embedded_shape[:-1], embedded_shape[-1] + added)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "width": self.width, "how": self.how}
