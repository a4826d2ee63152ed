"""The loop as it is traced for a TFLite file: a loop over pieces of the sequence, a loop in each.

TFLite copies what a loop writes at every step, all of it, so that one loop over T steps costs O(T²).
Here a step copies the outputs of its own piece, and a piece those of all.
"""

import tensorflow as tf

from zoo.engines.loop import scan
from zoo.ops.while_loop import loop, put, reserve, stack

PIECE = 32  # steps


def unmet(layer):
    """Only `engines.exporting` chooses this engine: it has no gradient."""
    return "a TFLite file to be traced for"


def run(cell, inputs, states, timing, return_sequences):
    """All steps of a recurrence; see `zoo.engines.loop.run`."""
    x_gates, timing = cell.input_gates(timing.in_time(inputs)), timing.time_major()
    weights = cell.recurrent_weights(timing.weight_drop)
    if not return_sequences or timing.unroll:
        sequences, states = scan(cell, x_gates, states, weights, timing, int(return_sequences))
    else:
        sequences, states = by_pieces(cell, x_gates, states, weights, timing)
    return tf.transpose(sequences[0], [1, 0, 2]) if return_sequences else None, states


def by_pieces(cell, x_gates, states, weights, timing):
    """What `scan` gives of the first state."""
    steps, dtype = tf.shape(x_gates)[0], x_gates.dtype
    room = tf.minimum(PIECE, steps)  # a constant here would not convert
    count = -(-steps // tf.maximum(1, room))

    def parted(array):
        """[T, B, …] → [count, room, B, …], zeros after the end."""
        shape = tf.shape(array)
        rest = tf.zeros(tf.concat([[count * room - steps], shape[1:]], 0), array.dtype)
        return tf.reshape(tf.concat([array, rest], 0), tf.concat([[count, room], shape[1:]], 0))

    x_pieces, timings = parted(x_gates), timing.changed(parted)

    # All sizes in here come from arrays: TFLite then knows them before the steps begin, and once.
    def piece(n, states, sequences):
        x, now = tf.gather(x_pieces, n), timings.changed(lambda array: tf.gather(array, n))
        written, states = scan(
            cell, x, states, weights, now, 1, tf.minimum(room, steps - n * room))
        return states, [put(sequences[0], n, written[0])]

    shape = tf.concat([[room], tf.shape(states[0])], 0)
    states, sequences = loop(piece, count, list(states), [reserve(count, shape, dtype)], False)
    whole = tf.concat([[count * room], tf.shape(states[0])], 0)
    return [tf.reshape(stack(sequences[0], shape, dtype), whole)[:steps]], states
