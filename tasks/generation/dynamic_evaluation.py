"""Dynamic evaluation: a language model goes on learning from the text that it is tested on.

    θ ← θ − η·∂L/∂θ + λ·(θ₀ − θ)        after every window, once that is scored

L is the mean −log p of the window's symbols, θ₀ the trained weights: what comes again is learnt, what
does not is forgotten. No symbol is scored by weights that have seen it.

Source:  Krause et al. 2018 (the form with plain gradient descent); Mikolov et al. 2010
"""

import numpy as np
import tensorflow as tf


class DynamicEvaluation:
    """Reads as its head does, and learns from what it has read: the network changes.

    Args:    head   a `zoo.models.language_model.TextGenerator`
             rate   η;   decay  λ, from 0 to 1
    """

    def __init__(self, head, rate, decay):
        self.head, self.rate, self.decay = head, rate, decay
        self.weights = head.network.trainable_variables
        self.trained = [tf.constant(np.array(weight)) for weight in self.weights]
        self._step = tf.function(self._read_and_learn, reduce_retracing=True, autograph=False)

    def read(self, ids, previous, states):
        """log p of the ids, states after, as they were before it learnt: see the head's `score`."""
        tensors = tf.nest.map_structure(tf.convert_to_tensor, (ids, previous, list(states)))
        return self._step(*tensors)

    def _read_and_learn(self, ids, previous, states):
        weights = [weight.value for weight in self.weights]
        with tf.GradientTape() as tape:
            log_probability, after = self.head.score(ids, previous, states)
            loss = -tf.reduce_mean(log_probability)
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        for weight, gradient, trained in zip(weights, gradients, self.trained):
            pull = self.decay * (trained - weight)
            weight.assign_add(pull - self.rate * tf.convert_to_tensor(gradient))
        return log_probability, after
