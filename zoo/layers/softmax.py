"""What a network expects next: a softmax over all words, and its loss."""

import keras
import numpy as np
import tensorflow as tf

from zoo.layers.sequences import autocast
from zoo.ops.cross_entropy import cross_entropy
from zoo.ops.masks import cleared
from zoo.ops.ranges import in_range, is_inside


@keras.saving.register_keras_serializable("zoo")
class Softmax(keras.layers.Layer):
    """p(w|h) = softmax(h·Kᵀ + b), K [V, D].

    With `tied` weights K is the network's embedding, which every method then takes.

    Args:    vocabulary_size  V
             tied             whether K belongs to an embedding
    Call:    h [..., D] → logits z [..., V] float32
    Source:  Press & Wolf 2017 (tied); Szegedy et al. 2016 (smoothed targets)

    >>> softmax = Softmax(5)
    >>> tuple(softmax(tf.ones([2, 3, 4])).shape)
    (2, 3, 5)
    """

    def __init__(self, vocabulary_size, tied=False, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size, self.tied = vocabulary_size, tied
        self.supports_masking = True

    def build(self, h_shape):
        self.kernel = None
        if not self.tied:
            self.kernel = self.add_weight(name="kernel", shape=(self.vocabulary_size, h_shape[-1]))
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary_size,), initializer="zeros")
        self.built = True

    @autocast
    def call(self, h, embeddings=None):
        h, kernel = self._given(h, embeddings)
        z = tf.matmul(tf.reshape(h, [-1, h.shape[-1]]), kernel, transpose_b=True)
        z = tf.cast(z, tf.float32) + tf.cast(self.bias, tf.float32)
        return tf.reshape(z, tf.concat([tf.shape(h)[:-1], [self.vocabulary_size]], 0))

    def log_probability(self, h, targets, embeddings=None):
        """log p of the targets [B, T], 0 where they are padding, 0: h [B, T, D] → [B, T].

        −∞ for a number outside 0 … V-1, which is no word.
        """
        h = cleared(h, tf.not_equal(targets, 0))
        words = tf.where(is_inside(targets, self.vocabulary_size), targets, tf.zeros_like(targets))
        found = tf.gather(tf.nn.log_softmax(self(h, embeddings)), words, batch_dims=2)
        return of_words(found, targets, self.vocabulary_size)

    @autocast
    def loss(self, h, targets, embeddings=None, smoothing=0.0):
        """−Σ q·log p, summed over all targets [B, T] but padding.

        q is 1 − ε at the target, and ε/V more at every word, so with z̄ the mean of all logits

            −Σ q·log p = −log p_y + ε·(z_y − z̄)

        where z_y and z̄ cost no more than a product with one row of K each.

        Raises:  a target outside 0 … V-1, see `zoo.ops.ranges.in_range`
        """
        targets, _ = in_range("targets", targets, self.vocabulary_size)
        mask = targets > 0
        h, targets = tf.boolean_mask(h, mask), tf.boolean_mask(targets, mask)
        loss = cross_entropy(self(h, embeddings), targets)
        if smoothing:
            h, kernel = self._given(h, embeddings)
            bias = tf.cast(self.bias, tf.float32)
            h, kernel = tf.cast(h, tf.float32), tf.cast(kernel, tf.float32)
            apart = tf.reduce_sum(h * (tf.gather(kernel, targets) - tf.reduce_mean(kernel, 0)), -1)
            loss += smoothing * (apart + tf.gather(bias, targets) - tf.reduce_mean(bias))
        return tf.reduce_sum(loss)

    def rows(self, words):
        """[(weight, axis, names)]: along which axis of its own weights the words stand, a name a row."""
        return [(weight, 0, words) for weight in (self.kernel, self.bias) if weight is not None]

    def _given(self, h, embeddings):
        kernel = tf.convert_to_tensor(embeddings if self.tied else self.kernel)
        return tf.cast(h, self.compute_dtype), tf.cast(kernel, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size, "tied": self.tied}


def of_words(log_p, targets, vocabulary_size):
    """log p [B, T], 0 where a target is padding and −∞ where it is no word."""
    known = tf.where(is_inside(targets, vocabulary_size), log_p, tf.fill([1, 1], -np.inf))
    return tf.where(tf.equal(targets, 0), tf.zeros_like(log_p), known)
