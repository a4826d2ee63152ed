"""Hashed features of a token and of those around it, and a linear layer that reads them.

A sentence comes as the code points of its tokens in lower case, [B, T, C] int32: Unicode's numbers of a
token's first 24 characters, 0 after its end and after the last token; and as the shapes of its tokens
[B, T], from 1, see `zoo.text.token_features.SHAPES`. A feature is a sequence a_1 … a_n of whole numbers
with a number of its own as seed. Its bucket is that of `zoo.layers.ngrams`:

    h_0 = seed        h_i = (251·h_{i-1} + a_i) mod 8388593        bucket = h_n mod V

where an a of 0 is left out. Of token t, w_t is the hash h_n of its code points and e_t that of its last
three, from the last on, both with seed 1; s_t is its shape and n_t its number of code points, at most 8.
Outside of the sentence w and e are 1, s and n are 0. The seeds are 16, 17, … in this order:

    feature                                                     a
    the token                                                   w_t
    the token as it is written                                  w_t, s_t
    its shape                                                   s_t, n_t
    its first 1, 2, 3, 4 characters; none of a shorter token    their code points
    its last 1, 2, 3, 4 characters                              the same, from the last on
    the neighbour at d = -2, -1, 1, 2 by turns                  w_{t+d}
        its shape                                               s_{t+d}, n_{t+d}
        its last characters                                     e_{t+d}
    the pairs that start at i = t-2, t-1, t, t+1                w_i, w_{i+1}
    the triples that start at i = t-2, t-1, t                   w_i, w_{i+1}, w_{i+2}

Where a token is a character, as in Chinese, they are the n-grams of characters around it.

Source: Ratnaparkhi 1996 (the features); Weinberger et al. 2009 (their buckets); Cheng et al. 2016 (a wide
        part beside a deep one)
"""

from itertools import zip_longest

import keras
import numpy as np
import tensorflow as tf

from zoo import names
from zoo.layers.ngrams import WORD, chained

AROUND = 2              # tokens on each side
AFFIXES = 4             # characters of the longest
OF_NEIGHBOURS = 3       # characters of a neighbour's
LONGEST = 8             # number of characters
FIRST_SEED = 16
ADAGRAD = 10.0          # learning rate of W by Adagrad, relative to that of other weights by Adam
COUNT = 3 + 2 * AFFIXES + 3 * 2 * AROUND + 2 * AROUND + 2 * AROUND - 1


def buckets_of(code_points, shapes, buckets):
    """The buckets of every token's features: [B, T, C], [B, T] → [B, T, COUNT] int32."""
    sequences, none = features(code_points, shapes), tf.zeros_like(shapes)
    steps = [tf.stack([none if a is None else a for a in step]) for step in zip_longest(*sequences)]
    seeds = tf.reshape(FIRST_SEED + tf.range(COUNT), [COUNT, 1, 1])
    return tf.transpose(tf.math.floormod(chained(seeds, steps), buckets), [1, 2, 0])


def features(code_points, shapes):
    """The sequences of all features in the order of their seeds: lists of arrays [B, T]."""
    first, last, count = ends(code_points)
    w, e, s, n = (around(a, outside) for a, outside in (
        (chained(WORD, first), WORD), (chained(WORD, last[:OF_NEIGHBOURS]), WORD), (shapes, 0),
        (tf.minimum(count, LONGEST), 0)))
    token, neighbours = AROUND, [at for at in range(2 * AROUND + 1) if at != AROUND]
    affixes = [[tf.where(count < length, 0, a) for a in side[:length]]
               for side in (first, last) for length in range(1, AFFIXES + 1)]
    return [[w[token]], [w[token], s[token]], [s[token], n[token]], *affixes,
            *(a for at in neighbours for a in ([w[at]], [s[at], n[at]], [e[at]])),
            *(w[at:at + size] for size in (2, 3) for at in range(2 * AROUND + 2 - size))]


def ends(code_points):
    """The first 24 code points of tokens, a list of [B, T]; the last 4 of them, from the last on; their
    number [B, T]."""
    letters = code_points[:, :, :names.CHARACTERS]
    letters = tf.pad(letters, [[0, 0], [0, 0], [0, names.CHARACTERS - tf.shape(letters)[2]]])
    count = tf.reduce_sum(tf.cast(tf.not_equal(letters, 0), tf.int32), -1)
    places = tf.expand_dims(count, -1) - 1 - tf.range(names.CHARACTERS)     # from the end
    last = [tf.reduce_sum(tf.where(tf.equal(places, back), letters, 0), -1) for back in range(AFFIXES)]
    return tf.unstack(letters, names.CHARACTERS, -1), last, count


def around(array, outside):
    """a_{t-2}, …, a_{t+2} of an array [B, T]: a list of [B, T]."""
    steps = tf.shape(array)[1]
    padded = tf.pad(array, [[0, 0], [AROUND, AROUND]], constant_values=outside)
    return [padded[:, at:at + steps] for at in range(2 * AROUND + 1)]


@keras.saving.register_keras_serializable("zoo")
class WindowFeatures(keras.layers.Layer):
    """The scores that the features of a token and of its neighbours give to each label.

        z_t = Σ_f W[bucket_f(t)]·P

    with P [rank, L], or the identity where there are at most `rank` labels: a product of few columns has
    fewer weights than one column a label. In training each feature is dropped at a rate, and the others
    count for more. W is fitted before, see `tasks.tagging.linear_chain`; where it is not it moves as by
    Adagrad, see `tasks.training.optimizer`.

    Args:    outputs   L
             buckets   V;   rank  width of W, at most L
             dropout   rate
    Call:    code points [B, T, C], shapes [B, T] int32 → z [B, T, L]

    >>> code_points, shapes = tf.constant([[[97, 98], [97, 0]]]), tf.constant([[1, 1]])
    >>> WindowFeatures(outputs=3, buckets=64)(code_points, shapes).shape.as_list()
    [1, 2, 3]
    """

    def __init__(self, outputs, buckets, rank=16, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.outputs, self.buckets, self.rank = outputs, buckets, rank
        self.dropout = keras.layers.Dropout(dropout, noise_shape=(None, None, None, 1))

    def build(self, code_points_shape=None, shapes_shape=None):
        width = min(self.rank, self.outputs)
        self.table = self.add_weight(name="table", shape=(self.buckets, width), initializer="zeros")
        self.table.adagrad = ADAGRAD
        self.projection = None if width == self.outputs else self.add_weight(
            name="projection", shape=(width, self.outputs), initializer="glorot_uniform")
        self.built = True

    def give(self, weights):
        """Fix W·P at weights [V, L], or at the nearest that has the rank."""
        if self.projection is not None:
            _, directions = np.linalg.eigh(weights.T.astype(np.float64) @ weights)
            directions = directions[:, ::-1][:, :self.table.shape[1]]      # with the largest values
            self.projection.assign(directions.T)
            weights = weights @ directions
        self.table.assign(weights)
        self.trainable = False

    def call(self, code_points, shapes, training=False):
        rows = tf.gather(self.table.value, buckets_of(code_points, shapes, self.buckets))
        rows = self.dropout(tf.cast(rows, self.compute_dtype), training=training)
        z = tf.reduce_sum(rows, 2)
        return z if self.projection is None else tf.matmul(z, tf.cast(self.projection, z.dtype))

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs, "buckets": self.buckets,
                "rank": self.rank, "dropout": self.dropout.rate}
