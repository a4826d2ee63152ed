"""The cells that `native.cc` has the equations of: the numbers of its `Kind`."""

import keras

TANH, RELU, GRU, GRU_RESET_BEFORE, LSTM = range(5)


def kind(cell):
    """The number that `native.cc` knows the cell by."""
    if cell.gates == 4:
        return LSTM
    if cell.gates == 3:
        return GRU if cell.reset_after else GRU_RESET_BEFORE
    return RELU if cell.activation is keras.activations.relu else TANH
