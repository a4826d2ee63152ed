"""The words beside a word, guessed from its states: text teaches a tagger more than its tags do."""

import keras
import tensorflow as tf

from zoo.text.vocabulary import UNKNOWN


@keras.saving.register_keras_serializable("zoo")
class LanguageCost(keras.layers.Layer):
    """The cost of the next word, guessed from the forward states, and of the last one, from the backward.

        →m_t = tanh(→h_t·W + b)      →P(w | →h_t) = softmax(→m_t·Q + q)      the same for ←
        cost = −(Σ_{t<T} log →P(w_{t+1} | →h_t) + Σ_{t>1} log ←P(w_{t-1} | ←h_t)) / n

    with n tokens in the batch. A state must not have seen the word it guesses: the states are those of
    one layer in both directions, or of any number in one.

    Args:    words          how many are told apart: an id from there on, that of a rare word, counts as
                            unknown (a vocabulary is in the order of falling counts)
             bidirectional  the states are [→h_t; ←h_t], not →h_t alone
             units          width of m
    Call:    h [B, T, H], ids [B, T] int32, 0 where there is no word → scalar
    Source:  Rei 2017

    >>> cost = LanguageCost(words=9, bidirectional=True)
    >>> cost(tf.ones([1, 3, 8]), tf.constant([[2, 3, 4]])).shape.rank
    0
    """

    def __init__(self, words, bidirectional=True, units=50, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.options = {"words": words, "bidirectional": bidirectional, "units": units}
        directions = range(1 + bidirectional)
        self.hidden = [keras.layers.Dense(units, "tanh", dtype=self.dtype_policy) for _ in directions]
        self.linear = [keras.layers.Dense(words, dtype=self.dtype_policy) for _ in directions]

    def build(self, states_shape, ids_shape=None):
        for hidden, linear in zip(self.hidden, self.linear):
            hidden.build((None, states_shape[-1] // len(self.hidden)))
            linear.build((None, self.options["units"]))
        self.built = True

    def call(self, states, ids):
        there = tf.not_equal(ids, 0)
        both = there[:, :-1] & there[:, 1:]
        words = tf.where(ids < self.options["words"], ids, UNKNOWN)
        seen = [slice(None, -1), slice(1, None)]    # states, and words of the other direction
        costs = [self.cost(direction, h[:, seen[direction]], words[:, seen[1 - direction]], both)
                 for direction, h in enumerate(tf.split(states, len(self.hidden), -1))]
        return tf.add_n(costs) / tf.maximum(tf.reduce_sum(tf.cast(there, tf.float32)), 1.0)

    def cost(self, direction, states, words, chosen):
        """−Σ log P(word | state) over the chosen places: states [B, T, H], words and chosen [B, T]."""
        m = self.hidden[direction](tf.boolean_mask(states, chosen))
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.boolean_mask(words, chosen), tf.cast(self.linear[direction](m), tf.float32)))

    def compute_mask(self, states, mask=None):
        return None

    def compute_output_shape(self, states_shape, ids_shape=None):
        return ()

    def get_config(self):
        return {**super().get_config(), **self.options}
