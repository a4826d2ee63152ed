"""One label of a sentence, its intent, by the states of its tokens, and what it tells of their tags."""

import keras
import tensorflow as tf

from zoo.layers.ngrams import NGrams, buckets_for
from zoo.layers.pooling import AttentionPooling, maximum


@keras.saving.register_keras_serializable("zoo")
class Intent(keras.layers.Layer):
    """The logits of K intents by pooled states, and by n-grams.

        y = [max_t h_t; Σ_t a_t·h_t]        z = y·U + d + wide        a: see `AttentionPooling`

    `wide` is what a linear model says of the n-grams of words and characters, see `zoo.layers.ngrams`: it
    is fitted by itself, and added once y·U + d has been learnt. Without states z is d + wide.

    Args:    outputs  K
             labels   L, the number of tags
             ngrams   largest number of buckets of n-grams; 0 for none
             dropout  rate, of y
    Call:    h [B, T, R] or None, mask [B, T], code points [B, T, C] → z [B, K] float32
    Source:  Liu & Lane 2016 (one network for both); Cheng et al. 2016 (a wide part beside a deep one)

    >>> layer = Intent(outputs=3, labels=5)
    >>> z = layer(tf.ones([2, 4, 6]), tf.ones([2, 4], tf.bool))
    >>> z.shape.as_list(), layer.of_tags(z).shape.as_list()
    ([2, 3], [2, 1, 5])
    """

    def __init__(self, outputs, labels, ngrams=0, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.outputs, self.labels, self.ngrams = outputs, labels, ngrams
        self.attention = AttentionPooling(dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(dropout)
        self.linear = keras.layers.Dense(outputs, use_bias=False, dtype=self.dtype_policy,
                                         trainable=self.trainable)
        self.given = keras.layers.Dense(labels, use_bias=False, dtype=self.dtype_policy,
                                        trainable=self.trainable)
        self.wide = NGrams(outputs, buckets_for(outputs, ngrams)) if ngrams else None

    def build(self, states_shape, mask_shape=None, code_points_shape=None):
        self.bias = self.add_weight(name="bias", shape=(self.outputs,), initializer="zeros")
        self.given.build((None, self.outputs))
        if states_shape:
            self.attention.build(states_shape)
            self.linear.build((None, 2 * states_shape[-1]))
        if self.wide:
            self.wide.build()
        self.built = True

    def call(self, states, mask, code_points=None, training=False):
        z = tf.tile(tf.cast(self.bias, tf.float32)[tf.newaxis], [tf.shape(mask)[0], 1])
        if states is not None:
            y = tf.concat([maximum(states, mask), self.attention(states, mask)], -1)
            z += tf.cast(self.linear(self.dropout(y, training=training)), tf.float32)
        return z if training or not self.wide else z + self.wide(code_points)

    def compute_mask(self, states, mask, code_points=None):
        return None

    def of_tags(self, z):
        """softmax(z)·G: what the intents add to the logits of each token's tags, [B, K] → [B, 1, L]."""
        return tf.expand_dims(self.given(tf.nn.softmax(z)), 1)

    def axes(self, intents, tags):
        """[(weight, axis, names)]: along which intents or tags stand."""
        layers = [*[self.wide] * bool(self.wide), *[self.linear] * self.linear.built]
        return [(self.bias, 0, intents), (self.given.kernel, 0, intents), (self.given.kernel, 1, tags),
                *((layer.kernel, 1, intents) for layer in layers),
                *((layer.bias, 0, intents) for layer in layers[:bool(self.wide)])]

    def get_config(self):
        return {**super().get_config(), "outputs": self.outputs, "labels": self.labels,
                "ngrams": self.ngrams, "dropout": self.dropout.rate}
