"""Values as JSON has them ↔ arrays of a signature's types and shapes; and what a bad request is told.

A text is a string, or {"b64": "…"} for any bytes. Whatever a request has wrong raises `BadRequest`, whose
text is one line.
"""
import base64
import math
import reprlib

import numpy as np
import tensorflow as tf

# Type of a tensor → its name in V2.
DATATYPES = {"string": "BYTES", "bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64",
             **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint")
                for bits in (8, 16, 32, 64)}}


class BadRequest(ValueError):
    """One line: what was expected, what came, what to do."""


def datatype(info):
    """V2's name for the type of a tensor."""
    return DATATYPES[tf.as_dtype(info.dtype).name]


def sizes(info):
    """The sizes of a tensor's axes, -1 being any size."""
    return [axis.size for axis in info.tensor_shape.dim]


def check_names(name, signature, given):
    """BadRequest unless the names are those of all inputs, or of all but some with a default."""
    needed = set(signature.inputs) - set(signature.defaults)
    if not needed <= set(given) <= set(signature.inputs):
        optional = f" and perhaps {', '.join(sorted(signature.defaults))}" if signature.defaults else ""
        raise BadRequest(f"signature {name}: expected {', '.join(sorted(needed))}{optional}; received "
                         f"{shown(sorted(given))}")


def check_rows(found):
    """BadRequest unless all arrays but settings have the same number of rows."""
    rows = {len(array) for array in found.values() if array.ndim}
    if len(rows) != 1 or 0 in rows:
        raise BadRequest(f"expected inputs with the same number of rows, at least one; received "
                         f"{', '.join(f'{key} {list(array.shape)}' for key, array in found.items())}")
    return found


def array(name, info, value):
    """A value, nested as deep as its tensor has axes, as an array; a value alone is a column of one."""
    rank = len(info.tensor_shape.dim)
    flat, shape = nested(name, value if isinstance(value, list) or rank != 1 else [value], rank)
    return flat_array(name, info, flat, shape)


def flat_array(name, info, flat, shape):
    """A list of values as an array of this shape, if that is one of the tensor's."""
    check_shape(name, info, shape, len(flat))
    dtype = np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
    try:
        return _filled([_READ[dtype.kind](item) for item in flat], dtype).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name}: {error}") from None


def check_shape(name, info, shape, count):
    """BadRequest unless so many values in this shape are a tensor of this kind."""
    wanted = sizes(info)
    fits = len(shape) == len(wanted) and all(size in (-1, given) and given >= 0
                                             for size, given in zip(wanted, shape))
    if not fits or math.prod(shape) != count:
        raise BadRequest(f"{name}: expected the shape {wanted}, -1 being any size; received "
                         f"{shown(list(shape))} with {count} values")


def _filled(items, dtype):
    most = float(np.finfo(dtype).max) if dtype.kind == "f" else np.inf
    if most < np.inf and any(most < abs(item) < np.inf for item in items):
        raise BadRequest(f"expected numbers of at most {most:g}, received a greater one")
    found = np.empty(len(items), dtype)
    found[:] = items  # np.array would make strings of one length of NumPy's own
    return found


def nested(name, value, rank):
    """The items of lists nested `rank` deep, and the shape. No recursion: the depth is a stranger's."""
    level, shape = [value], []
    for _ in range(rank):
        lengths = {len(of_kind(list, item, name)) for item in level}
        if len(lengths) > 1:
            raise BadRequest(f"{name}: expected lists of one length, received {min(lengths)} to "
                             f"{max(lengths)}: pad with 0, or send them one by one")
        shape.append(lengths.pop() if lengths else 0)
        level = [item for items in level for item in items]
    return level, shape


def _text(item):
    if isinstance(item, dict) and isinstance(item.get("b64"), str) and len(item) == 1:
        return base64.b64decode(item["b64"], validate=True)
    if not isinstance(item, str):
        raise BadRequest(f"expected texts, received {shown(item)}")
    return encoded(item)


def encoded(text):
    """A text as UTF-8."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest(f"expected text, received half a surrogate pair: {shown(text)}") from None


def _whole(item):
    if type(item) is not int:
        raise BadRequest(f"expected whole numbers, received {shown(item)}")
    return item


def _number(item):
    if type(item) not in (int, float):
        raise BadRequest(f"expected numbers, received {shown(item)}")
    return item


def _truth(item):
    if type(item) is not bool:
        raise BadRequest(f"expected true or false, received {shown(item)}")
    return item


_READ = {"O": _text, "i": _whole, "u": _whole, "f": _number, "b": _truth}
_KINDS = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}


def of_kind(kind, value, what):
    """The value, if it is of this kind of JSON."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadRequest(f"{what}: expected {_KINDS[kind]}, received {shown(value)}")
    return value


def shown(value, width=60):
    """The beginning of what came, on one line.

    >>> shown(["a"] * 100, 12)
    "['a', 'a', …"
    """
    if isinstance(value, (str, bytes)):
        text = repr(value[:width])
    elif isinstance(value, (list, dict)):
        text = _outline(value, width)
    else:
        text = repr(value) if not isinstance(value, int) or abs(value) < 10 ** 20 else "a huge number"
    text = text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair has no UTF-8
    return text if len(text) <= width else text[:width - 1] + "…"


def _outline(value, width):
    """A list or an object, whose members may be nested very deep, a little way down."""
    short = reprlib.Repr()
    short.maxlevel, short.maxlist, short.maxdict, short.maxstring = 2, width, width, width
    return short.repr(value)
