"""A plain loop over raw tensor lists.

With a batch size and a length known only at run time it trains, saves, compiles under XLA and converts to
builtin TFLite ops, which `tf.TensorArray` does not.
"""

import tensorflow as tf


def loop(step, steps, states, sequences, unroll, done=None, resized=False):
    """Apply `step(t, states, sequences)` for t = 0 … steps-1, or until `done(states)` if that is given.

    `unroll` is the static length, or falsy. What an early end leaves of the sequences is zero. Step t
    puts item t: a converter to ONNX takes the items in the order in which they come. A step of a loop
    that is `resized` may change the first axes of states.
    """
    if unroll:
        for t in range(unroll):
            states, sequences = step(t, states, sequences)
        return states, sequences

    def body(t, states, sequences):
        after, sequences = step(t, states, sequences)
        for new, old in zip(tf.nest.flatten(after), tf.nest.flatten(states)):
            new.set_shape(varying(old) if resized else old.shape)  # which a gather makes the graph forget
        return t + 1, after, sequences

    def more(t, states, sequences):
        return t < steps if done is None else (t < steps) & ~done(states)

    known = {}
    if resized:
        if not tf.executing_eagerly():  # TensorFlow's optimizer takes a size for that of all steps
            states = tf.nest.map_structure(
                lambda array: tf.compat.v1.placeholder_with_default(array, varying(array)), states)
        known["shape_invariants"] = (
            tf.TensorShape([]), tf.nest.map_structure(varying, states), [s.shape for s in sequences])
    _, states, sequences = tf.while_loop(more, body, (0, states, sequences), **known)
    return states, sequences


def varying(array):
    """The shape of an array whose first axis may change."""
    return tf.TensorShape([None, *array.shape[1:]]) if array.shape.rank else array.shape


def reserve(steps, shape, dtype):
    return tf.raw_ops.TensorListReserve(
        element_shape=shape, num_elements=steps, element_dtype=dtype)


def put(sequence, t, item):
    return tf.raw_ops.TensorListSetItem(input_handle=sequence, index=t, item=item)


def stack(sequence, shape, dtype):
    return tf.raw_ops.TensorListStack(
        input_handle=sequence, element_shape=shape, element_dtype=dtype)


def unstack(array):
    """The steps of [T, …] as a list: autodiff adds up lists, where `tf.gather` adds whole arrays."""
    return tf.raw_ops.TensorListFromTensor(tensor=array, element_shape=tf.shape(array)[1:])


def get(sequence, t, shape, dtype):
    return tf.raw_ops.TensorListGetItem(
        input_handle=sequence, index=t, element_shape=shape, element_dtype=dtype)
