"""Deep recurrent networks: layers on top of each other."""

import keras

from zoo.cells.arguments import rate
from zoo.layers.sequences import OverSequences, as_list, as_shapes
from zoo.ops.masks import cleared


@keras.saving.register_keras_serializable("zoo")
class Stack(OverSequences):
    """A deep recurrent network: each layer reads the sequence of the one below.

        H⁰ = x        Hˡ = layer_l(dropout(Hˡ⁻¹)) (+ Hˡ⁻¹ with `residual`, where widths agree)

    The output is the last layer's, its sequence or its last step. The states are those of every layer
    that returns them, the lowest layer's first. The residual is added between layers, where both sides
    are sequences.

    Args:    layers    recurrent layers (or merged `Bidirectional` ones); all but the last return
                       sequences
             dropout   rate of the dropout between layers, in [0, 1)
             residual  add a layer's input to its output
    Call:    sequences [B, T, D], mask [B, T] → the last layer's output; then the states, if a layer
             returns them; `initial_state` lists those of all layers, the lowest layer's first
    Raises:  ValueError: no layers, one whose output the next one cannot read, states that do not fit
    Source:  El Hihi & Bengio 1995; Graves et al. 2013; residuals, Wu et al. 2016

    >>> from zoo import LSTM
    >>> deep = Stack([LSTM(4, return_sequences=True), LSTM(4)], dropout=0.1)
    >>> tuple(deep(keras.ops.ones((2, 5, 3))).shape)
    (2, 4)
    """

    def __init__(self, layers, dropout=0.0, residual=False, **kwargs):
        super().__init__(**kwargs)
        self.layers = readable(layers)
        self.dropout = rate("dropout", dropout)
        self.residual = residual
        self.between = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
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
        # What is added to the first layer's output must be as clean as what that layer reads.
        below, states = cleared(sequences, mask) if self.residual else sequences, []
        for n, (layer, first) in enumerate(zip(self.layers, self._dealt(initial_state))):
            read = self.between(below, training=training) if n else below
            above, *last = as_list(layer(read, initial_state=first, mask=mask, training=training))
            if self.residual and layer.return_sequences and above.shape[-1] == below.shape[-1]:
                above += below
            below = above
            states += last
        return (below, *states) if self.return_state else below

    def _dealt(self, states):
        """Each layer's share of the first states."""
        if states is None:
            return len(self.layers) * [None]
        states = iter(as_list(states))
        return [[next(states) for _ in as_list(layer.state_size)] for layer in self.layers]

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
