"""Both directions of time."""

import keras
import tensorflow as tf

from zoo.layers.sequences import OverSequences, as_list, as_shapes, first

MERGES = {
    "concat": lambda forward, backward: tf.concat([forward, backward], -1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
    None: lambda forward, backward: (forward, backward),
}


@keras.saving.register_keras_serializable("zoo")
class Bidirectional(OverSequences):
    """A recurrent layer read in both directions of time; a drop-in for `keras.layers.Bidirectional`.

        y_t = merge(→h_t, ←h_t)        ←h_t reads x_T … x_t

    Where sequences are returned, masked steps give zeros, as Keras has it.

    Args:    layer           any recurrent layer; the wrapper makes two new ones from its configuration
             merge_mode      "concat", "sum", "ave", "mul", or None for a pair
             backward_layer  another layer for the way back, with `go_backwards=True`
    Call:    as the layer's; `initial_state` lists the forward states, then the backward ones
    Returns: merged outputs; then, with `return_state`, the forward and the backward states
    Raises:  ValueError: an unknown merge mode, directions or states that do not match
    Source:  Schuster & Paliwal 1997

    >>> from zoo import GRU
    >>> tuple(Bidirectional(GRU(4, return_sequences=True))(keras.ops.ones((2, 5, 3))).shape)
    (2, 5, 8)
    """

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        if not hasattr(layer, "go_backwards"):
            raise ValueError(f"layer: expected a recurrent layer, received {layer!r}")
        if merge_mode not in MERGES:
            raise ValueError(f"merge_mode: expected one of {list(MERGES)}, received {merge_mode!r}")
        super().__init__(**kwargs)
        self.merge_mode = merge_mode
        self.forward_layer = remade(layer, "forward", layer.go_backwards)
        self.backward_layer = backward_layer or remade(layer, "backward", not layer.go_backwards)
        check_directions(self.forward_layer, self.backward_layer)
        for direction in self.directions:
            direction.zero_output_for_mask = direction.return_sequences
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.stateful = layer.stateful
        self.initial_weights = weights
        self.supports_masking = True
        self.input_spec = layer.input_spec

    @property
    def directions(self):
        return self.forward_layer, self.backward_layer

    def build(self, sequences_shape, initial_state_shape=None):
        for direction in self.directions:
            if not direction.built:
                direction.build(sequences_shape)
        if self.initial_weights:
            self.set_weights(self.initial_weights)
        self.built = True

    @property
    def state_size(self):
        return [size for direction in self.directions for size in as_list(direction.state_size)]

    def call(self, sequences, initial_state=None, mask=None, training=False):
        half = len(as_list(self.forward_layer.state_size))
        first = (None, None)
        if initial_state is not None:
            first = initial_state[:half], initial_state[half:]
        (forward, *states), (backward, *more) = (
            as_list(direction(sequences, initial_state=state, mask=mask, training=training))
            for direction, state in zip(self.directions, first))
        forward, backward = (tf.cast(y, self.compute_dtype) for y in (forward, backward))
        if self.return_sequences:
            backward = tf.reverse(backward, [1])
        merged = MERGES[self.merge_mode](forward, backward)
        if not self.return_state:
            return merged
        return (*(merged if self.merge_mode is None else (merged,)), *states, *more)

    def reset_state(self):
        """Reset the states of both directions."""
        for direction in self.directions:
            direction.reset_state()

    reset_states = reset_state

    def compute_mask(self, sequences, mask=None):
        shown = first(mask) if self.return_sequences else None
        outputs = [shown, shown] if self.merge_mode is None else [shown]
        if self.return_state:
            return outputs + len(self.state_size) * [None]
        return outputs if self.merge_mode is None else shown

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        output, *states = as_shapes(
            self.forward_layer.compute_output_shape(sequences_shape), self.return_state)
        merged = (*output[:-1], 2 * output[-1]) if self.merge_mode == "concat" else output
        outputs = [merged, merged] if self.merge_mode is None else [merged]
        if self.return_state:
            return (*outputs, *states, *states)
        return tuple(outputs) if self.merge_mode is None else merged

    def get_config(self):
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": keras.saving.serialize_keras_object(self.forward_layer),
            "backward_layer": keras.saving.serialize_keras_object(self.backward_layer)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        layers = {name: keras.saving.deserialize_keras_object(config[name], custom_objects)
                  for name in ("layer", "backward_layer")}
        return cls(**{**config, **layers})


def remade(layer, prefix, go_backwards):
    """A new layer with the configuration of `layer`, for one direction."""
    config = unmarked(keras.saving.serialize_keras_object(layer))
    config["config"]["go_backwards"] = go_backwards
    config["config"]["name"] = f"{prefix}_{layer.name.removeprefix(f'{prefix}_')}"
    return keras.saving.deserialize_keras_object(config)


def unmarked(config):
    """A configuration without the marks of shared objects.

    While Keras loads a model, it takes an `id` that it has seen for an object that it has made,
    though the object may be gone and its `id` another's.
    """
    if isinstance(config, dict):
        return {key: unmarked(value) for key, value in config.items() if key != "shared_object_id"}
    return [unmarked(value) for value in config] if isinstance(config, list) else config


def check_directions(forward, backward):
    """The two layers must read time in opposite ways and return the same things."""
    if forward.go_backwards == backward.go_backwards:
        raise ValueError("backward_layer: expected go_backwards to differ from the forward layer's, "
                         f"received {backward.go_backwards} for both")
    for name in ("return_sequences", "return_state", "stateful"):
        ours, theirs = getattr(forward, name), getattr(backward, name)
        if ours != theirs:
            raise ValueError(f"backward_layer: expected {name}={ours}, received {theirs}")
