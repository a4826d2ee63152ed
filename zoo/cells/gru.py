"""The gated recurrent unit, with the reset gate before or after the recurrent product."""

import keras
import tensorflow as tf

from zoo.cells.activations import elementwise, value_and_derivative
from zoo.cells.arguments import arguments_of
from zoo.cells.cell import Cell
from zoo.ops.products import dropped, sum_over_steps


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
