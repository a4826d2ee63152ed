"""Weights of PyTorch's `nn.RNN`, `nn.GRU` and `nn.LSTM` in our stacks. Needs no PyTorch.

    theirs                                        ours
    weight_ih_l{n} [G·H, D], transposed           kernel [D, G·H]
    weight_hh_l{n} [G·H, H], transposed           recurrent_kernel [H, G·H]
    bias_ih_l{n} + bias_hh_l{n}                   bias [G·H]             (RNN, LSTM)
    bias_ih_l{n}, bias_hh_l{n}                    bias [2, 3H]           (GRU)
    …_l{n}_reverse                                the backward layer of a `Bidirectional`
    gates i f g o (LSTM), r z n (GRU)             gates i f g o, z r n

Their GRU computes ours with `reset_after=True`: h' = z·h + (1 - z)·n, n = tanh(x_n + r·(h·U_n + b_n)).
"""

import itertools
import re

import numpy as np
import tensorflow as tf

from zoo.layers.bidirectional import Bidirectional
from zoo.layers.recurrent import GRU, LSTM, SimpleRNN
from zoo.layers.stack import Stack

LAYERS = {1: SimpleRNN, 3: GRU, 4: LSTM}  # by the number of blocks of H rows in a weight matrix
NAME = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")


def from_state_dict(state_dict, prefix="", dropout=0.0, **options):
    """A built stack with the weights of an `nn.RNN`, `nn.GRU` or `nn.LSTM`; all sizes are theirs.

    As in PyTorch, sequences and all states come back, and padded steps give zeros. For another stack of
    the same layers, such as one with `return_sequences=False` at its end, see `load_state_dict`. It is
    row 16 of docs/equations.md, for weights from elsewhere.

    Args:    state_dict  names → arrays: a state dict on the CPU, an .npz file, safetensors …
             prefix      of the names, such as "encoder.rnn."; names without it are left alone
             dropout     rate of the dropout between layers
             options     of every layer, such as dtype="float64", return_state=False; activation="relu"
                         for an `nn.RNN` with that nonlinearity, which a state dict does not tell
    Returns: `Stack`, of `Bidirectional` layers where there are weights of both directions
    Raises:  ValueError: no recurrent weights, some missing or of wrong shapes, a projection (`proj_size`)
    Source:  documentation of torch.nn.RNN, GRU and LSTM

    >>> shapes = {"weight_ih_l0": (6, 3), "weight_hh_l0": (6, 2), "bias_ih_l0": 6, "bias_hh_l0": 6}
    >>> gru = from_state_dict({name: np.ones(shape) for name, shape in shapes.items()})
    >>> [tuple(tensor.shape) for tensor in run(gru, np.ones((5, 7, 3)))]
    [(5, 7, 2), (1, 5, 2)]
    """
    layers = like(read(state_dict, prefix), **options)
    made = Stack(layers, dropout=dropout, dtype=layers[0].dtype_policy)
    load_state_dict(made, state_dict, prefix)
    return made


def load_state_dict(stack, state_dict, prefix=""):
    """Put the weights of an `nn.RNN`, `nn.GRU` or `nn.LSTM` into a stack of the same layers.

    The stack is built if it is not. Activations and all else that is not a weight stay as they are.

    Args:    stack                a `Stack`
             state_dict, prefix   as in `from_state_dict`
    Raises:  ValueError: as `from_state_dict`; layers of another kind, size, direction or bias
    """
    theirs = read(state_dict, prefix)
    layers = (map(described, several) for several in (like(theirs), stack.layers))
    for n, (wanted, found) in enumerate(itertools.zip_longest(*layers)):
        if wanted != found:
            raise ValueError(f"stack: expected as layer {n} for these weights {wanted}, received {found}")
    weights = [weight for layer in theirs for direction in layer for weight in converted(*direction)]
    inputs = len(weights[0])
    if not stack.built:
        stack.build((None, None, inputs))
    built_for = stack.weights[0].shape[0]
    if built_for != inputs:
        raise ValueError(f"stack: expected one built for {inputs} input features, for these weights; "
                         f"received one for {built_for}")
    stack.set_weights(weights)


def run(stack, sequences, *first, mask=None):
    """What PyTorch's layer returns, with the batch first.

    Args:    stack      as from `from_state_dict`: one kind of cell, all layers return states
             sequences  [B, T, D]; without `batch_first` PyTorch has [T, B, D]: transpose first
             first      none, or h_0 (and c_0 for an LSTM), each [layers·directions, B, H]
             mask       [B, T], true for what `pack_padded_sequence` would keep
    Returns: output [B, T, directions·H], h_n (and c_n for an LSTM), each [layers·directions, B, H],
             the lowest layer first, forward before backward
    Raises:  ValueError: a layer that does not return its states, first states that do not fit
    """
    if not all(layer.return_state for layer in stack.layers):
        raise ValueError("stack: expected return_state=True in every layer, received "
                         f"{[layer.return_state for layer in stack.layers]}")
    initial = [state for states in zip(*map(tf.unstack, first)) for state in states]
    output, *last = stack(sequences, initial_state=initial or None, mask=mask)
    kinds = directions(stack.layers[0])[0].cell.states
    return (output, *(tf.stack(last[kind::kinds]) for kind in range(kinds)))


def read(state_dict, prefix):
    """The arrays [w_ih, w_hh] or [w_ih, w_hh, b_ih, b_hh] of every direction of every layer, checked."""
    given = [name.removeprefix(prefix) for name in state_dict if name.startswith(prefix)]
    if any(name.startswith("weight_hr_l") for name in given):
        raise ValueError("state_dict: expected an LSTM without projection, received weight_hr_l… of one "
                         "with proj_size, which the layers here do not have")
    found = [match for match in map(NAME.fullmatch, given) if match]
    if not found:
        raise ValueError(f"state_dict: expected names such as {prefix}weight_ih_l0, received "
                         f"{list(state_dict)[:8]}; set prefix to what stands before weight_ih_l0")
    names = all_names(found)
    missing = [name for name in tf.nest.flatten(names) if name not in given]
    if missing:
        raise ValueError(f"state_dict: expected also {missing}, received {[one[0] for one in found]}")
    return checked(tf.nest.map_structure(lambda name: np.asarray(state_dict[prefix + name]), names))


def all_names(found):
    """The names that belong to those found, by layer and direction."""
    kinds = ("weight", "bias") if any(match[1] == "bias" for match in found) else ("weight",)
    ways = ("", "_reverse") if any(match[4] for match in found) else ("",)
    depth = 1 + max(int(match[3]) for match in found)
    return [[[f"{kind}_{side}_l{n}{way}" for kind in kinds for side in ("ih", "hh")] for way in ways]
            for n in range(depth)]


def checked(theirs):
    """The same arrays, if their shapes fit each other."""
    first, recurrent = (weight.shape for weight in theirs[0][0][:2])
    if recurrent not in {(gates * recurrent[-1], recurrent[-1]) for gates in LAYERS}:
        raise ValueError("state_dict: expected weight_hh_l0 [G·H, H], G = 1 (RNN), 3 (GRU) or 4 (LSTM), "
                         f"received {list(recurrent)}")
    rows, units = recurrent
    for n, layer in enumerate(theirs):
        inputs = (len(layer) * units,) if n else first[-1:]
        wanted = [(rows, *inputs), (rows, units), (rows,), (rows,)]
        for arrays in layer:
            found = [array.shape for array in arrays]
            if found != wanted[:len(found)]:
                raise ValueError(f"state_dict: expected shapes {wanted[:len(found)]} in layer {n}, "
                                 f"received {found}")
    return theirs


def gate_count(w_hh):
    return w_hh.shape[0] // w_hh.shape[1]


def like(theirs, **options):
    """Layers with room for the weights."""
    weights = theirs[0][0]
    options = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True,
               "use_bias": len(weights) == 4, **options}
    layers = [LAYERS[gate_count(weights[1])](weights[1].shape[1], **options) for _ in theirs]
    if len(theirs[0]) == 1:
        return layers
    return [Bidirectional(layer, dtype=layer.dtype_policy) for layer in layers]


def directions(layer):
    return getattr(layer, "directions", [layer])


def described(layer):
    """What a layer and its weights must agree on, in words."""
    names = ("units", "use_bias", "reset_after", "go_backwards", "merge_mode")
    options = [f"{name}={getattr(layer, name)!r}" for name in names if hasattr(layer, name)]
    inner = [described(way) for way in directions(layer) if way is not layer]
    return f"{type(layer).__name__}({', '.join(inner + options)})"


def converted(w_ih, w_hh, *biases):
    """Weights of one direction as our layer has them."""
    gates = gate_count(w_hh)
    weights = [in_our_order(weight.T, gates) for weight in (w_ih, w_hh)]
    if biases:
        bias = in_our_order(np.stack(biases), gates)
        weights.append(bias if gates == 3 else bias.sum(0))
    return weights


def in_our_order(weights, gates):
    """The columns r z n of a GRU as z r n; those of the others are in our order."""
    if gates != 3:
        return weights
    r, z, n = np.split(weights, 3, -1)
    return np.concatenate([z, r, n], -1)
