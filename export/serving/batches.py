"""Several requests to a signature as one, and its answer as theirs.

Rows follow each other; inputs of several lengths are padded to the longest with 0 or "", which is what
padding is in every model here. An answer's second axis, if its size is unknown, is cut to what the
request alone would get: the greatest of its `lengths`, or the length of its own input.
"""
import numpy as np

LENGTHS = "lengths"  # the output that counts the tokens of each row


def can_join(signature):
    """Whether every input has a batch, and every output's size follows from the request or `lengths`."""
    if any(not info.tensor_shape.dim for info in signature.inputs.values()):
        return False
    long = any(_unknown(info) for info in signature.inputs.values())
    cut = long or LENGTHS in signature.outputs
    return all(_unknown(info) <= {1} and (cut or not _unknown(info))
               for info in signature.outputs.values())


def _unknown(info):
    """The axes but the batch whose size is unknown."""
    return {axis for axis, size in enumerate(info.tensor_shape.dim) if axis and size.size < 0}


def joined(requests):
    """{input: array} of [{input: array}].

    >>> joined([{"ids": np.array([[1, 2]])}, {"ids": np.array([[3]])}])["ids"].tolist()
    [[1, 2], [3, 0]]
    """
    return {name: _stacked([request[name] for request in requests]) for name in requests[0]}


def _stacked(arrays):
    if len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    shape = [sum(map(len, arrays)), *np.max([array.shape[1:] for array in arrays], 0)]
    stacked = np.full(shape, b"" if arrays[0].dtype == object else 0, arrays[0].dtype)
    start = 0
    for array in arrays:
        stacked[(slice(start, start + len(array)), *map(slice, array.shape[1:]))] = array
        start += len(array)
    return stacked


def parted(outputs, requests, signature):
    """[{output: array}] of the answer to joined requests."""
    found, start = [], 0
    for request in requests:
        rows = len(next(iter(request.values())))
        own = {name: array[start:start + rows] for name, array in outputs.items()}
        length = (max(1, own[LENGTHS].max()) if LENGTHS in own else  # a text without tokens has one ""
                  max(lengths(request, signature), default=0))
        found.append({name: array[:, :length] if 1 in _unknown(signature.outputs[name]) else array
                      for name, array in own.items()})
        start += rows
    return found


def lengths(request, signature):
    """The sizes of the inputs' second axes, where the signature leaves them open."""
    return {request[name].shape[1] for name, info in signature.inputs.items() if 1 in _unknown(info)}
