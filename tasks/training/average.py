"""Averages of the weights over a run, by which a network predicts better than by its last ones."""

import contextlib

import numpy as np
import tensorflow as tf


class Average:
    """An exponential moving average of weights, with a warm-up that forgets the initial ones.

    a' = a + (1 − d)(w − a),   d = min(decay, (1 + t) / (10 + t)),   t = 1, 2, … updates

    Args:    weights  Keras variables;   decay  0 keeps no average
    Source:  Polyak & Juditsky 1992; the warm-up is TensorFlow's `ExponentialMovingAverage`
    """

    def __init__(self, weights, decay):
        self.decay, self.weights = float(decay), weights if decay else []
        self.variables = [tf.Variable(weight.value, trainable=False) for weight in self.weights]

    def share(self, updates):
        """1 − d after `updates` updates, a tensor."""
        time = tf.cast(updates, tf.float32)
        return 1. - tf.minimum(self.decay, (1. + time) / (10. + time))

    def update(self, updates):
        """Take in the weights as they are after `updates` updates, an integer tensor."""
        share = self.share(updates)
        for average, weight in zip(self.variables, self.weights):
            average.assign_sub(tf.cast(share, average.dtype) * (average - weight.value))

    @contextlib.contextmanager
    def in_place(self):
        """The network has the averaged weights inside, and its own bits again afterwards."""
        raw = [np.array(weight.value) for weight in self.weights]
        assign(self.weights, [np.array(average) for average in self.variables])
        try:
            yield
        finally:
            assign(self.weights, raw)


def assign(variables, arrays):
    """Give variables the values of arrays, also of such as come from a checkpoint."""
    for variable, array in zip(variables, arrays):
        # NumPy stores bfloat16 as two bytes without a name.
        kind = np.asarray(variable).dtype
        variable.assign(array.view(kind) if array.dtype.kind == "V" else array)
