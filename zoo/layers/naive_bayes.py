"""Log-count ratios: what the counts of each word and each pair of words tell about a text.

    r_k(f) = ½·(log P(f | label k) - log P(f | not k))        P(f | ·) = (n_f + 1) / Σ_f (n_f + 1)

n_f counts the texts that hold the feature f. Naive Bayes adds the ratios up; a recurrent network that
also reads them starts from naive Bayes and learns what the order of the words changes.

A text's own counts make its ratios look surer than those of a new text. So a training text reads
ratios that were counted without its tenth of the corpus (`CrossFit`).

Source: Wang & Manning 2012 (the ratios as features); Wolpert 1992 (out-of-fold features);
        Weinberger et al. 2009 (hashed pairs)
"""

import keras
import numpy as np
import tensorflow as tf

from zoo.names import MOST_LABELS
from zoo.ops.masks import cleared

BUCKETS = 1 << 17
MULTIPLIER = 30011
RANGE = 1 << 15  # of the previous id inside the hash, so that 32 bits hold the product


def pairs(ids, xp=tf):
    """Hash of (previous id, id), the previous of the first being 0: [B, T] → [B, T].

    >>> pairs(tf.constant([[2, 3, 3]])).numpy().tolist()
    [[2, 60025, 90036]]
    """
    before = xp.concat([xp.zeros_like(ids[:, :1]), ids[:, :-1]], 1)
    modulo = tf.math.floormod if xp is tf else np.mod
    return modulo(modulo(before, RANGE) * MULTIPLIER + ids, BUCKETS)


def first_occurrences(features, dtype=tf.float32):
    """1 where a feature occurs for the first time in its text, else 0: [B, T] → [B, T].

    >>> first_occurrences(tf.constant([[5, 7, 5, 5]])).numpy().tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    texts, steps = tf.unstack(tf.shape(features))
    # Sorted, equal features stand side by side, the earliest first; memory stays linear in the length.
    values, order = tf.math.top_k(features, steps)
    new = tf.concat([tf.ones_like(values[:, :1], dtype),
                     tf.cast(tf.not_equal(values[:, 1:], values[:, :-1]), dtype)], 1)
    places = order + steps * tf.expand_dims(tf.range(texts), 1)
    found = tf.scatter_nd(tf.reshape(places, [-1, 1]), tf.reshape(new, [-1]), [texts * steps])
    return tf.reshape(found, [texts, steps])


@keras.saving.register_keras_serializable("zoo")
class LogCountRatios(keras.layers.Layer):
    """The ratios of a text's words and pairs, and their sum: naive Bayes with two learnt scales.

        ratios  r(w_t), r(w_{t-1} w_t)
        sum     (a·Σ r(w) + b·Σ r(w w')) / √T        over first occurrences

    The tables are counted, not trained: see `CrossFit`. The scales a and b are trained.

    Args:    vocabulary_size, outputs   rows and columns of the table of words
    Call:    ids [B, T] → ratios [B, T, 2, K]

    Raises:  ValueError: more than 32 labels

    >>> LogCountRatios(vocabulary_size=9, outputs=2)(tf.constant([[2, 3, 0]])).shape.as_list()
    [1, 3, 2, 2]
    """

    def __init__(self, vocabulary_size, outputs, **kwargs):
        super().__init__(**kwargs)
        if outputs > MOST_LABELS:
            raise ValueError(f"naive_bayes: expected at most {MOST_LABELS} labels, whose tables fit into "
                             f"memory, received {outputs}; use naive_bayes=False")
        self.vocabulary_size, self.outputs = vocabulary_size, outputs

    def build(self, ids_shape):
        self.words, self.pairs = (
            self.add_weight(name=name, shape=(size, self.outputs), initializer="zeros",
                            trainable=False)
            for name, size in (("words", self.vocabulary_size), ("pairs", BUCKETS)))
        # Where training on several corpora ends up: pairs overlap with words and so count less.
        start = np.array([4.0, 1.6]) / self.outputs
        self.scales = self.add_weight(name="scales", shape=(2,),
                                      initializer=lambda shape, dtype: tf.constant(start, dtype))
        self.built = True

    def call(self, ids):
        ratios = tf.stack([tf.gather(tf.convert_to_tensor(self.words), ids),
                           tf.gather(tf.convert_to_tensor(self.pairs), pairs(ids))], 2)
        return cleared(ratios, tf.not_equal(ids, 0))

    def sum(self, ids, ratios):
        """Naive Bayes of a text: ids [B, T], ratios [B, T, 2, K] → [B, K]."""
        dtype = ratios.dtype
        once = tf.split(first_occurrences(tf.concat([ids, pairs(ids)], 0), dtype), 2)
        weights = tf.expand_dims(tf.stack(once, 2) * tf.cast(self.scales, dtype), -1)
        shown = tf.not_equal(ids, 0)
        length = tf.reduce_sum(tf.cast(shown, dtype), 1, keepdims=True)
        found = tf.reduce_sum(weights * cleared(ratios, shown), [1, 2])
        return found / tf.sqrt(tf.maximum(length, tf.ones([], dtype)))

    def get_config(self):
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size,
                "outputs": self.outputs}


class CrossFit:
    """Ratios counted on training texts; a training text's own leave out its tenth of them.

    Args:    texts       ids of each text, arrays of any length
             indicators  [N, K] of 0 and 1: which labels a text has
             seed        of the division into tenths
    """

    def __init__(self, texts, indicators, vocabulary_size, seed=0, folds=10):
        self.fold = np.random.default_rng(seed).integers(1, folds + 1, len(texts))
        texts, indicators = [np.asarray(ids) for ids in texts], np.asarray(indicators, np.float32)
        self.words = self._table(texts, indicators, vocabulary_size, folds)
        self.pairs = self._table([pairs(ids[None], np)[0] for ids in texts], indicators, BUCKETS, folds)
        self.words[:, :2] = 0.0  # padding and unknown words count for nothing

    def _table(self, features, indicators, size, folds):
        """[1 + folds, size, K]: the ratios of all texts, then those without each fold."""
        inside, outside = np.zeros((2, 1 + folds, size, indicators.shape[1]), np.float32)
        for found, labels, fold in zip(features, indicators, self.fold):
            once = np.unique(found)
            inside[fold, once] += labels
            outside[fold, once] += 1 - labels
        for counts in (inside, outside):
            whole = counts.sum(0)
            counts[1:] = whole - counts[1:]
            counts[0] = whole
        return (log_probability(inside) - log_probability(outside)) / 2

    def give(self, layer):
        """Put the ratios of all texts into a `LogCountRatios` layer."""
        layer.words.assign(self.words[0])
        layer.pairs.assign(self.pairs[0])

    def ratios(self, rows, ids):
        """What some training texts read, out of fold: ids [B, T] of `rows` → [B, T, 2, K]."""
        fold = self.fold[rows][:, None]
        ratios = np.stack([self.words[fold, ids], self.pairs[fold, pairs(ids, np)]], 2)
        return ratios * (ids != 0)[:, :, None, None]


def log_probability(counts):
    """log((n + 1) / Σ (n + 1)) over the features: [..., F, K] → [..., F, K]."""
    return np.log(counts + 1) - np.log((counts + 1).sum(-2, keepdims=True))
