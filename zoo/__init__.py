"""Recurrent networks for text: layers, stacks, heads, and the text they read."""

from zoo import quiet

quiet.import_tensorflow()

from zoo.bidirectional import Bidirectional  # noqa: E402
from zoo.gru import GRU, GRUCell  # noqa: E402
from zoo.lstm import LSTM, LSTMCell  # noqa: E402
from zoo.simple_rnn import SimpleRNN, SimpleRNNCell  # noqa: E402
from zoo.stack import Stack  # noqa: E402

__all__ = ["Bidirectional", "GRU", "GRUCell", "LSTM", "LSTMCell", "SimpleRNN", "SimpleRNNCell", "Stack"]
