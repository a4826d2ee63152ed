"""One kernel for [x; h], as TensorFlow 1's cells have it, against its formulas."""
import numpy as np
import pytest
from layer_checks import D, H, assert_agree, case, make, ready
from reference import sigmoid

from zoo.weights import tensorflow1


def dense(gates, seed):
    """A kernel [D+H, G·H] and a bias [G·H]."""
    normal = np.random.default_rng(seed).normal
    return normal(scale=0.5, size=(D + H, gates * H)), normal(size=gates * H)


def product(x, h, kernel, bias):
    return np.concatenate([x, h], -1) @ kernel + bias


def simple_rnn():
    """h' = tanh([x; h]·K + b)"""
    one = dense(1, 0)
    return tensorflow1.rnn(*one), lambda x, h: (np.tanh(product(x, h, *one)),)


def gru_reset_before():
    """[r z] = σ([x; h]·K + b);  n = tanh([x; r·h]·K' + b');  h' = z·h + (1-z)·n"""
    gates, candidate = dense(2, 0), dense(1, 1)

    def step(x, h):
        r, z = np.split(sigmoid(product(x, h, *gates)), 2, -1)
        return (z * h + (1 - z) * np.tanh(product(x, r * h, *candidate)),)

    return tensorflow1.gru(*gates, *candidate), step


def lstm(**options):
    """[a_i a_g a_f a_o] = [x; h]·K + b;  c' = σ(a_f + forget_bias)·c + σ(a_i)·tanh(a_g)"""
    one = dense(4, 0)

    def step(x, h, c):
        a_i, a_g, a_f, a_o = np.split(product(x, h, *one), 4, -1)
        c = sigmoid(a_f + options.get("forget_bias", 1)) * c + sigmoid(a_i) * np.tanh(a_g)
        return sigmoid(a_o) * np.tanh(c), c

    return tensorflow1.lstm(*one, **options), step


CASES = {"simple_rnn": simple_rnn, "gru_reset_before": gru_reset_before, "lstm": lstm,
         "lstm, another forget bias": lambda: lstm(forget_bias=0.25)}


@pytest.mark.parametrize("name", CASES)
def test_split_weights_give_the_product_with_the_concatenation(name):
    """A layer over a sequence, and its public cell step by step, from states that are not zero."""
    weights, step = CASES[name]()
    cell = name.split(",")[0]
    given, layer = case(cell), make(cell)
    given.weights = weights
    ready(layer, given)
    y, *last = layer(given.x, initial_state=given.states)
    theirs, ours, wanted, by_hand = given.states, given.states, [], []
    for x in given.x.swapaxes(0, 1):
        theirs = step(x, *theirs)
        output, ours = layer.cell(x, list(ours))
        wanted.append(theirs[0])
        by_hand.append(output)
    for found, states in ((y, last), (np.stack(by_hand, 1), ours)):
        assert_agree(named(found, states), named(np.stack(wanted, 1), theirs))


def named(outputs, states):
    return {str(n): np.asarray(array) for n, array in enumerate((outputs, *states))}


def test_the_arguments_are_left_as_they_are():
    kernel, bias = dense(4, 0)
    before = bias.copy()
    tensorflow1.lstm(kernel, bias)
    np.testing.assert_array_equal(bias, before)
