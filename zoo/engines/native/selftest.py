"""Trust is earned: a new build runs every cell against the loop before it is kept."""

import tensorflow as tf

from zoo.cells.gru import GRUCell
from zoo.cells.lstm import LSTMCell
from zoo.cells.simple_rnn import SimpleRNNCell
from zoo.engines import loop
from zoo.engines.native.build import BuildError

AGREEMENT = 1e-5  # with the loop: max|a−b| over max|b|
AGREEMENT_IN_BFLOAT16 = 2 ** -5


def check(operations):
    """Raise BuildError unless the operations agree with the loop, and with Adam's formula."""
    for cell in sample_cells():
        wanted = outputs_and_gradients(loop, cell)
        found = outputs_and_gradients(operations, cell)
        if not all(agree(a, b) for a, b in zip(found, wanted)):
            raise BuildError(f"the build disagrees with the loop for {type(cell).__name__}")
        rounded = outputs_and_gradients(operations, cell, tf.bfloat16)
        if not all(agree(a, b, AGREEMENT_IN_BFLOAT16) for a, b in zip(rounded, wanted)):
            raise BuildError(f"the build disagrees with the loop in bfloat16 for {type(cell).__name__}")
    if not all(agree(a, b) for a, b in zip(*found_and_wanted(operations.adam), strict=True)):
        raise BuildError("the build disagrees with the formula of Adam")


def sample_cells():
    """One cell for every kind in native.cc, weights drawn without touching anyone's random numbers."""
    options = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros", "seed": 0,
               "dtype": "float32", "name": "sample"}
    cells = [*[SimpleRNNCell(19, activation=phi, **options) for phi in ("tanh", "relu")],
             *[GRUCell(19, reset_after=after, **options) for after in (True, False)],
             LSTMCell(19, **options)]
    for cell in cells:
        cell.build((None, 3))
        cell.set_weights([normal(n, weight.shape) / 5 for n, weight in enumerate(cell.weights)])
    return cells


def outputs_and_gradients(engine, cell, dtype=tf.float32):
    inputs, states = normal(10, [7, 5, 3]), [normal(20 + n, [7, 19]) for n in range(cell.states)]
    timing = loop.Timing(mask=normal(30, [7, 5]) > -1, go_backwards=True)
    sources = [inputs, *states, *[weight.value for weight in cell.weights]]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        sequence, last = engine.run(
            cell, tf.cast(inputs, dtype), [tf.cast(state, dtype) for state in states], timing, True)
        sequence, *last = (tf.cast(value, tf.float32) for value in (sequence, *last))
        loss = tf.add_n([tf.reduce_sum(value * normal(40, value.shape)) for value in (sequence, *last)])
    return [sequence, *last, *tape.gradient(loss, sources)]


def normal(seed, shape):
    return tf.random.stateless_normal(shape, [seed, 0])


def agree(a, b, tolerance=AGREEMENT):
    return bool(tf.reduce_max(tf.abs(a - b)) <= tolerance * tf.reduce_max(tf.abs(b)))


# The training step of `adam.py`.

def found_and_wanted(operation):
    """The results of the operation on some numbers, and those of the formula."""
    shapes = [[3], [5, 7], [300, 70]]  # less than a vector; with a rest; several pieces
    lists = [[normal(10 * n + k, shape) for k, shape in enumerate(shapes)] for n in range(5)]
    lists[3] = [tf.square(v) for v in lists[3]]
    rates, limit, betas = [0.1, 0.2, 0.3], 2.0, {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 0.01}
    norm, *found = operation(*lists, rates, threads=2, decayed=[False, True, True], limit=limit, **betas)
    wanted_norm = tf.linalg.global_norm(lists[0])
    wanted = [_formula(g * limit / wanted_norm, *old, 0.1, 0.2 * (k > 0), 0.3, **betas)
              for k, (g, *old) in enumerate(zip(*lists))]
    return ([norm, *[array for some in found for array in some]],
            [wanted_norm, *[array for some in zip(*wanted) for array in some]])


def _formula(g, w, m, v, a, rate, decay, share, beta_1, beta_2, epsilon):
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (g * g - v)
    w = w - decay * w - rate * m / (tf.sqrt(v) + epsilon)
    return w, m, v, a + share * (w - a)
