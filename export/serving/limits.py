"""What a request may cost, known before it is computed, and how long its answer may be.

    size = rows × the greatest length × the settings named in a version's limits (a beam's width)

The length is the bytes of a text or the numbers of a row. A version's `limits.json` may set for a
signature the greatest "size", "rows" (× those settings), and the greatest length or value of an input.
"""
import math

from export.serving.tensors import BadRequest, sizes

LARGEST = 32_768  # of size, where a version does not say less
VALUES = 1 << 20  # of an answer: its numbers, and the bytes of its texts
SETTINGS = {"width": 64}  # the greatest value, unless the version says another


def check(inputs, limits, largest=LARGEST):
    """The size of a request, and BadRequest if it is too large; `limits` are its signature's.

    >>> import numpy as np
    >>> check({"text": np.array([b"abc", b"d"], object), "width": np.array(5)}, {})
    30
    >>> check({"text": np.array([b"abc", b"d"], object)}, {"size": 5})
    Traceback (most recent call last):
    export.serving.tensors.BadRequest: expected at most 5 rows × length, received 2 × 3: send fewer \
rows, shorter ones, or a smaller setting
    """
    limits = {**SETTINGS, **limits}
    lengths = {name: _length(array) for name, array in inputs.items()}
    for name in lengths.keys() & limits.keys():
        if lengths[name] > limits[name]:
            raise BadRequest(f"{name}: expected at most {limits[name]:,}, received {lengths[name]:,}")
    rows = max(len(array) for array in inputs.values() if array.ndim)
    rows *= math.prod(lengths[name] for name in SETTINGS.keys() & lengths.keys())
    length = max(lengths[name] for name in lengths if name not in SETTINGS)
    for what, most, size, received in (
            ("rows", limits.get("rows", math.inf), rows, f"{rows:,}"),
            ("rows × length", min(limits.get("size", largest), largest), rows * length,
             f"{rows:,} × {length:,}")):
        if size > most:
            raise BadRequest(f"expected at most {most:,} {what}, received {received}: send fewer "
                             "rows, shorter ones, or a smaller setting")
    return rows * length


def _length(array):
    if not array.ndim:
        return max(1, abs(int(array))) if array.dtype.kind in "iu" else 1
    texts = max(map(len, array.flat), default=0) if array.dtype == object else 1
    return max(1, texts) * math.prod(max(1, size) for size in array.shape[1:])


def check_answer_ahead(signature, inputs, most=VALUES):
    """BadRequest if the answer, as far as the signature says its size, has too many values."""
    rows = max(len(array) for array in inputs.values() if array.ndim)
    check_values(sum(rows * math.prod(max(1, size) for size in sizes(info)[1:])
                     for info in signature.outputs.values()), most)


def check_answer(outputs, most=VALUES):
    """BadRequest if an answer has too many values to be written."""
    check_values(sum(array.size + (sum(map(len, array.flat)) if array.dtype == object else 0)
                     for array in outputs.values()), most)


def check_values(count, most):
    """BadRequest if there are more values than may be."""
    if count > most:
        raise BadRequest(f"expected an answer of at most {most:,} numbers and bytes of text, this one "
                         f"has {count:,}: send fewer rows or shorter ones")
