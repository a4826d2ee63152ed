"""How weights move: Adam in one kernel, and its learning rate over the run."""

import keras
import tensorflow as tf


def learning_rates(peak, steps, warmup):
    """Linear warm-up to `peak` over `warmup · steps` steps, then a half cosine down to 0.

    Source:  Loshchilov & Hutter 2017

    >>> rates = learning_rates(1.0, steps=100, warmup=0.1)
    >>> [round(float(rates(step)), 3) for step in (0, 10, 55, 100)]
    [0.1, 1.0, 0.5, 0.0]
    """
    climb = round(warmup * steps)
    # The climb starts above 0: a first step that moves nothing would be wasted.
    return keras.optimizers.schedules.CosineDecay(
        peak / climb if climb else peak, max(1, steps - climb),
        warmup_target=peak if climb else None, warmup_steps=climb)


class Adam(keras.optimizers.Adam):
    """Keras's Adam with its update in one kernel: a large embedding is read and written once.

    m' = m + (1 − β₁)(g − m);   v' = v + (1 − β₂)(g² − v)
    w' = w − η √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m' / (√v' + ε)

    Source:  Kingma & Ba 2015; with `weight_decay` AdamW, Loshchilov & Hutter 2019
    """

    def update_step(self, gradient, variable, learning_rate):
        index, kind = self._get_variable_index(variable), variable.dtype
        time = tf.cast(self.iterations.value + 1, kind)
        beta_1, beta_2 = tf.cast(self.beta_1, kind), tf.cast(self.beta_2, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle, grad=tf.cast(gradient, kind),
            beta1_power=beta_1 ** time, beta2_power=beta_2 ** time, beta1=beta_1, beta2=beta_2,
            lr=tf.cast(learning_rate, kind), epsilon=tf.cast(self.epsilon, kind))
