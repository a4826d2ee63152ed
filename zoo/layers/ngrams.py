"""Word and character n-grams of a text, counted in buckets, and a linear layer that reads the counts.

A text comes as the code points of its words: [B, T, C] int32, Unicode's numbers of a word's first 24
characters, 0 after its end and after the last word. An n-gram is a sequence a_1 … a_n of whole numbers;
its bucket comes from arithmetic in which no number exceeds 2^31, so that any language can repeat it:

    h_0 = seed        h_i = (251·h_{i-1} + a_i) mod 8388593        bucket = h_n mod V

    n-gram                                          seed    a
    a word                                          1       its code points
    two neighbours; before the first word           6       the hashes h_n of both,
    and after the last stands an empty one                  1 of the empty one
    n = 2 … 5 characters of a word between          n       their code points
    two spaces, which count as two of them

Words and pairs have V buckets, characters V others.

Source: Weinberger et al. 2009 (hashed features); Bojanowski et al. 2017 (n-grams within a word's marks);
        Cheng et al. 2016 (a wide part beside a deep one)
"""

import keras
import tensorflow as tf

from zoo import names

MODULUS, BASE = 8388593, 251    # primes: 251·8388593 plus the largest code point is below 2^31
WORD, PAIR = 1, 6               # seeds
CHARACTERS = 2, 3, 4, 5         # characters of an n-gram, and its seed
SPACE = 32
MOST_WEIGHTS = 1 << 20      # of the linear model: with more labels it needs fewer buckets


def chained(seed, sequence):
    """The hash of a_1 … a_n, arrays of one shape; an a of 0 is left out. A seed may be an array too.

    >>> chained(1, [tf.constant([97, 97]), tf.constant([98, 0])]).numpy().tolist()
    [87446, 348]
    """
    h = tf.zeros_like(sequence[0]) + seed
    for a in sequence:
        h = tf.where(tf.equal(a, 0), h, tf.math.floormod(BASE * h + a, MODULUS))
    return h


def words_and_pairs(code_points):
    """Hashes of the words and of the pairs [B, 2T + 1], and which of them there are."""
    there = tf.not_equal(code_points[:, :, 0], 0)
    missing = names.CHARACTERS - tf.shape(code_points)[2]
    letters = tf.pad(code_points, [[0, 0], [0, 0], [0, missing]])
    words = chained(WORD, tf.unstack(letters, names.CHARACTERS, -1))
    first, second = (tf.pad(words, [[0, 0], side], constant_values=WORD) for side in ([1, 0], [0, 1]))
    pairs = chained(PAIR, [first, second])
    some = tf.logical_or(*(tf.pad(there, [[0, 0], side]) for side in ([1, 0], [0, 1])))
    return tf.concat([words, pairs], 1), tf.concat([there, some], 1)


def characters(code_points):
    """Hashes of the n-grams of characters [B, 4·T·(C + 2)], and which of them there are."""
    batch, steps, letters = tf.unstack(tf.shape(code_points))
    longest = CHARACTERS[-1]
    there = tf.cast(tf.not_equal(code_points, 0), tf.int32)
    # Shifted by one to both sides, a word covers the spaces around it too.
    marked = tf.minimum(1, sum(tf.pad(there, [[0, 0], [0, 0], [n, 2 - n]]) for n in range(3)))
    letter = tf.pad(code_points, [[0, 0], [0, 0], [1, 1]])
    padded = tf.pad(tf.where(tf.equal(letter, 0), SPACE * marked, letter),
                    [[0, 0], [0, 0], [0, longest]])
    from_here = [padded[:, :, n:n + letters + 2] for n in range(longest)]
    hashes = tf.stack([chained(n, from_here[:n]) for n in CHARACTERS], 1)
    found = tf.stack([tf.not_equal(from_here[n - 1], 0) for n in CHARACTERS], 1)
    size = tf.stack([batch, len(CHARACTERS) * steps * (letters + 2)])
    return tf.reshape(hashes, size), tf.reshape(found, size)


def counts(hashes, there, buckets):
    """How often a text has each bucket: hashes [B, F], which are there [B, F] → [B, buckets] float32.

    >>> counts(tf.constant([[5, 1, 9]]), tf.constant([[True, False, True]]), 4).numpy().tolist()
    [[0.0, 2.0, 0.0, 0.0]]
    """
    batch = tf.shape(hashes)[0]
    places = tf.math.floormod(hashes, buckets) + buckets * tf.expand_dims(tf.range(batch), 1)
    found = tf.scatter_nd(tf.reshape(places, [-1, 1]), tf.reshape(tf.cast(there, tf.float32), [-1]),
                          tf.expand_dims(batch * buckets, 0))
    return tf.reshape(found, tf.stack([batch, buckets]))


@keras.saving.register_keras_serializable("zoo")
class NGrams(keras.layers.Layer):
    """A linear model of a text's n-grams: TF-IDF of words and pairs, TF-IDF of characters, a product.

        x_f = log(1 + n_f)·idf_f        those of each kind divided by their length |x|        z = x·W + b

    The weights are fitted, not trained: see `tasks.linear`.

    Args:    outputs    K
             buckets    of words and characters together, 2·V
    Call:    code points [B, T, C] int32 → z [B, K] float32
    Raises:  ValueError: an odd number of buckets

    >>> NGrams(outputs=3, buckets=64)(tf.constant([[[97, 98], [97, 0]]])).shape.as_list()
    [1, 3]
    """

    def __init__(self, outputs, buckets, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
        if buckets < 2 or buckets % 2:
            raise ValueError("ngrams: expected an even number of buckets, half for words and half for "
                             f"characters, received {buckets}")
        self.outputs, self.buckets = outputs, buckets

    def build(self, code_points_shape=None):
        self.idf = self.add_weight(name="idf", shape=(self.buckets,), initializer="ones")
        self.kernel = self.add_weight(name="kernel", shape=(self.buckets, self.outputs),
                                      initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(self.outputs,), initializer="zeros")
        self.built = True

    def counts(self, code_points):
        """n [B, 2·V], those of words first."""
        code_points = code_points[:, :, :names.CHARACTERS]
        return tf.concat([counts(*kind(code_points), self.buckets // 2)
                          for kind in (words_and_pairs, characters)], 1)

    def features(self, code_points):
        """x [B, 2·V]."""
        x = tf.math.log(1 + self.counts(code_points)) * self.idf
        return tf.concat([normalised(half) for half in tf.split(x, 2, 1)], 1)

    def call(self, code_points):
        return tf.matmul(self.features(code_points), self.kernel) + self.bias

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs, "buckets": self.buckets}


def buckets_for(outputs, most):
    """An even number of buckets, so that they have at most `MOST_WEIGHTS` weights, or `most`.

    >>> buckets_for(2, 65536), buckets_for(77, 65536)
    (65536, 13616)
    """
    return min(most, MOST_WEIGHTS // outputs // 2 * 2)


def normalised(x):
    """Rows of length 1; a row of zeros stays."""
    square = tf.reduce_sum(tf.square(x), 1, keepdims=True)
    return x * tf.math.rsqrt(tf.maximum(square, 1e-12))
