"""A word read from its characters: what it is like can be told from how it is spelt.

    characters [B, T, C] int32, 0 after a word's end → [B, T, H]; zeros for a word without characters

The result of a word depends neither on the padding nor on the words beside it. In training a word that a
batch holds several times is read once; elsewhere each is, since TFLite has no op that finds equal rows.
"""

import keras
import tensorflow as tf

from zoo import names
from zoo.layers.bidirectional import Bidirectional
from zoo.layers.embedding import Embedding
from zoo.layers.recurrent import LSTM


class CharacterEncoder(keras.layers.Layer):
    """What both encoders share: the embedding, one row a word, and each word once.

    Args:    alphabet   rows of the embedding; id 0 is padding
             embedding  width of a character
             units      H
             dropout    rate at which a character's coordinates are dropped, per word
    """

    def __init__(self, alphabet, embedding=30, units=50, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.options = {"alphabet": alphabet, "embedding": embedding, "units": units, "dropout": dropout}
        self.embedding = Embedding(alphabet, embedding, dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, characters_shape=None):
        self.embedding.build((None, None))
        self.encoder.build((None, None, self.options["embedding"]))
        self.built = True

    def call(self, characters, training=False):
        shape = tf.shape(characters)
        words = tf.reshape(characters, tf.stack([-1, shape[2]]))
        if training:
            words, of = tf.raw_ops.UniqueV2(x=words, axis=[0])
        mask = tf.not_equal(words, 0)
        x = self.dropout(self.embedding(words), training=training)
        encoded = self.encode(x, mask, training)
        if training:
            encoded = tf.gather(encoded, of)
        return tf.reshape(encoded, tf.stack([shape[0], shape[1], self.options["units"]]))

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:2], self.options["units"])

    def get_config(self):
        return {**super().get_config(), **self.options}


@keras.saving.register_keras_serializable("zoo")
class CharacterCNN(CharacterEncoder):
    """The strongest response of each filter anywhere in the word.

        h = max_c (e_{c-1}·W_1 + e_c·W_2 + e_{c+1}·W_3 + b)        c = 1 … length, e zero outside

    Source:  Ma & Hovy 2016; dos Santos & Zadrozny 2014

    >>> encoder = CharacterCNN(alphabet=9, embedding=4, units=5)
    >>> tuple(encoder(tf.constant([[[3, 4, 0], [5, 0, 0]]])).shape)
    (1, 2, 5)
    """

    width = 3

    def __init__(self, alphabet, **kwargs):
        super().__init__(alphabet, **kwargs)
        self.encoder = keras.layers.Conv1D(
            self.options["units"], self.width, padding="same", dtype=self.dtype_policy,
            trainable=self.trainable)

    def encode(self, x, mask, training):
        """x [N, C, E] → [N, H]."""
        inside = tf.expand_dims(mask, -1)
        responses = self.encoder(tf.where(inside, x, tf.zeros([], x.dtype)))
        strongest = tf.reduce_max(tf.where(inside, responses, responses.dtype.min), 1)
        return tf.where(tf.reduce_any(inside, 1), strongest, tf.zeros([], x.dtype))


@keras.saving.register_keras_serializable("zoo")
class CharacterLSTM(CharacterEncoder):
    """The last states of two LSTMs, one from each end of the word.

        h = [→h_C; ←h_1]        each H/2 wide

    Args:    engine  see `zoo.engines`
    Raises:  ValueError: an odd H
    Source:  Lample et al. 2016; Ling et al. 2015

    >>> encoder = CharacterLSTM(alphabet=9, embedding=4, units=6)
    >>> tuple(encoder(tf.constant([[[3, 4, 0], [5, 0, 0]]])).shape)
    (1, 2, 6)
    """

    def __init__(self, alphabet, engine="auto", **kwargs):
        super().__init__(alphabet, **kwargs)
        units = self.options["units"]
        if units % 2:
            raise ValueError(f"units: expected an even number, half for each direction, received {units}")
        self.options["engine"] = engine
        self.encoder = Bidirectional(LSTM(units // 2, engine=engine, dtype=self.dtype_policy,
                                          trainable=self.trainable))

    def encode(self, x, mask, training):
        """x [N, C, E] → [N, H]."""
        return self.encoder(x, mask=mask, training=training)


ENCODERS = dict(zip(names.ENCODERS, (CharacterCNN, CharacterLSTM), strict=True))
