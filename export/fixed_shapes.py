"""Signatures for one text of one length, for runtimes that take no other: browsers, compiled models.

A shorter text is padded with 0, which every head takes for padding; a longer one is cut, and what would
be the answer to its further tokens is missing: NaN, or -1.
"""
import inspect

import numpy as np

from export.run import fitted

CHARACTERS = 24  # of a token


def fixed(signatures, length):
    """The signatures with their free axes fixed, in order: one text, its tokens, a token's characters.

    Args:    signatures  {name: tf.function with an input_signature}
             length      tokens; a little more where an output has an axis of that size already, so
                         that it can be told from one that counts tokens
    """
    taken = {axis for function in signatures.values() for axis in _output_sizes(function)}
    while length in taken:
        length += 1
    return {name: _fixed(function, (1, length, CHARACTERS)) for name, function in signatures.items()}


def computed(signatures):
    """The signatures, but no output is a constant, or an input passed on: LiteRT.js 2.5 returns other
    numbers for these."""
    return {name: _computed(function) for name, function in signatures.items()}


def _computed(function):
    """The same, but each output is computed from the first input: ids, none negative, or numbers."""
    import tensorflow as tf

    def graph(*inputs):
        first = tf.abs(inputs[0]) if inputs[0].dtype.is_floating else inputs[0]
        zero = tf.minimum(tf.reduce_min(first), 0)      # as no converter knows
        return {name: value + tf.cast(n * zero, value.dtype)
                for n, (name, value) in enumerate(function.python_function(*inputs).items(), 1)}

    graph.__signature__ = inspect.signature(function.python_function)
    return tf.function(graph, input_signature=function.input_signature, autograph=False)


def _output_sizes(function):
    outputs = function.get_concrete_function().structured_outputs
    return {axis for tensor in outputs.values() for axis in tensor.shape[1:] if axis}


def _fixed(function, sizes):
    import tensorflow as tf
    specs = [tf.TensorSpec([size if axis is None else axis for axis, size in zip(spec.shape, sizes)],
                           spec.dtype, spec.name) for spec in function.input_signature]
    return tf.function(function.python_function, input_signature=specs, autograph=False)


def are_fixed(details):
    """Whether these inputs of a TFLite file, {name: details}, are of one shape only."""
    return all((inputs["shape_signature"] >= 0).all() for inputs in details.values())


def by_rows(run, inputs, details):
    """The answers to a batch, {name: [B, …]}, of run(**inputs) that takes one text of a fixed length.

    What has an entry for every token gets the length of the batch back; entries for tokens that were cut
    are missing.
    """
    shapes = {name: [1, *details[name]["shape"][1:]] for name in inputs}  # of rank 0: a setting
    lengths = {shapes[name][1]: array.shape[1] for name, array in inputs.items() if array.ndim > 1}
    rows = []
    for n in range(max(len(array) for array in inputs.values() if array.ndim)):
        answer = run(**{name: fitted(array[n:n + 1], shapes[name]) if array.ndim else array
                        for name, array in inputs.items()})
        tokens = max([_tokens(array[n]) for array in inputs.values() if array.ndim > 1], default=0)
        rows.append({name: _cut_back(value, lengths, tokens) for name, value in answer.items()})
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _tokens(row):
    """How many tokens a text has: up to the last that is not padding."""
    there = np.flatnonzero(row.reshape(len(row), -1).any(1))
    return there[-1] + 1 if len(there) else 0


def _cut_back(value, lengths, tokens):
    if value.ndim < 2 or value.shape[1] not in lengths:
        return value
    found = fitted(value, [1, lengths[value.shape[1]], *value.shape[2:]])
    found[:, value.shape[1]:tokens] = np.nan if found.dtype.kind == "f" else -1
    return found
