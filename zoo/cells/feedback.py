"""The cell of a network that reads its own last output."""

import dataclasses
import typing

import keras
import tensorflow as tf

from zoo.cells.activations import DERIVATIVES, value_and_derivative
from zoo.ops.products import add_bias, dot, dot_transposed, outer


@dataclasses.dataclass(frozen=True)
class Feedback:
    """The network that reads its own output, as `zoo.engines.loop` wants its equations (see `Cell`).

        h' = φ(a + s·y·R (+ h·U))        y' = g(h'·V + c)

    The states are (h, y). The gates of a step are a [H], c [C] and s [1], side by side; s is 1 where the
    step reads y, and 0 where a has y's substitute in it. Backward, with dh' and dy' the states' errors:

        δ_z = dy'·g′        δ_a = (dh' + δ_z·Vᵀ)·φ′        dy = s·δ_a·Rᵀ        dh = δ_a·Uᵀ, or zero
        ∂L/∂R = Σ_t s·y ⊗ δ_a        ∂L/∂U = Σ_t h ⊗ δ_a        ∂L/∂V = Σ_t h' ⊗ δ_z

    Args:  kernel [D + C, H], bias [H], output_kernel V [H, C], output_bias c [C],
           recurrent_kernel U [H, H] or None, activation φ, output_activation,
           argmax: whether g is the one-hot vector of the largest, else g is the output activation
    """

    kernel: tf.Tensor
    bias: tf.Tensor
    output_kernel: tf.Tensor
    output_bias: tf.Tensor
    recurrent_kernel: tf.Tensor | None
    activation: typing.Callable
    output_activation: typing.Callable
    argmax: bool

    has_backward = True

    def input_gates(self, inputs):
        """Gates of [x_t; s_t], or of [x_t; y_{t-1}; s_t] where y_{t-1} takes part from outside."""
        inputs, own = inputs[..., :-1], inputs[..., -1:]
        a = dot(inputs, self.kernel[:inputs.shape[-1]])
        room = (a.shape.rank - 1) * [[0, 0]] + [[0, self.output_bias.shape[0]]]
        biased = add_bias(tf.pad(a, room), tf.concat([self.bias, self.output_bias], 0))
        return tf.concat([biased, own], -1)

    def recurrent_weights(self, kept=None):
        R = self.kernel[-self.output_bias.shape[0]:]
        U = self.recurrent_kernel
        return R if U is None else tf.concat([U, R], 0), self.output_kernel

    def _parts(self, gates):
        """a, c, s."""
        return tf.split(gates, [self.bias.shape[0], self.output_bias.shape[0], 1], -1)

    def _read(self, states, own):
        """What meets the recurrent weights: s·y, or [h; s·y]."""
        h, y = states
        return own * y if self.recurrent_kernel is None else tf.concat([h, own * y], -1)

    def step(self, gates, states, weights, dropout=None):
        (a, c, own), (S, V) = self._parts(gates), weights
        h = self.activation(a + dot(self._read(states, own), S))
        z = dot(h, V) + c
        if self.argmax:
            return [h, tf.one_hot(tf.argmax(z, -1), z.shape[-1], dtype=z.dtype)]
        return [h, self.output_activation(z)]

    def linearise(self, gates, states, new, weights, dropout):
        """φ′, what g′ is made of, s and h', for all steps."""
        (a, c, own), (h, y), (S, V) = self._parts(gates), new, weights
        slope = derivative(self.activation, h, lambda: a + dot(self._read(states, own), S))
        if self.output_activation is keras.activations.softmax:
            return [slope, y, own, h]
        return [slope, derivative(self.output_activation, y, lambda: dot(h, V) + c), own, h]

    def backward(self, errors, local, weights, dropout):
        (dh, dy), (slope, output_slope, own, _), (S, V) = errors, local, weights
        if self.output_activation is keras.activations.softmax:
            # y·(dy − Σ dy·y); of a one-hot y it is exactly zero, as the derivative of argmax should be.
            dy -= tf.reduce_sum(dy * output_slope, -1, keepdims=True)
        dz = dy * output_slope
        da = (dh + dot_transposed(dz, V)) * slope
        before = dot_transposed(da, S)
        if self.recurrent_kernel is None:
            dh, dy = tf.zeros_like(dh), before
        else:
            dh, dy = tf.split(before, [da.shape[-1], dz.shape[-1]], -1)
        # s is drawn or given: nothing learns from its error.
        return tf.concat([da, dz, tf.zeros_like(own)], -1), [dh, own * dy]

    def weight_gradients(self, delta, states, local, dropout):
        (da, dz, _), (_, _, own, h) = self._parts(delta), local
        return [outer(self._read(states, own), da), outer(h, dz)]


def derivative(function, value, argument):
    """The derivative of an elementwise function, by its own value where that is possible."""
    if function in DERIVATIVES:
        return DERIVATIVES[function](value)
    return value_and_derivative(function, argument())[1]
