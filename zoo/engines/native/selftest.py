"""Trust is earned: a new build runs every cell against the loop before it is kept."""

import tensorflow as tf

from zoo.engines import loop
from zoo.engines.native.ops.build import BuildError

AGREEMENT = 1e-5  # with the loop: max|a−b| over max|b|


def check(operations):
    """Raise BuildError unless the operations agree with the loop, and with Adam's formula."""
    from zoo.engines.native import adam  # it imports this file

    for cell in sample_cells():
        wanted = outputs_and_gradients(loop, cell)
        found = outputs_and_gradients(operations, cell)
        if not all(agree(a, b) for a, b in zip(found, wanted)):
            raise BuildError(f"the build disagrees with the loop for {type(cell).__name__}")
    if not all(agree(a, b) for a, b in zip(*adam.found_and_wanted(operations.adam), strict=True)):
        raise BuildError("the build disagrees with the formula of Adam")


def sample_cells():
    """One cell for every kind in native.cc, weights drawn without touching anyone's random numbers."""
    from zoo.cells import gru, lstm, simple_rnn  # they import the engines

    options = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros", "seed": 0,
               "dtype": "float32", "name": "sample"}
    cells = [*[simple_rnn.SimpleRNNCell(19, activation=phi, **options) for phi in ("tanh", "relu")],
             *[gru.GRUCell(19, reset_after=after, **options) for after in (True, False)],
             lstm.LSTMCell(19, **options)]
    for cell in cells:
        cell.build((None, 3))
        cell.set_weights([normal(n, weight.shape) / 5 for n, weight in enumerate(cell.weights)])
    return cells


def outputs_and_gradients(engine, cell):
    inputs, states = normal(10, [7, 5, 3]), [normal(20 + n, [7, 19]) for n in range(cell.states)]
    timing = loop.Timing(mask=normal(30, [7, 5]) > -1, go_backwards=True)
    sources = [inputs, *states, *[weight.value for weight in cell.weights]]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        sequence, last = engine.run(cell, inputs, states, timing, True)
        loss = tf.add_n([tf.reduce_sum(value * normal(40, value.shape)) for value in (sequence, *last)])
    return [sequence, *last, *tape.gradient(loss, sources)]


def normal(seed, shape):
    return tf.random.stateless_normal(shape, [seed, 0])


def agree(a, b):
    return bool(tf.reduce_max(tf.abs(a - b)) <= AGREEMENT * tf.reduce_max(tf.abs(b)))
