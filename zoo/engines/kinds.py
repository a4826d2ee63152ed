"""The cells whose equations an engine can have built in, and their numbers in `native.cc`."""

import keras

from zoo.cells.gru import GRUCell
from zoo.cells.lstm import LSTMCell
from zoo.cells.simple_rnn import SimpleRNNCell

TANH, RELU, GRU, GRU_RESET_BEFORE, LSTM = range(5)


def is_known(cell):
    """Whether the equations are those of one of these classes: a subclass may have changed them."""
    return type(cell) in (SimpleRNNCell, GRUCell, LSTMCell)


def kind(cell):
    """The number of the `Kind` in `native.cc`."""
    if cell.gates == 4:
        return LSTM
    if cell.gates == 3:
        return GRU if cell.reset_after else GRU_RESET_BEFORE
    return RELU if cell.activation is keras.activations.relu else TANH


def unmet_activation(cell):
    """None, or the activations that a cell would need, in words."""
    allowed = {"activation": ("tanh", "relu") if cell.gates == 1 else ("tanh",)}
    if cell.gates > 1:
        allowed["recurrent_activation"] = ("sigmoid",)
    for option, names in allowed.items():
        given = getattr(cell, option)
        if given not in [keras.activations.get(name) for name in names]:
            return f"{option} {' or '.join(names)}, not {getattr(given, '__name__', given)}"
    return None
