"""How weights move: Adam in one kernel, and its learning rate over the run."""

import keras
import tensorflow as tf

from zoo.engines.native import adam

DELTA = 1e-6    # added to Adagrad's squares of gradients, which are those of a mean over tokens


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

    A weight with an attribute `adagrad`, a number k, moves as by Adagrad: a batch has few of its rows,
    and Adam would move the rarest as far as the most frequent.

    v' = v + g²;   w' = w − k·η·g / √(v' + δ)

    Source:  Kingma & Ba 2015; with `weight_decay` AdamW, Loshchilov & Hutter 2019; Duchi et al. 2011
    """

    def update_step(self, gradient, variable, learning_rate):
        index, kind = self._get_variable_index(variable), variable.dtype
        relative = getattr(self._trainable_variables[index], "adagrad", None)
        if relative:
            squares = self._velocities[index].value
            squares.assign_add(gradient * gradient)
            variable.assign_sub(relative * learning_rate * gradient * tf.math.rsqrt(squares + DELTA))
            return
        time = tf.cast(self.iterations.value + 1, kind)
        beta_1, beta_2 = tf.cast(self.beta_1, kind), tf.cast(self.beta_2, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle, grad=tf.cast(gradient, kind),
            beta1_power=beta_1 ** time, beta2_power=beta_2 ** time, beta1=beta_1, beta2=beta_2,
            lr=tf.cast(learning_rate, kind), epsilon=tf.cast(self.epsilon, kind))

    def one_pass(self, weights):
        """Whether `step_in_one_pass` can move these weights here and now."""
        options = (self.amsgrad, self.clipnorm, self.clipvalue, self.global_clipnorm, self.use_ema,
                   self.gradient_accumulation_steps, self.loss_scale_factor)
        others = [weight for weight in weights
                  if weight.constraint is not None or hasattr(weight, "adagrad")]
        return not any(options) and not others and adam.unmet(weights) is None

    def step_in_one_pass(self, gradients, weights, limit, average):
        """Clip to the norm `limit` (0 never does), `apply`, and update `average`: one operation.

        Returns: norm of the gradients before clipping
        """
        time, rate = tf.cast(self.iterations.value + 1, tf.float32), self.learning_rate
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        scaled = rate * tf.sqrt(1 - beta_2 ** time) / (1 - beta_1 ** time)
        indices = [self._get_variable_index(weight) for weight in weights]
        norm = adam.step(
            gradients, [weight.value for weight in weights],
            [self._momentums[index].value for index in indices],
            [self._velocities[index].value for index in indices], average.variables,
            [scaled, rate * (self.weight_decay or 0), average.share(time)], limit=limit,
            decayed=[bool(self.weight_decay) and self._use_weight_decay(weight) for weight in weights],
            beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)
        self.iterations.assign_add(1)
        return norm
