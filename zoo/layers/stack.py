"""Deep recurrent networks: layers on top of each other."""

import typing

import keras
import tensorflow as tf

from zoo.cells.arguments import rate
from zoo.cells.cell import Cell
from zoo.engines.loop import Timing, hold
from zoo.layers.recurrent import Recurrent
from zoo.layers.sequences import OverSequences, as_list, as_shapes, autocast, check_states
from zoo.ops.masks import cleared
from zoo.ops.products import dropped


@keras.saving.register_keras_serializable("zoo")
class Stack(OverSequences):
    """A deep recurrent network: each layer reads the sequence of the one below.

        H⁰ = x        Hˡ = layer_l(dropout(Hˡ⁻¹)) (+ Hˡ⁻¹ with `residual`, where widths agree)

    The output is the last layer's, its sequence or its last step. The states are those of every layer
    that returns them, the lowest layer's first. The residual is added between layers, where both sides
    are sequences. `step` takes one step of all layers, with the states in the caller's hands.

    Args:    layers    recurrent layers (or merged `Bidirectional` ones); all but the last return
                       sequences
             dropout   rate of the dropout between layers, in [0, 1)
             residual  add a layer's input to its output
    Call:    sequences [B, T, D], mask [B, T] → the last layer's output; then the states, if a layer
             returns them; `initial_state` lists those of all layers, the lowest layer's first
    Raises:  ValueError: no layers, one whose output the next one cannot read, states that do not fit,
             `step` of layers that read backwards or keep their states
    Source:  El Hihi & Bengio 1995; Graves et al. 2013; residuals, Wu et al. 2016

    >>> from zoo import LSTM
    >>> deep = Stack([LSTM(4, return_sequences=True), LSTM(4)], dropout=0.1)
    >>> tuple(deep(keras.ops.ones((2, 5, 3))).shape)
    (2, 4)
    >>> y, states = deep.step(keras.ops.ones((2, 3)), deep.get_initial_state(2))
    >>> tuple(y.shape), len(states)
    ((2, 4), 4)
    """

    noise_shape = None      # of the dropout between layers
    around = 0              # the first layer that has its input added

    def __init__(self, layers, dropout=0.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.layers = readable(layers)
        self.dropout = rate("dropout", dropout)
        self.residual = residual
        turned = [layer for layer in self.layers if getattr(layer, "go_backwards", False)]
        if residual and any(layer.return_sequences for layer in turned):
            raise ValueError("residual: expected go_backwards=False in the layers, whose outputs are "
                             "added to their inputs in the same order; received True")
        self.turned = any(layer is not self.layers[-1] for layer in turned)
        self.between = keras.layers.Dropout(
            dropout, noise_shape=self.noise_shape, dtype=self.dtype_policy)
        self.supports_masking = True

    @property
    def return_sequences(self):
        return self.layers[-1].return_sequences

    @property
    def return_state(self):
        return any(layer.return_state for layer in self.layers)

    @property
    def state_size(self):
        return [size for layer in self.layers for size in as_list(layer.state_size)]

    @property
    def stateful(self):
        return self.layers[-1].stateful

    def reset_state(self):
        """Reset the states of all layers."""
        for layer in self.layers:
            layer.reset_state()

    reset_states = reset_state

    def build(self, sequences_shape, initial_state_shape=None):
        shape = tuple(sequences_shape)
        for layer in self.layers:
            layer.build(shape)
            shape, *_ = as_shapes(layer.compute_output_shape(shape), layer.return_state)
        self.built = True

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if self.turned and mask is not None:
            raise ValueError("mask: expected none where a layer below another has go_backwards=True: its "
                             "outputs are in the opposite order; received one")
        # What is added to the first layer's output must be as clean as what that layer reads.
        below, states = cleared(sequences, mask) if self.residual else sequences, []
        for n, (layer, first) in enumerate(zip(self.layers, self._dealt(initial_state))):
            read = self.between(below, training=training) if n else below
            above, *last = as_list(layer(read, initial_state=first, mask=mask, training=training))
            below = self._joined(n, above, below)
            states += last
        return (below, *states) if self.return_state else below

    def _joined(self, n, above, below):
        """The output of layer n, with its input where that is added."""
        adds = self.residual and n >= self.around and self.layers[n].return_sequences
        return above + below if adds and above.shape[-1] == below.shape[-1] else above

    def _dealt(self, states):
        return len(self.layers) * [None] if states is None else self.by_layer(states)

    def by_layer(self, states):
        """[h¹, c¹, h², c², …] → [[h¹, c¹], [h², c²], …]"""
        states = iter(as_list(states))
        return [[next(states) for _ in as_list(layer.state_size)] for layer in self.layers]

    # One step after the other.

    def get_initial_state(self, batch_size):
        """States that hold nothing, those of all layers, each [B, H]."""
        return [state for layer in steppable(self.layers)
                for state in layer.get_initial_state(batch_size)]

    def checked(self, states, name="initial_state"):
        """States that came from elsewhere, in the layers' type."""
        check_states(name, states, self.state_size, None)
        return [tf.cast(state, self.compute_dtype) for state in states]

    @autocast
    def step(self, inputs, states):
        """One step at inference; for layers that are built.

        Args:    inputs  [B, D]
                 states  a list, each [B, H]: first `get_initial_state(B)`, then what a step returned
        Returns: output [B, H], new states
        """
        x = tf.cast(inputs, self.compute_dtype)
        ready = self.ready(x)
        return self.advance(ready[0].cell.input_gates(x), self.checked(states, "states"), ready, below=x)

    def ready(self, inputs):
        """The layers as `advance` takes them, for one call over inputs [B, T, D] or [B, D]."""
        return [Ready.of(layer, inputs) for layer in steppable(self.layers)]

    def advance(self, x_gates, states, ready, t=0, below=None):
        """Step t of all layers, from the first one's input product [B, G·H], as in `recurrence`.

        `below` [B, D] is what that product is of, where a residual goes around the first layer.
        """
        after = []
        for n, (layer, old) in enumerate(zip(ready, self.by_layer(states))):
            if n:
                x_gates = layer.cell.input_gates(dropped(below, layer.kept))
            new = layer.step(x_gates, old, t)
            below, after = self._joined(n, new[0], below), after + new
        return below, after

    def compute_mask(self, sequences, mask=None):
        masks = [as_list(layer.compute_mask(sequences, mask)) for layer in self.layers]
        shown, states = masks[-1][0], [one for several in masks for one in several[1:]]
        return [shown, *states] if self.return_state else shown

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        shape, states = tuple(sequences_shape), []
        for layer in self.layers:
            shape, *last = as_shapes(layer.compute_output_shape(shape), layer.return_state)
            states += last
        return (shape, *states) if self.return_state else shape

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers, "dropout": self.dropout,
                "residual": self.residual}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        layers = [keras.saving.deserialize_keras_object(layer, custom_objects)
                  for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def readable(layers):
    """The layers as a list, if each one below the last gives the next one sequence."""
    received = f"received {[layer.name for layer in layers]}"
    if not layers or not all(layer.return_sequences for layer in layers[:-1]):
        raise ValueError("layers: expected at least one, with return_sequences=True in all but "
                         f"the last, {received}")
    if any(getattr(layer, "merge_mode", "concat") is None for layer in layers):
        raise ValueError(f"layers: expected one output of each, not merge_mode=None, {received}")
    return list(layers)


def steppable(layers):
    """The layers, if each can be run step by step from a state."""
    if not layers or not all(isinstance(layer, Recurrent) for layer in layers):
        raise ValueError("layers: expected at least one SimpleRNN, GRU or LSTM of the zoo, which go step "
                         f"by step, received {layers!r}")
    for layer in layers:
        if layer.go_backwards or layer.stateful:
            raise ValueError("layers: expected go_backwards=False and stateful=False, as a step is given "
                             f"its states, received otherwise in {layer.name}")
    return layers


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
    def of(cls, layer, inputs, training=False, between=None):
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
