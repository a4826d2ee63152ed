"""Long short-term memory."""

import keras
import tensorflow as tf

from zoo.cell import (
    Cell, arguments_of, dot, dot_transposed, dropped, elementwise, outer, value_and_derivative)
from zoo.layer import Recurrent


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

    Args:    as `keras.layers.LSTMCell`
    Call:    inputs [B, D], states (h, c), each [B, H] → output [B, H], states
    Raises:  ValueError: as `Cell`
    Source:  Hochreiter & Schmidhuber 1997; forget gate, Gers et al. 2000;
             its bias of one, Jozefowicz et al. 2015

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

    def initial_bias(self, shape, dtype=None):
        if not self.unit_forget_bias:
            return super().initial_bias(shape, dtype)
        i, g_o = super().initial_bias((self.units,), dtype), super().initial_bias(
            (2 * self.units,), dtype)
        return tf.concat([i, tf.ones_like(i), g_o], 0)

    def step(self, x_gates, states, weights, dropout=None):
        (h, c), (U,) = states, weights
        a_i, a_f, a_g, a_o = tf.split(x_gates + dot(dropped(h, dropout), U), 4, -1)
        i, f, o = map(self.recurrent_activation, (a_i, a_f, a_o))
        c = f * c + i * self.activation(a_g)
        return [o * self.activation(c), c]

    def linearise(self, x_gates, states, new, weights, dropout):
        (h, c), (U,) = states, weights
        a_i, a_f, a_g, a_o = tf.split(x_gates + dot(dropped(h, dropout), U), 4, -1)
        i, slope_i = value_and_derivative(self.recurrent_activation, a_i)
        f, slope_f = value_and_derivative(self.recurrent_activation, a_f)
        g, slope_g = value_and_derivative(self.activation, a_g)
        o, slope_o = value_and_derivative(self.recurrent_activation, a_o)
        y, slope_y = value_and_derivative(self.activation, f * c + i * g)
        gates = tf.concat([g * slope_i, c * slope_f, i * slope_g, y * slope_o], -1)
        return [gates, o * slope_y, f]

    def backward(self, errors, local, weights, dropout):
        (dh, dc), (gates, output, f), (U,) = errors, local, weights
        dc += dh * output
        delta = tf.concat([dc, dc, dc, dh], -1) * gates
        return delta, [dropped(dot_transposed(delta, U), dropout), dc * f]

    def weight_gradients(self, delta, states, local, dropout):
        return [outer(dropped(states[0], dropout), delta)]


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.LSTM)
class LSTM(Recurrent):
    """Long short-term memory over a sequence; a drop-in for `keras.layers.LSTM`.

        i, f, o = σ(x_t·W + h_{t-1}·U + b)        g = φ(x_t·W + h_{t-1}·U + b)
        c_t = f·c_{t-1} + i·g
        h_t = o·φ(c_t)

    Weights as Keras has them: `kernel` [D, 4H], `recurrent_kernel` [H, 4H], `bias` [4H], gates i f g o.

    Args:    as `keras.layers.LSTM`; and `zoneout`, `truncate`, `engine`, see `Recurrent`
    Call:    sequences [B, T, D] → [B, H], or [B, T, H] with `return_sequences`; states (h, c)
    Raises:  ValueError: an option out of its range, an engine that cannot do what is asked
    Source:  Hochreiter & Schmidhuber 1997; Gers et al. 2000

    >>> sequence, h, c = LSTM(4, return_sequences=True, return_state=True)(keras.ops.ones((2, 5, 3)))
    >>> tuple(sequence.shape), tuple(c.shape)
    ((2, 5, 4), (2, 4))
    """

    cell_class = LSTMCell
    cell_name = "lstm_cell"
