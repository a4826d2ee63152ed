"""What an encoder hands to a decoder: one vector for the whole sequence."""

import keras
import tensorflow as tf

from zoo.layers import pooling
from zoo.layers.sequences import as_list
from zoo.names import FORMS


@keras.saving.register_keras_serializable("zoo")
class Context(keras.layers.Layer):
    """One vector c for a sequence that was read, in one of three forms.

        "last"          c = s_N
        "transformed"   c = φ(s_N·W + b)
        "pooled"        c = φ(mean_t(h_t)·W + b)

    s_N are the encoder's final states side by side (of an LSTM h and c, of a bidirectional layer those
    of both directions); h_t is its output at step t, and the mean is over the unmasked steps. Of the
    literature's q(h_1, …, h_N), a function of all states that is left open, "pooled" is the usual choice.
    A `Decoder` reads c as its first state or at every step: three forms, two uses.

    Args:    form        "last", "transformed" or "pooled"
             units       width of c, where it is transformed; by default that of what goes in
             activation  φ
    Call:    sequence [B, T, H], states (each [B, Hˢ]), `sequence_mask` [B, T] → c [B, units]
    Raises:  ValueError: an unknown form
    Source:  Sutskever et al. 2014 ("last"); Cho et al. 2014 ("transformed"); Sennrich et al. 2017
             ("pooled")

    >>> from zoo import LSTM, Decoder
    >>> encoder = LSTM(4, return_sequences=True, return_state=True)
    >>> sequence, *states = encoder(keras.ops.ones((2, 5, 3)))
    >>> c = Context("pooled", units=6)(sequence, states)
    >>> translation, _ = Decoder(LSTM(4), vector="every")(keras.ops.ones((2, 7, 3)), c)
    >>> tuple(c.shape), tuple(translation.shape)
    ((2, 6), (2, 7, 4))
    """

    def __init__(self, form="last", units=None, activation="tanh", **kwargs):
        super().__init__(**kwargs)
        if form not in FORMS:
            raise ValueError(f"form: expected one of {list(FORMS)}, received {form!r}")
        self.form = form
        self.units = units
        self.activation = keras.activations.get(activation)
        self.supports_masking = True

    def build(self, sequence_shape, states_shape):
        self.transform = None
        if self.form != "last":
            width = sequence_shape[-1]
            if self.form == "transformed":
                width = sum(shape[-1] for shape in shapes(states_shape))
            self.transform = keras.layers.Dense(
                self.units or width, activation=self.activation, dtype=self.dtype_policy,
                trainable=self.trainable)
            self.transform.build((None, width))
        self.built = True

    def call(self, sequence, states, sequence_mask=None):
        if self.form == "pooled":
            if sequence_mask is None:
                sequence_mask = tf.ones(tf.shape(sequence)[:2], tf.bool)
            return self.transform(pooling.mean(sequence, sequence_mask))
        c = tf.concat(as_list(states), -1)
        return c if self.transform is None else self.transform(c)

    def compute_mask(self, sequence, mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "form": self.form, "units": self.units,
                "activation": keras.activations.serialize(self.activation)}


def shapes(several):
    """One shape or a list of them, as a list."""
    return [several] if several and not isinstance(several[0], (list, tuple)) else several
