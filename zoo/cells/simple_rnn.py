"""The simple (Elman) recurrent network."""

import keras

from zoo.cells.activations import DERIVATIVES, value_and_derivative
from zoo.cells.arguments import arguments_of
from zoo.cells.cell import Cell
from zoo.ops.products import dropped


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
