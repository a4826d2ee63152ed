"""From a vector to a sequence (1→N): recurrent layers that a vector starts or accompanies."""

import typing

import keras
import tensorflow as tf

from zoo.cells.arguments import rate
from zoo.cells.cell import Cell
from zoo.engines.loop import Timing, hold
from zoo.layers.recurrent import Recurrent
from zoo.layers.sequences import as_list, autocast, check_states
from zoo.names import USES
from zoo.ops.products import dropped


@keras.saving.register_keras_serializable("zoo")
class Decoder(keras.layers.Layer):
    """Recurrent layers over a sequence that a vector c decides, in one of two ways.

        "first"   s_0 = tanh(c·W + b)        h_t = f(x_t, s_{t-1})         c makes the first states only
        "every"   s_0 = 0                    h_t = f([x_t; c], s_{t-1})    c is repeated at every step

    s are all states of all layers, made in one product; f is the layers one above the other,
    Hˡ_t = f_l(dropout(Hˡ⁻¹_t), Hˡ_{t-1}) (+ Hˡ⁻¹_t for l > 1 with `residual`, where widths agree).
    Where there are no step inputs and the sequence follows from c alone, x is `blank(c, steps)`.
    A call takes all steps at once, on the layers' engines; `start` and `step` take them one by one,
    with the states in the caller's hands, as running free needs them. Both give the same outputs.
    The final states of another network can be given as they are instead of c: `initial_state`.

    Args:    layers    a recurrent layer or several; they are set to return sequences and states
             vector    "first" or "every"
             dropout   rate of the dropout between layers, one mask a sequence, in [0, 1)
             residual  add a layer's input to its output, from the second layer on
    Call:    inputs [B, T, D], vector [B, V] → sequence [B, T, H], states (a list, each [B, Hˡ]);
             `initial_state`: first states in place of those above; `inputs_mask` [B, T]
    Raises:  ValueError: no layers, one that cannot be decoded from, an unknown use, a vector that is
             missing, states that do not fit
    Source:  Cho et al. 2014 (every step); Sutskever et al. 2014 (first state); one mask a sequence,
             Gal & Ghahramani 2016; residuals, Wu et al. 2016

    >>> from zoo import GRU
    >>> decoder, c = Decoder([GRU(4), GRU(4)]), keras.ops.ones((2, 3))
    >>> sequence, states = decoder(blank(c, 5), c)
    >>> output, states = decoder.step(tf.zeros([2, 1]), decoder.start(c))
    >>> tuple(sequence.shape), bool(tf.reduce_all(abs(sequence[:, 0] - output) < 1e-6))
    ((2, 5, 4), True)
    """

    def __init__(self, layers, vector="first", dropout=0.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        if vector not in USES:
            raise ValueError(f"vector: expected one of {list(USES)}, received {vector!r}")
        self.layers = decodable(as_list(layers))
        self.vector = vector
        self.dropout = rate("dropout", dropout)
        self.residual = residual
        self.between = keras.layers.Dropout(
            dropout, noise_shape=(None, 1, None), dtype=self.dtype_policy)
        self.first_states = None
        if vector == "first":
            self.first_states = keras.layers.Dense(
                sum(self.state_size), activation="tanh", dtype=self.dtype_policy, name="first_states")

    @property
    def state_size(self):
        """The widths of all states, from the first layer to the last."""
        return [size for layer in self.layers for size in layer.state_size]

    @property
    def units(self):
        """The width of the output."""
        return self.layers[-1].units

    def build(self, inputs_shape, vector_shape=None):
        width = inputs_shape[-1]
        if vector_shape is not None and self.vector == "first":
            self.first_states.build(vector_shape)
        elif vector_shape is not None:
            width += vector_shape[-1]
        for layer in self.layers:
            layer.build((None, None, width))
            width = layer.units
        self.built = True

    @autocast
    def start(self, vector):
        """The states before the first step: vector [B, V] → a list, each [B, Hˡ]."""
        if self.vector == "first":
            return tf.split(self.first_states(vector), self.state_size, -1)
        return self.zeros(tf.shape(vector)[0])

    def zeros(self, batch_size):
        """States that hold nothing."""
        return [state for layer in self.layers for state in layer.get_initial_state(batch_size)]

    def given(self, states, name="initial_state"):
        """States that came from elsewhere, checked."""
        check_states(name, states, self.state_size, None)
        return [tf.cast(state, self.compute_dtype) for state in states]

    def call(self, inputs, vector=None, initial_state=None, inputs_mask=None, training=False):
        states = self.start(required(vector)) if initial_state is None else self.given(initial_state)
        after, above = [], self._with_vector(inputs, vector)
        for n, (layer, given) in enumerate(zip(self.layers, self.by_layer(states))):
            read = self.between(above, training=training) if n else above
            below, (above, *new) = above, layer(
                read, initial_state=given, mask=inputs_mask, training=training)
            above, after = self._joined(n, above, below), after + new
        return above, after

    @autocast
    def step(self, inputs, states, vector=None):
        """One step at inference: inputs [B, D], states → output [B, H], new states."""
        x = self._with_vector(inputs, vector)
        x_gates = self.layers[0].cell.input_gates(x)
        return self.advance(x_gates, self.given(states, "states"), self.ready(x))

    def ready(self, inputs, training=False):
        """The layers as `advance` takes them, for one call over inputs [B, T, D] or [B, D]."""
        return [Ready.of(layer, inputs, training, self.between if n else None)
                for n, layer in enumerate(self.layers)]

    def advance(self, x_gates, states, ready, t=0):
        """Step t of all layers, from the first one's input product [B, G·H], as in `recurrence`."""
        after, above = [], None
        for n, (layer, old) in enumerate(zip(ready, self.by_layer(states))):
            below = above
            if n:
                x_gates = layer.cell.input_gates(dropped(below, layer.kept))
            new = layer.step(x_gates, old, t)
            above, after = self._joined(n, new[0], below), after + new
        return above, after

    def by_layer(self, states):
        """[h¹, c¹, h², c², …] → [[h¹, c¹], [h², c²], …]"""
        states = iter(states)
        return [[next(states) for _ in layer.state_size] for layer in self.layers]

    def _with_vector(self, inputs, vector):
        x = tf.cast(inputs, self.compute_dtype)
        if self.vector == "first":
            return x
        c = tf.cast(required(vector), self.compute_dtype)
        return tf.concat([x, c if x.shape.rank == 2 else repeat(c, tf.shape(x)[1])], -1)

    def _joined(self, n, above, below):
        fits = self.residual and n and above.shape[-1] == below.shape[-1]
        return above + below if fits else above

    def compute_mask(self, inputs, mask=None):
        return [mask, [None for _ in self.state_size]]

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers, "vector": self.vector,
                "dropout": self.dropout, "residual": self.residual}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        layers = [keras.saving.deserialize_keras_object(layer, custom_objects)
                  for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


class Ready(typing.NamedTuple):
    """A layer as a loop over its steps needs it: what is the same at every step, drawn and computed.

    weights  the cell's recurrent weights, under DropConnect if there is any
    timing   recurrent dropout and zoneout, time-major
    kept     [B, D] or None: the dropout mask of the layer's inputs
    """

    cell: Cell
    weights: tuple
    timing: Timing
    kept: tf.Tensor | None

    @classmethod
    def of(cls, layer, inputs, training, between=None):
        """Of a layer that is built; `between` is the dropout before it."""
        x = tf.expand_dims(inputs, 1) if inputs.shape.rank == 2 else inputs
        timing, kept = layer.timing(x, None, training).time_major(), None
        if training:
            ones = tf.ones([tf.shape(x)[0], 1, layer.cell.kernel.shape[0]], x.dtype)
            kept = layer.cell.drawn(between(ones, training=True) if between else ones, layer.cell.dropout)
            kept = tf.squeeze(kept, 1)
        return cls(layer.cell, layer.cell.recurrent_weights(timing.weight_drop), timing, kept)

    def step(self, x_gates, states, t):
        """Step t from the input product [B, G·H]: zoneout included."""
        new = self.cell.step(x_gates, states, self.weights, self.timing.dropout)
        return hold(new, states, self.timing, t)


def repeat(vector, steps):
    """The same vector at every step: [B, V] → [B, steps, V]

    >>> repeat(tf.constant([[1, 2]]), 3).numpy().tolist()
    [[[1, 2], [1, 2], [1, 2]]]
    """
    return tf.tile(tf.expand_dims(vector, 1), [1, steps, 1])


def blank(vector, steps):
    """Inputs that say nothing but how many steps to take: zeros [B, steps, 1] for a vector [B, V]."""
    return repeat(tf.zeros_like(vector[:, :1]), steps)


def decodable(layers):
    """The layers, set to return sequences and states, if each can be run step by step from a state."""
    if not layers or not all(isinstance(layer, Recurrent) for layer in layers):
        raise ValueError("layers: expected at least one SimpleRNN, GRU or LSTM of the zoo, "
                         f"received {layers!r}")
    for layer in layers:
        if layer.go_backwards or layer.stateful:
            raise ValueError(f"layers: expected go_backwards=False and stateful=False, as a decoder's "
                             f"states are given to it, received otherwise in {layer.name}")
        layer.return_sequences = layer.return_state = True
    return layers


def required(vector):
    if vector is None:
        raise ValueError("vector: expected a tensor [B, V], received None")
    return vector
