"""A word's first and last characters: in many languages they tell its part of speech."""

import keras
import tensorflow as tf

from zoo.layers.embedding import Embedding

LONGEST = 4
BUCKETS = 32749         # a prime: codes that differ share a row by chance alone
BASE = 1009


@keras.saving.register_keras_serializable("zoo")
class Affixes(keras.layers.Layer):
    """The sum of embeddings of a word's prefixes and suffixes of one to four characters.

        h = Σ_{n=1..4} E[code(n, c_1 … c_n)] + E[code(-n, c_C … c_{C-n+1})]
        code(n, a_1 … a_n) = (offset(n) + Σ_i a_i·1009^i) mod 32749

    where a word shorter than n is its own affix of length n. Affixes of one code share a row.

    Args:    units  H
    Call:    characters [B, T, C] int32, 0 after a word's end → [B, T, H]
    Source:  Ratnaparkhi 1996 (affixes of up to four); Weinberger et al. 2009 (rows found by hashing);
             Bojanowski et al. 2017 (a word as the sum of its parts)

    >>> tuple(Affixes(5)(tf.constant([[[3, 4, 0], [5, 0, 0]]])).shape)
    (1, 2, 5)
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.embedding = Embedding(BUCKETS, units, dtype=self.dtype_policy)

    def build(self, characters_shape=None):
        self.embedding.build((None, None))
        self.built = True

    def call(self, characters):
        return tf.add_n([self.embedding(code) for code in codes(characters)])

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:2], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def codes(characters):
    """The rows of all affixes: characters [B, T, C] → 2·LONGEST arrays [B, T] int32."""
    mask = tf.cast(tf.not_equal(characters, 0), tf.int32)
    from_start = tf.cumsum(mask, -1)                               # 1 … C
    from_end = tf.cumsum(mask, -1, reverse=True)
    found = []
    for place, sign in ((from_start, 1), (from_end, -1)):
        for n in range(1, LONGEST + 1):
            powers = tf.constant([0, *(pow(BASE, i, BUCKETS) for i in range(1, n + 1)), 0])
            weights = tf.gather(powers, tf.minimum(place, n + 1))
            code = tf.reduce_sum(characters * weights, -1) + sign * n * 3571
            found.append(tf.math.floormod(code, BUCKETS))
    return found
