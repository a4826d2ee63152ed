"""The gradient of the compiled gradient: what gradient penalties, Hessians and forward mode need.

The loop's gradient is the same function, made of stock TensorFlow ops. So the loop runs on the inputs
of the operation, and its gradient is differentiated in place of the compiled one.
"""

import keras
import tensorflow as tf

from zoo.cells.gru import GRUCell
from zoo.cells.lstm import LSTMCell
from zoo.cells.simple_rnn import SimpleRNNCell
from zoo.engines import loop
from zoo.engines.kinds import GRU, GRU_RESET_BEFORE, LSTM, RELU

# The inputs of the backward operation, and those whose gradients its second to eighth outputs are.
INPUTS = ("x", "w", "u", "h", "c", "mask", "dropout", "zoneout_h", "zoneout_c", "gates", "extra",
          "sequence", "dsequence", "dh", "dc", "bias", "recurrent_bias")
SOURCES = "x", "w", "u", "h", "c", "bias", "recurrent_bias"


def gradient(backward, _, *upstream):
    """∂ Σ upstream · outputs / ∂ inputs, of the backward operation, in the order of its inputs.

    None for the gates, `extra` and the sequence: they are functions of the other inputs.
    """
    given = {name: tensor for name, tensor in zip(INPUTS, backward.inputs) if tensor.shape != [0]}
    sources = {name: given[name] for name in SOURCES if name in given}
    errors = {name: given[name] for name in ("dsequence", "dh", "dc") if name in given}
    with tf.GradientTape() as outer:
        outer.watch([sources, errors])
        with tf.GradientTape() as inner:
            inner.watch(sources)
            outputs = by_loop(given, backward.get_attr("cell"), backward.get_attr("go_backwards"),
                              "dsequence" in given)
        first = inner.gradient(outputs, sources, list(errors.values()))
    upstream = {name: error for name, error in zip(SOURCES, upstream) if name in given}
    second = outer.gradient(first, {**sources, **errors}, upstream)
    return [second.get(name) for name in INPUTS]


def by_loop(given, kind, go_backwards, return_sequences):
    """What the forward operation returns, by the loop."""
    bias = given.get("bias")
    if "recurrent_bias" in given:
        bias = tf.stack([bias, given["recurrent_bias"]])
    cell = equations(kind, given["w"], given["u"], bias)
    zoneout = [given[name] for name in ("zoneout_h", "zoneout_c") if name in given]
    timing = loop.Timing(given.get("mask"), tuple(zoneout) or None, given.get("dropout"),
                         go_backwards=go_backwards)
    states = [given[name] for name in ("h", "c") if name in given]
    sequence, last = loop.run(cell, given["x"], states, timing, return_sequences)
    return [sequence] * return_sequences + list(last)


def equations(kind, W, U, bias):
    """A cell of that kind on these weights; not initialised: Keras would make variables in a graph."""
    cell = object.__new__({GRU: GRUCell, GRU_RESET_BEFORE: GRUCell, LSTM: LSTMCell}.get(
        kind, SimpleRNNCell))
    vars(cell).update(
        units=U.shape[0], kernel=W, recurrent_kernel=U, bias=bias, gain=None, layer_normalization=False,
        activation=keras.activations.relu if kind == RELU else keras.activations.tanh,
        recurrent_activation=keras.activations.sigmoid, reset_after=kind == GRU)
    return cell
