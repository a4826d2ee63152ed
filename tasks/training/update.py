"""What a training step does once the gradients are known: norm, clipping, optimizer, averaged weights."""

import tensorflow as tf

from tasks.training.optimizer import Adam


def update(optimizer, weights, gradients, clip_norm, average):
    """Move the weights by gradients scaled to at most `clip_norm`, then update `average`.

    One pass over memory where the native engine runs here, else an operation for each thing and weight.

    Returns: norm of the gradients before clipping
    """
    if type(optimizer) is Adam and optimizer.one_pass(weights):
        optimizer.build(weights)
        return optimizer.step_in_one_pass(gradients, weights, clip_norm, average)
    norm = tf.linalg.global_norm(gradients)
    scale = tf.minimum(tf.ones_like(norm), clip_norm / norm) if clip_norm else 1.
    optimizer.apply([gradient * tf.cast(scale, gradient.dtype) for gradient in gradients], weights)
    average.update(optimizer.iterations.value)
    return norm
