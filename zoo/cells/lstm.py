"""Long short-term memory."""

import keras
import tensorflow as tf

from zoo.cells.activations import elementwise, value_and_derivative
from zoo.cells.arguments import arguments_of
from zoo.cells.cell import Cell
from zoo.cells.normalization import normalize
from zoo.ops.products import add_bias, dropped, sum_over_steps


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.LSTMCell)
class LSTMCell(Cell):
    """One step of the long short-term memory.

        [a_i a_f a_g a_o] = x·W + h·U + b
        i = σ(a_i)    f = σ(a_f)    g = φ(a_g)    o = σ(a_o)
        c' = f·c + i·g
        h' = o·φ(c')

    Backward, with the errors dh' and dc' of the new states:

        dc' += dh'·o·φ′(c')
        δ  = [dc'·g·σ′(a_i)   dc'·c·σ′(a_f)   dc'·i·φ′(a_g)   dh'·φ(c')·σ′(a_o)]
        dh = δ·Uᵀ        dc = dc'·f        ∂L/∂U = Σ_t h ⊗ δ

    With `layer_normalization` the output, and it alone, reads a normalised memory:

        h' = o·φ(s)        s = state_gain ⊙ N(c') + state_bias

    The bias comes in with the gates, x_gates [B, 5H], so that its error is one of theirs.

    Args:    as `keras.layers.LSTMCell`; and `layer_normalization`, see `Cell`
    Call:    inputs [B, D], states (h, c), each [B, H] → output [B, H], states
    Raises:  ValueError: as `Cell`
    Source:  Hochreiter & Schmidhuber 1997; forget gate, Gers et al. 2000;
             its bias of one, Jozefowicz et al. 2015; layer normalisation, Ba et al. 2016

    >>> cell = LSTMCell(4)
    >>> output, (h, c) = cell(keras.ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(c.shape)
    (2, 4)
    """

    gates = 4
    states = 2
    options = (*Cell.options, "recurrent_activation", "unit_forget_bias")

    def __init__(self, units, recurrent_activation="sigmoid", unit_forget_bias=True, **kwargs):
        super().__init__(units, **kwargs)
        self.recurrent_activation = elementwise("recurrent_activation", recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def build(self, input_shape):
        super().build(input_shape)
        if self.layer_normalization:
            self.state_gain = self.add_weight(
                name="state_gain", shape=(self.units,), initializer="ones")
            if self.use_bias:
                self.state_bias = self.add_weight(
                    name="state_bias", shape=(self.units,), initializer="zeros")

    def initial_bias(self, shape, dtype=None):
        if not self.unit_forget_bias:
            return super().initial_bias(shape, dtype)
        i, g_o = super().initial_bias((self.units,), dtype), super().initial_bias(
            (2 * self.units,), dtype)
        return tf.concat([i, tf.ones_like(i), g_o], 0)

    def input_gates(self, inputs):
        gates = super().input_gates(inputs)
        if not self.layer_normalization:
            return gates
        b_c = tf.zeros_like(tf.split(gates, 4, -1)[0])
        if self.use_bias:
            b_c = add_bias(b_c, tf.convert_to_tensor(self.state_bias))
        return tf.concat([gates, b_c], -1)

    def recurrent_weights(self, kept=None):
        gain = [tf.convert_to_tensor(self.state_gain)] if self.layer_normalization else []
        return *super().recurrent_weights(kept), *gain

    def step(self, x_gates, states, weights, dropout=None):
        h, c = states
        (a_i, a_f, a_g, a_o), b_c, _ = self._open(x_gates, dropped(h, dropout), weights)
        i, f, o = map(self.recurrent_activation, (a_i, a_f, a_o))
        c = f * c + i * self.activation(a_g)
        return [o * self.activation(self._read(c, b_c, weights)[0]), c]

    def _open(self, x_gates, h, weights):
        """The gates before their activations; b_c, if there is one; `norm`."""
        product, norm = self.product(h, *weights[:2])
        x, *b_c = tf.split(x_gates, [4 * self.units, self.units], -1) if norm else [x_gates]
        return tf.split(x + product, 4, -1), b_c, norm

    def _read(self, c, b_c, weights):
        """What the output reads of the memory, and its `norm`."""
        if not b_c:
            return c, []
        s, norm = normalize(c, weights[2], self.units)
        return s + b_c[0], norm

    def linearise(self, x_gates, states, new, weights, dropout):
        h, c = states
        (a_i, a_f, a_g, a_o), b_c, norm = self._open(x_gates, dropped(h, dropout), weights)
        i, slope_i = value_and_derivative(self.recurrent_activation, a_i)
        f, slope_f = value_and_derivative(self.recurrent_activation, a_f)
        g, slope_g = value_and_derivative(self.activation, a_g)
        o, slope_o = value_and_derivative(self.recurrent_activation, a_o)
        s, norm_c = self._read(f * c + i * g, b_c, weights)
        y, slope_y = value_and_derivative(self.activation, s)
        gates = tf.concat([g * slope_i, c * slope_f, i * slope_g, y * slope_o], -1)
        return [gates, o * slope_y, f, *norm, *norm_c]

    def backward(self, errors, local, weights, dropout):
        (dh, dc), (gates, output, f, *norm) = errors, local
        ds = dh * output
        dc += self.before(ds, norm[2:])
        delta = tf.concat([dc, dc, dc, dh], -1) * gates
        dh = dropped(self.product_back(delta, weights[0], norm[:2]), dropout)
        return tf.concat([delta, ds], -1) if norm else delta, [dh, dc * f]

    def weight_gradients(self, delta, states, local, dropout):
        h, norm = dropped(states[0], dropout), local[3:]
        if not norm:
            return self.product_gradients(h, delta, norm)
        delta, ds = tf.split(delta, [4 * self.units, self.units], -1)
        return [*self.product_gradients(h, delta, norm[:2]), sum_over_steps(ds * norm[2])]
