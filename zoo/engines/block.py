"""The LSTM as one stock operation for a whole sequence, in a SavedModel that reads few texts at once.

A loop pays for every small operation of a step; `BlockLSTMV2` is one in C++. It knows no mask and makes
the input's product step by step, so that it gains only in small batches without padding: a graph that is
exported holds both, and decides at each request.
"""

import keras
import tensorflow as tf

from zoo.cells.lstm import LSTMCell
from zoo.engines import loop

FEW = 4  # texts


def unmet(layer):
    """Only `engines.exporting` chooses this engine: it has no gradient."""
    return "a SavedModel to be traced for"


def run(cell, inputs, states, timing, return_sequences):
    """All steps of a recurrence; see `zoo.engines.loop.run`."""
    def by_steps():
        sequence, last = loop.run(cell, inputs, states, timing, return_sequences)
        return [sequence] * return_sequences + list(last)

    if not fits(cell, timing, inputs):
        found = by_steps()
    else:
        few = (tf.shape(inputs)[0] <= FEW) & (tf.shape(inputs)[1] > 0)
        if timing.mask is not None:
            few &= tf.reduce_all(timing.mask)
        found = tf.cond(few, lambda: as_one(cell, inputs, states, timing, return_sequences), by_steps)
    return found[0] if return_sequences else None, found[int(return_sequences):]


def fits(cell, timing, inputs):
    """Whether the operation has the cell's equations."""
    plain = timing.zoneout is timing.dropout is timing.weight_drop is None
    return (plain and type(cell) is LSTMCell and not cell.layer_normalization
            and cell.activation is keras.activations.tanh
            and cell.recurrent_activation is keras.activations.sigmoid and inputs.dtype == tf.float32)


def as_one(cell, inputs, states, timing, return_sequences):
    """The sequence, if it is wanted, and the final states."""
    x, (h, c) = timing.in_time(inputs), states
    weights = tf.concat([cell.kernel, cell.recurrent_kernel], 0)
    bias = tf.zeros([4 * cell.units]) if cell.bias is None else tf.convert_to_tensor(cell.bias)
    unused = tf.zeros([cell.units])
    found = tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.shape(x, tf.int64)[0], x=x, cs_prev=c, h_prev=h, w=weights, wci=unused, wcf=unused,
        wco=unused, b=bias, cell_clip=0.0)
    last = [found.h[-1], found.cs[-1]]
    return [tf.transpose(found.h, [1, 0, 2])] * return_sequences + last
