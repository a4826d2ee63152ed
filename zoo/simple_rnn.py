"""The simple (Elman) recurrent network."""

import keras

from zoo.cell import DERIVATIVES, Cell, arguments_of, dropped, value_and_derivative
from zoo.layer import Recurrent


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.SimpleRNNCell)
class SimpleRNNCell(Cell):
    """One step of the simple recurrent network.

        h' = φ(x·W + h·U + b)

    Backward, with dh' = ∂L/∂h':

        δ  = dh'·φ′        dh = δ·Uᵀ        ∂L/∂U = Σ_t h ⊗ δ

    Args:    as `keras.layers.SimpleRNNCell`; and `layer_normalization`, see `Cell`
    Call:    inputs [B, D], states ([B, H],) → output [B, H], states
    Raises:  ValueError: as `Cell`
    Source:  Elman 1990

    >>> cell = SimpleRNNCell(4)
    >>> output, states = cell(keras.ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape)
    (2, 4)
    """

    def step(self, x_gates, states, weights, dropout=None):
        product, _ = self.product(dropped(states[0], dropout), *weights)
        return [self.activation(x_gates + product)]

    def linearise(self, x_gates, states, new, weights, dropout):
        if new is not None and self.activation in DERIVATIVES and not self.layer_normalization:
            return [DERIVATIVES[self.activation](new[0])]
        product, norm = self.product(dropped(states[0], dropout), *weights)
        return [value_and_derivative(self.activation, x_gates + product)[1], *norm]

    def backward(self, errors, local, weights, dropout):
        (dh,), (slope, *norm) = errors, local
        delta = dh * slope
        return delta, [dropped(self.product_back(delta, weights[0], norm), dropout)]

    def weight_gradients(self, delta, states, local, dropout):
        return self.product_gradients(dropped(states[0], dropout), delta, local[1:])


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.SimpleRNN)
class SimpleRNN(Recurrent):
    """The simple recurrent network over a sequence; a drop-in for `keras.layers.SimpleRNN`.

        h_t = φ(x_t·W + h_{t-1}·U + b)

    Args:    as `keras.layers.SimpleRNN`; and `zoneout`, `weight_drop`, `layer_normalization`, `truncate`,
             `engine`, see `Recurrent`
    Call:    sequences [B, T, D] → [B, H], or [B, T, H] with `return_sequences`
    Raises:  ValueError: an option out of its range, an engine that cannot do what is asked
    Source:  Elman 1990

    >>> tuple(SimpleRNN(4, return_sequences=True)(keras.ops.ones((2, 5, 3))).shape)
    (2, 5, 4)
    """

    cell_class = SimpleRNNCell
    cell_name = "simple_rnn_cell"
