"""Keras's own tests of its recurrent layers, from the installed package, with our classes in their place.

`rnn_test.py` is left out: it tests `keras.layers.RNN` with cells of its own, and knows none of these.
"""
import functools
import unittest

import keras
import pytest

import zoo

FILES = ("simple_rnn", "gru", "lstm", "bidirectional", "stacked_rnn_cells")
OURS = ("SimpleRNN", "GRU", "LSTM", "SimpleRNNCell", "GRUCell", "LSTMCell", "Bidirectional")

# Tests of what is Keras's alone, by file.
FUSED = "calls a private method of Keras that chooses its fused path; here each layer chooses its engine"
EXCEPTIONS = {"bidirectional": {
    "test_fused_lstm_eligibility": FUSED,
    "test_fused_gru_eligibility": FUSED,
    "test_keeps_use_cudnn": "wants a SimpleRNN that knows no use_cudnn: ours runs on cuDNN too"}}
SLOW = {"stacked_rnn_cells": ["test_basics"]}


@pytest.fixture(autouse=True, scope="module")
def ours_stand_in():
    with pytest.MonkeyPatch.context() as patch:
        for name in OURS:
            patch.setattr(keras.src.layers, name, getattr(zoo, name))
        yield


def slowly(test):
    """The same test, marked: Keras's own stays as it is."""
    @pytest.mark.slow
    @functools.wraps(test)
    def marked(self):
        test(self)
    return marked


def standing_in(file):
    """The test class of one of Keras's files, its exceptions skipped."""
    module = pytest.importorskip(f"keras.src.layers.rnn.{file}_test",
                                 reason="the installed Keras ships no tests")
    cls, = (value for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == module.__name__
            and hasattr(value, "run_layer_test"))
    skipped = {name: unittest.skip(reason)(lambda self: None)
               for name, reason in EXCEPTIONS.get(file, {}).items()}
    slow = {name: slowly(getattr(cls, name)) for name in SLOW.get(file, [])}
    assert {*skipped, *slow} <= set(dir(cls)), "an exception that names no test"
    return type(cls)(f"Keras_{file}", (cls,), {**skipped, **slow})


globals().update({f"Keras_{file}": standing_in(file) for file in FILES})
