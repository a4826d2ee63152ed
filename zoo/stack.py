"""Deep recurrent networks: layers on top of each other."""

import keras

from zoo.cell import rate
from zoo.layer import as_list, from_ragged


@keras.saving.register_keras_serializable("zoo")
class Stack(keras.layers.Layer):
    """A deep recurrent network: each layer reads the sequence of the one below.

        H⁰ = x        Hˡ = layer_l(dropout(Hˡ⁻¹)) (+ Hˡ⁻¹ with `residual`, where widths agree)

    The output is the last layer's: its sequence or its last step, and its states, as that layer is set.
    The residual is added between layers, where both sides are sequences.

    Args:    layers    recurrent layers (or merged `Bidirectional` ones); all but the last return
                       sequences and no states
             dropout   rate of the dropout between layers, in [0, 1)
             residual  add a layer's input to its output
    Call:    sequences [B, T, D], mask [B, T] → the last layer's output
    Raises:  ValueError: no layers, or one whose output the next one cannot read
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
        return self.layers[-1].return_state

    @property
    def stateful(self):
        return self.layers[-1].stateful

    def reset_state(self):
        """Reset the states of all layers."""
        for layer in self.layers:
            layer.reset_state()

    reset_states = reset_state

    def build(self, sequences_shape):
        shape = tuple(sequences_shape)
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def __call__(self, sequences, *args, **kwargs):
        sequences, kwargs = from_ragged(sequences, kwargs)
        return super().__call__(sequences, *args, **kwargs)

    def call(self, sequences, mask=None, training=False):
        below = sequences
        for n, layer in enumerate(self.layers):
            read = self.between(below, training=training) if n else below
            above, *states = as_list(layer(read, mask=mask, training=training))
            if self.residual and layer.return_sequences and above.shape[-1] == below.shape[-1]:
                above += below
            below = above
        return (below, *states) if self.return_state else below

    def compute_mask(self, sequences, mask=None):
        return self.layers[-1].compute_mask(sequences, mask)

    def compute_output_shape(self, sequences_shape):
        shape = tuple(sequences_shape)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

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
    """The layers as a list, if each one below the last gives the next a sequence and nothing else."""
    received = f"received {[layer.name for layer in layers]}"
    if not layers or not all(layer.return_sequences for layer in layers[:-1]):
        raise ValueError("layers: expected at least one, with return_sequences=True in all but "
                         f"the last, {received}")
    if any(layer.return_state for layer in layers[:-1]):
        raise ValueError(f"layers: expected return_state=False in all but the last, {received}")
    if any(getattr(layer, "merge_mode", "concat") is None for layer in layers):
        raise ValueError(f"layers: expected one output of each, not merge_mode=None, {received}")
    return list(layers)
