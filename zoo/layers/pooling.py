"""From a sequence of any length to one vector.

A pooling is a function or a layer of a sequence h [B, T, H] and a mask [B, T] → [B, ·]; its name is in
`zoo.names.POOLINGS`.
"""

import keras
import tensorflow as tf

from zoo.layers.attention import masked_softmax
from zoo.names import POOLINGS
from zoo.ops.masks import cleared


def pooling(name):
    """The pooling of a name in POOLINGS: its function, or a new layer of its class."""
    found = POOLINGS[name]
    found = globals()[found] if isinstance(found, str) else found
    return found() if isinstance(found, type) else found


def width_of(pooling, states):
    """The width of what a pooling makes of sequences of `states` features; a function keeps theirs."""
    shape = getattr(pooling, "compute_output_shape", tuple)((None, None, states))
    return shape[-1]


def last(state, mask):
    """The state after the last step, which recurrent layers give in place of a sequence: [B, H]."""
    return state


def mean(sequence, mask):
    """Σ_t m_t·h_t / Σ_t m_t; zeros for an empty sequence. [B, T, H], [B, T] → [B, H]

    >>> mean(tf.constant([[[2.0], [4.0], [9.0]]]), tf.constant([[True, True, False]])).numpy().tolist()
    [[3.0]]
    """
    count = tf.reduce_sum(tf.cast(mask, sequence.dtype), 1, keepdims=True)
    return tf.reduce_sum(cleared(sequence, mask), 1) / tf.maximum(count, tf.ones([], sequence.dtype))


def maximum(sequence, mask):
    """max_t h_t over the unmasked steps; zeros for an empty sequence. [B, T, H], [B, T] → [B, H]

    >>> maximum(tf.constant([[[2.0], [4.0], [9.0]]]), tf.constant([[True, True, False]])).numpy().tolist()
    [[4.0]]
    """
    shown = tf.expand_dims(mask, -1)
    top = tf.reduce_max(tf.where(shown, sequence, tf.fill([1, 1, 1], sequence.dtype.min)), 1)
    return tf.where(tf.reduce_any(shown, 1), top, tf.zeros([], sequence.dtype))


@keras.saving.register_keras_serializable("zoo")
class AttentionPooling(keras.layers.Layer):
    """A learnt weighted mean of the states.

        a_t = softmax_t(v·tanh(W·h_t + b))        y = Σ_t a_t·h_t

    Call:    sequence [B, T, H], mask [B, T] → [B, H]; zeros for an empty sequence
    Source:  Yang et al. 2016 (word attention); Bahdanau et al. 2015 (the score)

    >>> attention = AttentionPooling()
    >>> tuple(attention(tf.ones([2, 3, 4]), tf.ones([2, 3], tf.bool)).shape)
    (2, 4)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, sequence_shape, mask_shape=None):
        width = sequence_shape[-1]
        self.hidden = keras.layers.Dense(width, activation="tanh", dtype=self.dtype_policy,
                                         trainable=self.trainable)
        self.hidden.build((None, None, width))
        self.score = self.add_weight(name="score", shape=(width, 1), initializer="glorot_uniform")
        self.built = True

    def call(self, sequence, mask):
        return tf.reduce_sum(self.weights_of(sequence, mask) * cleared(sequence, mask), 1)

    def weights_of(self, sequence, mask):
        """a_t, [B, T, 1]: positive, summing to one over the unmasked steps."""
        # One product for all steps of all texts.
        hidden = tf.reshape(self.hidden(cleared(sequence, mask)), [-1, sequence.shape[-1]])
        scores = tf.matmul(hidden, tf.convert_to_tensor(self.score))
        return tf.expand_dims(masked_softmax(tf.reshape(scores, tf.shape(mask)), mask), -1)

    def compute_mask(self, sequence, mask):
        return None

    def compute_output_shape(self, sequence_shape, mask_shape=None):
        return sequence_shape[0], sequence_shape[-1]


@keras.saving.register_keras_serializable("zoo")
class ConvolutionPooling(keras.layers.Layer):
    """How well a text's best n-gram matches each of some learnt n-grams, wherever it stands.

        f_t = relu(W·[x_{t-⌊(n-1)/2⌋}; …; x_{t+⌊n/2⌋}] + b)        y = max_t f_t        for each n

    Outside the text x is zero.

    Args:    filters  features of each width n
             widths   the n
    Call:    sequence [B, T, D], mask [B, T] → [B, len(widths)·filters]; zeros for an empty sequence
    Source:  Collobert et al. 2011; Kim 2014

    >>> ngrams = ConvolutionPooling(filters=5, widths=(2, 3))
    >>> tuple(ngrams(tf.ones([2, 1, 4]), tf.ones([2, 1], tf.bool)).shape)
    (2, 10)
    """

    def __init__(self, filters, widths=(2, 3, 4), **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.filters, self.widths = filters, tuple(widths)
        self.convolutions = [
            keras.layers.Conv1D(filters, width, padding="same", activation="relu",
                                dtype=self.dtype_policy, trainable=self.trainable)
            for width in self.widths]

    def build(self, sequence_shape, mask_shape=None):
        for convolution in self.convolutions:
            convolution.build((None, None, sequence_shape[-1]))
        self.built = True

    def call(self, sequence, mask):
        sequence = cleared(sequence, mask)
        return tf.concat([maximum(convolution(sequence), mask) for convolution in self.convolutions], -1)

    def compute_mask(self, sequence, mask):
        return None

    def compute_output_shape(self, sequence_shape, mask_shape=None):
        return sequence_shape[0], len(self.widths) * self.filters

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "widths": self.widths}
