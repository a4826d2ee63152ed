"""A decoder that looks at the source at every step, and may feed what it saw back into its states."""

import keras
import tensorflow as tf

from zoo.layers.attention import Attention
from zoo.layers.decoder import Decoder
from zoo.layers.sequences import autocast
from zoo.names import FEEDS
from zoo.ops.products import dot, dropped
from zoo.ops.while_loop import get, loop, put, reserve, stack, unstack


@keras.saving.register_keras_serializable("zoo")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent layers f with attention, s_t their output; `feeds` decides what enters their first gates.

        "nothing"   s_t = f(x_t, s_{t-1})                 c_t = attend(s_t)
        "output"    s_t = f(x_t + y_{t-1}, s_{t-1})       c_t = attend(s_t)
        "context"   c_t = attend(s_{t-1})                 s_t = f(x_t + c_t, s_{t-1})

        y_t = tanh([s_t; c_t]·W)

    x_t + c_t stands for the gates x_t·W_x + c_t·C, the same as one kernel over [x_t; c_t]. s_{t-1} is
    the last layer's state. A call has the targets' words as inputs (teacher forcing): with "nothing" it
    is one run of the engines and one product of all steps with all keys; otherwise, and with coverage, a
    loop in stock operations, with the input product and the keys computed before it. The loop's gradient
    is autodiff's: it keeps every step's activations, [T, B, S, K] for the additive score.
    Padding of the targets belongs at their end, where the loss leaves it out.

    The states of `start` and `step` are a list, batch first: those of the layers, y of the step before
    with "output", the sum of the earlier weights [B, S] with coverage.

    Args:    layers     a recurrent layer or several, see `Decoder`
             attention  an `Attention`; by default an additive one
             feeds      "nothing", "output" or "context"
             units      the width of y; by default that of s
             dropout, residual  see `Decoder`
    Call:    inputs [B, T, D], values [B, S, V], `vector` [B, C] or `initial_state` for the layers' first
             states (zeros without either), `values_mask` [B, S]
             → y [B, T, units], states, weights [B, T, S]
    Raises:  ValueError: an unknown feed, `truncate` where the loop would not heed it; as `Decoder` and
             `Attention`
    Source:  Bahdanau et al. 2015 ("context"); Luong et al. 2015 ("nothing", input feeding: "output")

    >>> from zoo import GRU
    >>> decoder, source = AttentionDecoder(GRU(4)), tf.random.normal([2, 6, 3])
    >>> y, states, weights = decoder(tf.ones([2, 5, 8]), source)
    >>> tuple(y.shape), tuple(weights.shape)
    ((2, 5, 4), (2, 5, 6))
    >>> memory = decoder.attention.memory(source)
    >>> first, states, weights = decoder.step(tf.ones([2, 8]), decoder.start(memory), memory)
    >>> bool(tf.reduce_all(abs(first - y[:, 0]) < 1e-6))
    True
    """

    def __init__(self, layers, attention=None, feeds="context", units=None, dropout=0.0,
                 residual=False, **kwargs):
        super().__init__(**kwargs)
        if feeds not in FEEDS:
            raise ValueError(f"feeds: expected one of {list(FEEDS)}, received {feeds!r}")
        self.decoder = Decoder(layers, dropout=dropout, residual=residual, dtype=self.dtype_policy,
                               name="decoder", trainable=self.trainable)
        self.attention = attention or Attention(dtype=self.dtype_policy, trainable=self.trainable)
        self.feeds = feeds
        self.units = units or self.decoder.units
        self.combination = keras.layers.Dense(
            self.units, activation="tanh", use_bias=False, dtype=self.dtype_policy, name="combination",
            trainable=self.trainable)
        self.in_loop = feeds != "nothing" or self.attention.coverage
        if self.in_loop and any(layer.truncate for layer in self.decoder.layers):
            raise ValueError("truncate: expected None in layers that run inside the attention's loop, "
                             f"received {[layer.truncate for layer in self.decoder.layers]}")
        if feeds != "nothing" and self.decoder.layers[0].layer_normalization:
            raise ValueError("layer_normalization: expected False in the first layer, as what is fed "
                             "back enters its gates beside the normalised product, received True")
        self.supports_jit = not self.in_loop  # XLA refuses the gradient of a loop of unknown length.
        self.supports_masking = True

    def build(self, inputs_shape, values_shape, vector_shape=None):
        self.decoder.build(inputs_shape, vector_shape)
        if not self.attention.built:
            self.attention.build((None, None, self.decoder.units), values_shape)
        self.combination.build((None, None, self.decoder.units + values_shape[-1]))
        if self.feeds != "nothing":
            width = values_shape[-1] if self.feeds == "context" else self.units
            self.feed_kernel = self.add_weight(
                name="feed_kernel", shape=(width, self.decoder.layers[0].cell.kernel.shape[1]))
        self.built = True

    def call(self, inputs, values, vector=None, initial_state=None, values_mask=None, training=False):
        inputs = tf.cast(inputs, self.compute_dtype)
        memory = self.attention.memory(values, values_mask)
        states = self.start(memory, vector, initial_state)
        if self.in_loop:
            return self._scan(inputs, states, memory, training)
        s, states = self.decoder(inputs, initial_state=states, training=training)
        c, weights = self.attention.attend(s, memory)
        return self._combined(s, c), states, weights

    def start(self, memory, vector=None, initial_state=None):
        """The states before the first step; `vector` and `initial_state` as in a call."""
        batch, source = tf.unstack(tf.shape(memory.mask))
        if initial_state is not None:
            states = self.decoder.checked(initial_state)
        else:
            states = (self.decoder.get_initial_state(batch) if vector is None
                      else self.decoder.start(vector))
        widths = [self.units] * (self.feeds == "output") + [source] * self.attention.coverage
        return states + [tf.zeros([batch, width], self.compute_dtype) for width in widths]

    @autocast
    def step(self, inputs, states, memory):
        """One step at inference: inputs [B, D] → y [B, units], new states, weights [B, S]."""
        inputs = tf.cast(inputs, self.compute_dtype)
        ready = self.decoder.ready(inputs)
        return self._advance(ready[0].cell.input_gates(inputs), states, memory, ready)

    def _advance(self, x_gates, states, memory, ready, t=0):
        """Step t, from the first layer's input product [B, G·H]."""
        count = len(self.decoder.state_size)
        s, more = list(states[:count]), list(states[count:])
        if len(more) != (self.feeds == "output") + self.attention.coverage:
            raise ValueError("states: expected those of `start` or of the step before, "
                             f"received {len(states)}")
        coverage = more.pop() if self.attention.coverage else None
        if self.feeds == "context":
            top = self.decoder.by_layer(s)[-1][0]
            c, weights = self.attention.attend(top, memory, coverage)
        if self.feeds != "nothing":
            fed = c if self.feeds == "context" else more[0]
            x_gates += dot(fed, tf.convert_to_tensor(self.feed_kernel))
        output, s = self.decoder.advance(x_gates, s, ready, t)
        if self.feeds != "context":
            c, weights = self.attention.attend(output, memory, coverage)
        y = self._combined(output, c)
        fed = [y] if self.feeds == "output" else []
        covered = [coverage + weights] if self.attention.coverage else []
        return y, [*s, *fed, *covered], weights

    def _combined(self, s, c):
        return self.combination(tf.concat([s, c], -1))

    def _scan(self, inputs, states, memory, training):
        """All steps in a loop."""
        ready = self.decoder.ready(inputs, training)
        kept = None if ready[0].kept is None else tf.expand_dims(ready[0].kept, 0)
        x_gates = ready[0].cell.input_gates(dropped(tf.transpose(inputs, [1, 0, 2]), kept))
        gates, shape = unstack(x_gates), tf.shape(x_gates)

        def step(t, states, sequences):
            x = get(gates, t, shape[1:], x_gates.dtype)
            y, states, weights = self._advance(x, states, memory, ready, t)
            return states, [put(sequence, t, item) for sequence, item in zip(sequences, (y, weights))]

        shapes = [tf.stack([shape[1], self.units]), tf.shape(memory.mask)]
        empty = [reserve(shape[0], item, x_gates.dtype) for item in shapes]
        states, sequences = loop(step, shape[0], states, empty, False)
        y, weights = (tf.transpose(stack(sequence, item, x_gates.dtype), [1, 0, 2])
                      for sequence, item in zip(sequences, shapes))
        return y, states, weights

    def compute_mask(self, inputs, mask=None):
        return [mask, None, None]

    def get_config(self):
        config = self.decoder.get_config()
        own = {name: config[name] for name in ("layers", "dropout", "residual")}
        return {**super().get_config(), **own, "feeds": self.feeds, "units": self.units,
                "attention": keras.saving.serialize_keras_object(self.attention)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        def made(saved):
            return keras.saving.deserialize_keras_object(saved, custom_objects)

        return cls(**{**config, "layers": [made(layer) for layer in config["layers"]],
                      "attention": made(config["attention"])})
