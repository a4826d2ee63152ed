"""The gated recurrent unit, with the reset gate before or after the recurrent product."""

import keras
import tensorflow as tf

from zoo.cell import (
    Cell, arguments_of, dropped, elementwise, sum_over_steps, value_and_derivative)
from zoo.layer import Recurrent


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.GRUCell)
class GRUCell(Cell):
    """One step of the gated recurrent unit.

        z = σ(x_z + h·U_z)        r = σ(x_r + h·U_r)        x_z, x_r, x_n = x·W + b
        n = φ(x_n + (r·h)·U_n)          with `reset_after=False`: the textbook's form
        n = φ(x_n + r·(h·U_n + b_n))    with `reset_after=True`: cuDNN's form
        h' = z·h + (1 - z)·n

    Backward, with the error dh' of the new state, δ = [δ_z δ_r δ_n]:

        δ_z = dh'·(h - n)·σ′        δ_n = dh'·(1 - z)·φ′
        δ_r = (δ_n·U_nᵀ)·h·σ′                   dh = dh'·z + r·(δ_n·U_nᵀ) + δ_z·U_zᵀ + δ_r·U_rᵀ
        δ_r = δ_n·(h·U_n + b_n)·σ′              dh = dh'·z + [δ_z δ_r r·δ_n]·Uᵀ

    (the last two lines: reset before, reset after).

    Args:    as `keras.layers.GRUCell`; and `layer_normalization`, see `Cell`
    Call:    inputs [B, D], states ([B, H],) → output [B, H], states
    Raises:  ValueError: as `Cell`
    Source:  Cho et al. 2014 (before); Chung et al. 2014 and cuDNN (after)

    >>> cell = GRUCell(4, reset_after=False)
    >>> output, states = cell(keras.ops.ones((2, 3)), cell.get_initial_state(2))
    >>> tuple(output.shape)
    (2, 4)
    """

    gates = 3
    options = (*Cell.options, "recurrent_activation", "reset_after")

    def __init__(self, units, recurrent_activation="sigmoid", reset_after=True, **kwargs):
        super().__init__(units, **kwargs)
        self.recurrent_activation = elementwise("recurrent_activation", recurrent_activation)
        self.reset_after = reset_after

    def bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else super().bias_shape()

    def input_bias(self):
        bias = super().input_bias()
        return bias[0] if bias is not None and self.reset_after else bias

    def recurrent_weights(self, kept=None):
        """U and b_n (zeros without a bias) for the form after; U_zr and U_n for the form before.

        Then the gains of their products, if these are normalised.
        """
        U, *gain = super().recurrent_weights(kept)
        if not self.reset_after:
            return [part for both in (U, *gain)
                    for part in tf.split(both, [2 * self.units, self.units], -1)]
        bias = super().input_bias()
        return U, tf.zeros([3 * self.units], U.dtype) if bias is None else bias[1], *gain

    def step(self, x_gates, states, weights, dropout=None):
        (h,) = states
        a_zr, reset, x_n, _ = self._open(x_gates, dropped(h, dropout), weights)
        z, r = tf.split(self.recurrent_activation(a_zr), 2, -1)
        n = self.activation(x_n + self._close(r * reset, weights)[0])
        return [z * h + (1 - z) * n]

    def _open(self, x_gates, h, weights):
        """The gates' pre-activation, what the reset gate multiplies, the candidate's input, `norm`."""
        x_zr, x_n = tf.split(x_gates, [2 * self.units, self.units], -1)
        product, norm = self.product(h, weights[0], *weights[2:3])
        if not self.reset_after:
            return x_zr + product, h, x_n, norm
        inner_zr, inner_n = tf.split(product + weights[1], [2 * self.units, self.units], -1)
        return x_zr + inner_zr, inner_n, x_n, norm

    def _close(self, gated, weights):
        """From behind the reset gate to the candidate: r·h still has its product to come."""
        return (gated, []) if self.reset_after else self.product(gated, weights[1], *weights[3:])

    def linearise(self, x_gates, states, new, weights, dropout):
        (h,) = states
        a_zr, reset, x_n, norm = self._open(x_gates, dropped(h, dropout), weights)
        zr, slope_zr = value_and_derivative(self.recurrent_activation, a_zr)
        (z, r), (slope_z, slope_r) = tf.split(zr, 2, -1), tf.split(slope_zr, 2, -1)
        product, norm_n = self._close(r * reset, weights)
        n, slope_n = value_and_derivative(self.activation, x_n + product)
        return [(h - n) * slope_z, reset * slope_r, (1 - z) * slope_n, z, r, *norm, *norm_n]

    def backward(self, errors, local, weights, dropout):
        (dh,), (update, reset, candidate, z, r, *norm) = errors, local
        dz, dn = dh * update, dh * candidate
        dgated = dn if self.reset_after else self.product_back(dn, weights[1], norm[2:])
        dr = dgated * reset
        inner = tf.concat([dz, dr, dn * r] if self.reset_after else [dz, dr], -1)
        dproduct = self.product_back(inner, weights[0], norm[:2])
        if not self.reset_after:
            dproduct += dgated * r
        return tf.concat([dz, dr, dn], -1), [dh * z + dropped(dproduct, dropout)]

    def weight_gradients(self, delta, states, local, dropout):
        h, r, norm = dropped(states[0], dropout), local[4], local[5:]
        delta_zr, delta_n = tf.split(delta, [2 * self.units, self.units], -1)
        if not self.reset_after:
            U_zr, *gain_zr = self.product_gradients(h, delta_zr, norm[:2])
            U_n, *gain_n = self.product_gradients(r * h, delta_n, norm[2:])
            return [U_zr, U_n, *gain_zr, *gain_n]
        inner = tf.concat([delta_zr, delta_n * r], -1)
        U, *gain = self.product_gradients(h, inner, norm)
        return [U, sum_over_steps(inner), *gain]


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.GRU)
class GRU(Recurrent):
    """The gated recurrent unit over a sequence; a drop-in for `keras.layers.GRU`.

        z = σ(x_t·W_z + h_{t-1}·U_z + b_z)        r = σ(x_t·W_r + h_{t-1}·U_r + b_r)
        n = φ(x_t·W_n + r·(h_{t-1}·U_n + b'_n) + b_n)         (`reset_after`, else (r·h_{t-1})·U_n)
        h_t = z·h_{t-1} + (1 - z)·n

    Weights as Keras has them: `kernel` [D, 3H], `recurrent_kernel` [H, 3H], gates z r n, `bias` [2, 3H]
    with `reset_after`, else [3H].

    Args:    as `keras.layers.GRU`; and `zoneout`, `weight_drop`, `layer_normalization`, `truncate`,
             `engine`, see `Recurrent`
    Call:    sequences [B, T, D] → [B, H], or [B, T, H] with `return_sequences`
    Raises:  ValueError: an option out of its range, an engine that cannot do what is asked
    Source:  Cho et al. 2014

    >>> tuple(GRU(4, reset_after=False)(keras.ops.ones((2, 5, 3))).shape)
    (2, 4)
    """

    cell_class = GRUCell
    cell_name = "gru_cell"


def opposite_update_gate(weights):
    """Weights of a GRU that names z the other way round, as ours; and back.

        h' = (1 - z)·h + z·n    theirs
        h' = z·h + (1 - z)·n    ours: since 1 - σ(a) = σ(-a), the columns of z change their sign

    Args:    weights  kernel [D, 3H], recurrent kernel [H, 3H] and, if there is one, bias [3H] or [2, 3H],
                      gates z r n
    Returns: a list of the same
    Raises:  ValueError: other shapes
    Source:  Chung et al. 2014 has z as theirs, Cho et al. 2014 as ours

    >>> import numpy as np
    >>> opposite_update_gate([np.array([[1., 2., 3.]]), np.array([[4., 5., 6.]])])
    [array([[-1.,  2.,  3.]]), array([[-4.,  5.,  6.]])]
    """
    units, shapes = len(weights[1]), [list(weight.shape) for weight in weights]
    if any(shape[-1] != 3 * units for shape in shapes):
        raise ValueError(f"weights: expected kernels and bias of 3·{units} columns, received {shapes}")
    converted = [weight.copy() for weight in weights]
    for weight in converted:
        weight[..., :units] *= -1
    return converted
