"""What every cell has: weights, options, one step by hand. The equations are the subclasses'."""

import math

import keras
import tensorflow as tf

from zoo.cells.activations import elementwise
from zoo.cells.arguments import is_count, rate, serialized
from zoo.cells.normalization import normalize, normalize_back
from zoo.ops.products import add_bias, dot, dot_transposed, dropped, outer, sum_over_steps


class Cell(keras.layers.Layer):
    """One step of a recurrent network, usable by itself or inside `keras.layers.RNN`.

    A subclass states its equations by `gates`, the number of gates in a product, by `states`, that of
    its states, and by

        step(x_gates, states, weights, dropout)           → new states

    which is enough: its gradient is then TensorFlow's, through the loop. One that also has

        linearise(x_gates, states, new, weights, dropout) → local derivatives
        backward(errors, local, weights, dropout)         → δ, errors of the old states
        weight_gradients(delta, states, local, dropout)   → ∂L/∂weights

    is trained by them, by backpropagation through time that is written out: it keeps and computes less.
    `recurrent_weights(kept)` are the weights of the recurrent product, here U alone.

    `states` are [B, H] in `step`; `linearise` and `weight_gradients` get them for all steps, [T, B, H].
    `new` is what `step` made of them, or None where it is no longer known.
    `dropout`, [B, H] or None, multiplies h wherever it enters a product; `kept`, [H, G·H] or None,
    multiplies the recurrent kernel U.

    With `layer_normalization` both products are normalised, every gate's H units by themselves, before
    biases are added: gain ⊙ N(x·W) and gain ⊙ N(h·U) stand where x·W, and h·U or (r·h)·U, stand in the
    equations, with a weight `gain` [2, G·H] that starts at ones; see `layer_normalization.py`.

    Args:    the arguments of the Keras cell of the same name; and `layer_normalization`
    Call:    inputs [B, D], states (each [B, H]) → output [B, H], new states
    Raises:  ValueError: units not a positive integer, a rate outside [0, 1), an activation that is not
             elementwise
    Source:  layer normalisation, Ba, Kiros & Hinton 2016
    """

    gates = 1
    states = 1
    options = (
        "units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer",
        "bias_initializer", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer",
        "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout",
        "recurrent_dropout", "seed", "layer_normalization")

    def __init__(self, units, activation="tanh", use_bias=True, kernel_initializer="glorot_uniform",
                 recurrent_initializer="orthogonal", bias_initializer="zeros",
                 kernel_regularizer=None, recurrent_regularizer=None, bias_regularizer=None,
                 kernel_constraint=None, recurrent_constraint=None, bias_constraint=None,
                 dropout=0.0, recurrent_dropout=0.0, seed=None, implementation=None,
                 layer_normalization=False, **kwargs):
        super().__init__(**kwargs)
        if not is_count(units):
            raise ValueError(f"units: expected a positive integer, received {units!r}")
        self.units = int(units)
        self.activation = elementwise("activation", activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.dropout = rate("dropout", dropout)
        self.recurrent_dropout = rate("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.layer_normalization = layer_normalization
        self.output_size = self.units
        self.state_size = self.units if self.states == 1 else self.states * [self.units]

    def build(self, input_shape):
        width = self.gates * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], width), initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, width),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=self.bias_shape(), initializer=self.initial_bias,
                regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.gain = None
        if self.layer_normalization:
            self.gain = self.add_weight(name="gain", shape=(2, width), initializer="ones")

    def bias_shape(self):
        return (self.gates * self.units,)

    def initial_bias(self, shape, dtype=None):
        return self.bias_initializer(shape, dtype=dtype)

    def input_bias(self):
        return None if self.bias is None else tf.convert_to_tensor(self.bias)

    def input_gates(self, inputs):
        """inputs·kernel + bias for one step [B, D] or for all steps [T, B, D] in one product."""
        product = dot(inputs, tf.convert_to_tensor(self.kernel))
        if self.layer_normalization:
            product, _ = normalize(product, tf.convert_to_tensor(self.gain)[0], self.units)
        bias = self.input_bias()
        return product if bias is None else add_bias(product, bias)

    def recurrent_matrix(self, kept=None):
        """U, under the mask of DropConnect if there is one."""
        return dropped(tf.convert_to_tensor(self.recurrent_kernel), kept)

    def recurrent_weights(self, kept=None):
        return self.recurrent_matrix(kept), *self.recurrent_gain()

    def recurrent_gain(self):
        """That of the recurrent product's normalisation, if there is one."""
        return [tf.convert_to_tensor(self.gain)[1]] if self.layer_normalization else []

    @property
    def has_backward(self):
        """Whether the gradient is written out of this very step, not of one that a subclass replaced."""
        def place(name):
            return next((n for n, one in enumerate(type(self).__mro__) if name in vars(one)), math.inf)
        written = max(place("linearise"), place("backward"))
        return written <= place("step") and max(written, place("weight_gradients")) < math.inf

    # The recurrent product, normalised where there is a gain. `norm` is what its way back needs then.

    def product(self, h, U, gain=None):
        """h·U, or gain ⊙ N(h·U); and `norm`."""
        product = dot(h, U)
        return (product, []) if gain is None else normalize(product, gain, self.units)

    def product_back(self, delta, U, norm):
        """From the error of the product to that of h."""
        return dot_transposed(self.before(delta, norm), U)

    def product_gradients(self, h, delta, norm):
        """∂L/∂U; and ∂L/∂gain where there is one."""
        gain = [sum_over_steps(delta * norm[0])] if norm else []
        return [outer(h, self.before(delta, norm)), *gain]

    def before(self, delta, norm):
        """From the error of what was normalised to the error before that."""
        return normalize_back(delta, *norm, self.units) if norm else delta

    def call(self, inputs, states, training=False):
        nested = isinstance(states, (list, tuple))
        states = list(states) if nested else [states]
        if training and self.dropout:
            inputs *= self.drawn(tf.ones_like(inputs), self.dropout)
        mask = None
        if training and self.recurrent_dropout:
            mask = self.drawn(tf.ones_like(states[0]), self.recurrent_dropout)
        new = self.step(self.input_gates(inputs), states, self.recurrent_weights(), mask)
        return new[0], list(new) if nested else new[0]

    def drawn(self, ones, rate):
        """A dropout mask: 0 with probability `rate`, else 1 / (1 - rate)."""
        return keras.random.dropout(ones, rate, seed=self.seed_generator)

    def get_initial_state(self, batch_size=None):
        return [tf.zeros([batch_size, self.units], self.compute_dtype) for _ in range(self.states)]

    def get_config(self):
        return {**super().get_config(), **{name: serialized(getattr(self, name))
                                           for name in self.options}}
