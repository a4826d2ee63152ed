"""From a vector to a sequence (1→N): recurrent layers that a vector starts or accompanies."""

import keras
import tensorflow as tf

from zoo.layers.sequences import as_list, autocast
from zoo.layers.stack import Ready, Stack, steppable
from zoo.names import USES


@keras.saving.register_keras_serializable("zoo")
class Decoder(Stack):
    """Recurrent layers over a sequence that a vector c decides, in one of three ways.

        "first"   s_0 = tanh(c·W + b)        h_t = f(x_t, s_{t-1})         c makes the first states only
        "copied"  s_0 = c                    h_t = f(x_t, s_{t-1})         c is the first states, as it is
        "every"   s_0 = 0                    h_t = f([x_t; c], s_{t-1})    c is repeated at every step

    s are all states of all layers, made in one product; f is the layers one above the other,
    Hˡ_t = f_l(dropout(Hˡ⁻¹_t), Hˡ_{t-1}) (+ Hˡ⁻¹_t for l > 1 with `residual`, where widths agree).
    Where there are no step inputs and the sequence follows from c alone, x is `blank(c, steps)`.
    A call takes all steps at once, on the layers' engines; `start` and `step` take them one by one,
    with the states in the caller's hands, as running free needs them. Both give the same outputs.
    The final states of another network can be given as they are instead of c: `initial_state`.

    Args:    layers    a recurrent layer or several; they are set to return sequences and states
             vector    "first", "copied" or "every"
             dropout   rate of the dropout between layers, one mask a sequence, in [0, 1)
             residual  add a layer's input to its output, from the second layer on
    Call:    inputs [B, T, D], vector [B, V] → sequence [B, T, H], states (a list, each [B, Hˡ]);
             `initial_state`: first states in place of those above; `inputs_mask` [B, T]
    Raises:  ValueError: no layers, one that cannot be decoded from, an unknown use, a vector that is
             missing, or one to copy that is not as wide as all states, states that do not fit
    Source:  Cho et al. 2014 (every step); Sutskever et al. 2014 (first state, copied); made from c by
             tanh, Bahdanau et al. 2015; one mask a sequence, Gal & Ghahramani 2016; residuals, Wu et
             al. 2016

    >>> from zoo import GRU
    >>> decoder, c = Decoder([GRU(4), GRU(4)]), keras.ops.ones((2, 3))
    >>> sequence, states = decoder(blank(c, 5), c)
    >>> output, states = decoder.step(tf.zeros([2, 1]), decoder.start(c))
    >>> tuple(sequence.shape), bool(tf.reduce_all(abs(sequence[:, 0] - output) < 1e-6))
    ((2, 5, 4), True)
    """

    noise_shape = None, 1, None
    around = 1

    def __init__(self, layers, vector="first", dropout=0.0, residual=False, **kwargs):
        if vector not in USES:
            raise ValueError(f"vector: expected one of {list(USES)}, received {vector!r}")
        super().__init__(decodable(as_list(layers)), dropout, residual, **kwargs)
        self.vector = vector
        self.first_states = None
        if vector == "first":
            self.first_states = keras.layers.Dense(
                sum(self.state_size), activation="tanh", dtype=self.dtype_policy, name="first_states",
                trainable=self.trainable)

    mask_name = "inputs_mask"

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(inputs, *args, **kwargs)

    @property
    def units(self):
        """The width of the output."""
        return self.layers[-1].units

    def _check_states(self, batch, vector=None, initial_state=None, **_):
        super()._check_states(batch, initial_state)

    def build(self, inputs_shape, vector_shape=None):
        width = inputs_shape[-1]
        if vector_shape is not None and self.vector == "first":
            self.first_states.build(vector_shape)
        elif vector_shape is not None and self.vector == "copied":
            self._check_copied(vector_shape[-1])
        elif vector_shape is not None:
            width += vector_shape[-1]
        super().build((None, None, width))

    @autocast
    def start(self, vector):
        """The states before the first step: vector [B, V] → a list, each [B, Hˡ]."""
        if self.vector == "every":
            return self.get_initial_state(tf.shape(vector)[0])
        if self.vector == "copied":
            self._check_copied(vector.shape[-1])
            states = tf.cast(vector, self.compute_dtype)
        else:
            states = self.first_states(vector)
        return tf.split(states, self.state_size, -1)

    def _check_copied(self, width):
        if width != sum(self.state_size):
            raise ValueError("vector='copied': expected a vector as wide as all states, "
                             f"{self.state_size}, received {width}; use 'first'")

    def call(self, inputs, vector=None, initial_state=None, inputs_mask=None, training=False):
        states = self.start(required(vector)) if initial_state is None else self.checked(initial_state)
        above, *after = super().call(self._with_vector(inputs, vector), states, inputs_mask, training)
        return above, after

    @autocast
    def step(self, inputs, states, vector=None):
        """One step at inference: inputs [B, D], states → output [B, H], new states."""
        return super().step(self._with_vector(inputs, vector), states)

    def ready(self, inputs, training=False):
        """The layers as `advance` takes them, for one call over inputs [B, T, D] or [B, D]."""
        return [Ready.of(layer, inputs, training, self.between if n else None)
                for n, layer in enumerate(self.layers)]

    def _with_vector(self, inputs, vector):
        x = tf.cast(inputs, self.compute_dtype)
        if self.vector != "every":
            return x
        c = tf.cast(required(vector), self.compute_dtype)
        return tf.concat([x, c if x.shape.rank == 2 else repeat(c, tf.shape(x)[1])], -1)

    def compute_mask(self, inputs, mask=None):
        return [mask, [None for _ in self.state_size]]

    def compute_output_shape(self, inputs_shape, vector_shape=None):
        sequence, *states = super().compute_output_shape(inputs_shape)
        return sequence, states

    def get_config(self):
        return {**super().get_config(), "vector": self.vector}


def repeat(vector, steps):
    """The same vector at every step: [B, V] → [B, steps, V]

    >>> repeat(tf.constant([[1, 2]]), 3).numpy().tolist()
    [[[1, 2], [1, 2], [1, 2]]]
    """
    return tf.tile(tf.expand_dims(vector, 1), [1, steps, 1])


def blank(vector, steps):
    """Inputs that hold nothing but the number of steps: zeros [B, steps, 1] for a vector [B, V]."""
    return repeat(tf.zeros_like(vector[:, :1]), steps)


def decodable(layers):
    """The layers, set to return sequences and states."""
    for layer in steppable(layers):
        layer.return_sequences = layer.return_state = True
    return layers


def required(vector):
    if vector is None:
        raise ValueError("vector: expected a tensor [B, V], received None")
    return vector
