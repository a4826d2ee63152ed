"""Weights of TensorFlow 1's cells as ours: W·[x; h] and W·x + U·h are two spellings of one product.

Its cells multiply the concatenation [x; h] by one kernel [D+H, G·H]. Each function gives the list that
`set_weights` of our layer or cell takes.

>>> kernel, recurrent_kernel, bias = rnn(np.ones((5, 2)), np.zeros(2))
>>> kernel.shape, recurrent_kernel.shape
((3, 2), (2, 2))
"""

import numpy as np


def rnn(kernel, bias):
    """`BasicRNNCell`, [D+H, H] and [H], as `SimpleRNN` has it."""
    return [*apart(kernel, len(bias)), bias]


def lstm(kernel, bias, forget_bias=1.0):
    """`BasicLSTMCell`, [D+H, 4H] and [4H], gates i g f o, as `LSTM` has it.

    `forget_bias` is the cell's argument: no weight, but added to a_f at every step.
    """
    units = len(bias) // 4
    kernel, bias = (in_order(weights, units, (0, 2, 1, 3)) for weights in (kernel, bias))
    bias[units:2 * units] += forget_bias
    return [*apart(kernel, units), bias]


def gru(gates_kernel, gates_bias, candidate_kernel, candidate_bias):
    """`GRUCell`, gates r z [D+H, 2H] and candidate [D+H, H], as `GRU(reset_after=False)` has it."""
    units = len(candidate_bias)
    kernel = np.concatenate([in_order(gates_kernel, units, (1, 0)), candidate_kernel], -1)
    bias = np.concatenate([in_order(gates_bias, units, (1, 0)), candidate_bias])
    return [*apart(kernel, units), bias]


def apart(kernel, units):
    """[D+H, G·H] → kernel [D, G·H], recurrent kernel [H, G·H]."""
    return np.split(kernel, [len(kernel) - units])


def in_order(weights, units, order):
    """The gates' columns in another order."""
    return np.concatenate([weights[..., n * units:(n + 1) * units] for n in order], -1)
