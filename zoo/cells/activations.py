"""Activations and their derivatives."""

import keras
import tensorflow as tf


def elementwise(name, activation):
    """The activation, checked: its derivative is one number an element, so it must not mix elements."""
    function = keras.activations.get(activation)
    if function in DERIVATIVES or not (learns(function) or mixes(function) or learns(function)):
        return function
    if learns(function):
        raise ValueError(f"{name}: expected an activation without weights of its own, received "
                         f"{activation!r}; put it after the layer")
    raise ValueError(f"{name}: expected an elementwise activation, received {activation!r}")


def learns(function):
    """Whether it is a layer with weights, which some have once they were called."""
    return isinstance(function, keras.layers.Layer) and bool(function.weights)


def mixes(function):
    """Whether another first element changes any other element, or the shape."""
    with tf.init_scope():  # eager, also while a graph is traced
        if not tf.executing_eagerly():
            return False  # a graph of TensorFlow 1 gives no values to compare
        results = [tf.convert_to_tensor(function(tf.constant([[first, 0.2, 0.3, 0.4]])))
                   for first in (-3.0, 0.1, 3.0)]
        return any(y.shape != (1, 4) or bool(tf.reduce_any(y[:, 1:] != results[0][:, 1:]))
                   for y in results)


# φ′ by φ's own value, where that is possible: what makes BPTT cheap.
DERIVATIVES = {
    keras.activations.tanh: lambda y: 1 - y * y,
    keras.activations.sigmoid: lambda y: y * (1 - y),
    keras.activations.relu: lambda y: tf.cast(y > 0, y.dtype),
    keras.activations.linear: tf.ones_like,
}


def value_and_derivative(activation, a):
    """φ(a) and φ′(a), elementwise; activations without a closed form go through autodiff."""
    if activation in DERIVATIVES:
        y = activation(a)
        return y, DERIVATIVES[activation](y)
    with tf.GradientTape() as tape:
        tape.watch(a)
        y = activation(a)
    return y, tape.gradient(y, a)
