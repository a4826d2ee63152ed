"""Requests and answers of the V1 and V2 inference protocols ↔ arrays. Knows no server.

    V1  {"instances": [row, …]} → {"predictions": [row, …]},  {"inputs": columns} → {"outputs": columns},
        "signature_name" beside them; as TF Serving's REST API
    V2  {"inputs": [{"name", "shape", "datatype", "data"}, …]} → {"outputs": [the same, …]}, the signature
        in "parameters"; the Open Inference Protocol

A row or the columns are {name: value}, or the value alone where there is one. A text is a string, or
{"b64": "…"} for any bytes. Whatever a request has wrong raises `BadRequest`, whose text is one line.
"""
import base64
import json

import numpy as np
import tensorflow as tf

from export import tf_serving

DEFAULT = "serving_default"
LARGEST = 32_768  # rows × the greatest length
GREATEST = float(np.finfo(np.float32).max)
# Type of a tensor → its name in V2.
DATATYPES = {"string": "BYTES", "int32": "INT32", "int64": "INT64", "float32": "FP32", "bool": "BOOL"}


class BadRequest(ValueError):
    """One line: what was expected, what came, what to do."""


def parsed(body):
    """The JSON object in the bytes of a request."""
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"expected JSON in UTF-8, received {shown(body)}: {error}") from None
    return _of_kind(dict, found, "the request")


def v1(request, signatures):
    """The signature, the {input: array} and the form, "instances" or "inputs", of a V1 request."""
    forms = [form for form in ("instances", "inputs") if form in request]
    if len(forms) != 1 or request.keys() - {*forms, "signature_name"}:
        raise BadRequest('expected {"instances": [row, …]} or {"inputs": {name: column}}, and perhaps '
                         f'"signature_name"; received the keys {shown(sorted(request))}')
    form, = forms
    name, signature = _signature(request.get("signature_name", DEFAULT), signatures)
    values = request[form] if form == "inputs" else _columns(_of_kind(list, request[form], form))
    if not isinstance(values, dict) or "b64" in values:
        values = {_only_input(name, signature): values}
    return name, arrays(name, signature, {key: (value, None) for key, value in values.items()}), form


def v1_answer(outputs, form):
    """The body of the answer: rows to "instances", columns to "inputs"."""
    columns = {name: _listed(array) for name, array in outputs.items()}
    alone = next(iter(columns.values())) if len(columns) == 1 else None
    if form == "inputs":
        return {"outputs": alone or columns}
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return {"predictions": alone or rows}


def v2(request, signatures):
    """The signature and the {input: array} of a V2 request: an object as KServe parses it."""
    name, signature = _signature((request.parameters or {}).get("signature_name", DEFAULT), signatures)
    for tensor in request.inputs:
        info = signature.inputs.get(tensor.name)
        if info is not None and tensor.datatype != datatype(info):
            raise BadRequest(f"{tensor.name}: expected the datatype {datatype(info)}, received "
                             f"{shown(tensor.datatype)}")
    return name, arrays(name, signature, {tensor.name: (_flat(tensor.name, tensor.data), tensor.shape)
                                          for tensor in request.inputs})


def v2_answer(outputs, wanted=None):
    """[{"name", "shape", "datatype", "data"}] of the outputs, or of those that are wanted."""
    for name in wanted or ():
        if name not in outputs:
            raise BadRequest(f"expected outputs among {', '.join(sorted(outputs))}; received "
                             f"{shown(name)}")
    return [{"name": name, "shape": list(outputs[name].shape),
             "datatype": DATATYPES[tf.as_dtype(outputs[name].dtype).name],
             "data": _listed(outputs[name].ravel())} for name in wanted or outputs]


def tensors(infos):
    """[{"name", "datatype", "shape"}] of a signature's inputs or outputs, as V2's metadata has them."""
    return [{"name": name, "datatype": datatype(info), "shape": _sizes(info)}
            for name, info in sorted(infos.items())]


def datatype(info):
    """V2's name for the type of a tensor."""
    return DATATYPES[tf.as_dtype(info.dtype).name]


def arrays(name, signature, given):
    """{input: array} of {input: (value, shape or None)}: all inputs, or all but some with a default."""
    needed = set(signature.inputs) - set(signature.defaults)
    if not needed <= set(given) <= set(signature.inputs):
        optional = f" and perhaps {', '.join(sorted(signature.defaults))}" if signature.defaults else ""
        raise BadRequest(f"signature {name}: expected {', '.join(sorted(needed))}{optional}; received "
                         f"{shown(sorted(given))}")
    found = {key: _array(key, signature.inputs[key], *value) for key, value in given.items()}
    rows = {len(array) for array in found.values() if array.ndim}
    if len(rows) != 1 or 0 in rows:
        raise BadRequest(f"expected inputs with the same number of rows, at least one; received "
                         f"{', '.join(f'{key} {list(array.shape)}' for key, array in found.items())}")
    return found


def check_size(inputs, largest=LARGEST):
    """BadRequest if rows × the greatest length, which is what a model must hold, is above `largest`.

    The length is the bytes of a text, the numbers of a row, or a whole-number setting: a beam's width,
    say, for a great one of which TensorFlow would end the process.

    >>> check_size({"text": np.array([b"abc", b"d"], object), "width": np.array(5)}, 10)
    >>> check_size({"text": np.array([b"abc", b"d"], object), "width": np.array(6)},
    ...            10)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    export.serving.protocols.BadRequest: expected at most 10 as rows × length, received 2 × 6 ...
    """
    rows = max(len(array) for array in inputs.values() if array.ndim)
    name, length = max(((key, _length(array)) for key, array in inputs.items()), key=lambda pair: pair[1])
    if rows * length > largest:
        raise BadRequest(f"expected at most {largest:,} as rows × length, received {rows:,} × {length:,} "
                         f"({name}): send fewer rows, shorter ones, or a smaller setting")


def _length(array):
    if not array.ndim:
        return abs(int(array)) if array.dtype.kind == "i" else 1
    texts = max(map(len, array.flat), default=0) if array.dtype == object else 1
    return max(1, texts) * (array.shape[1] if array.ndim > 1 else 1)


def _signature(name, signatures):
    if not isinstance(name, str) or name not in signatures:
        raise BadRequest(f"expected a signature among {', '.join(sorted(signatures))}; received "
                         f"{shown(name)}")
    return name, signatures[name]


def _columns(rows):
    """{name: column} of rows that are {name: value}; other rows are a column themselves."""
    if not rows or not all(isinstance(row, dict) and "b64" not in row for row in rows):
        return rows
    names = set(rows[0])
    odd = next((row for row in rows if set(row) != names), None)
    if odd is not None:
        raise BadRequest(f"expected the same names in every row, received {shown(sorted(names))} and "
                         f"{shown(sorted(odd))}")
    return {name: [row[name] for row in rows] for name in names}


def _only_input(name, signature):
    needed = sorted(set(signature.inputs) - set(signature.defaults))
    if len(needed) != 1:
        raise BadRequest(f"signature {name}: expected {{name: value}} of {', '.join(needed)}; received "
                         "values without a name")
    return needed[0]


def _array(name, info, value, shape):
    """A value, nested as deep as its tensor has axes, or flat with a shape, as an array."""
    sizes, kind = _sizes(info), tf.as_dtype(info.dtype)
    flat, shape = (value, shape) if shape is not None else _nested(name, value, len(sizes))
    fits = len(shape) == len(sizes) and all(size in (-1, given) and given >= 0
                                            for size, given in zip(sizes, shape))
    if not fits or int(np.prod(shape, dtype=object)) != len(flat):
        raise BadRequest(f"{name}: expected the shape {sizes}, -1 being any size; received "
                         f"{shown(list(shape))} with {len(flat)} values")
    try:
        items = [_CONVERT[kind.name](item) for item in flat]
        return _filled(items, kind.as_numpy_dtype).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name}: {error}") from None


def _filled(items, dtype):
    array = np.empty(len(items), dtype)
    array[:] = items  # np.array would make strings of one length of NumPy's own
    return array


def _nested(name, value, rank):
    """The items of lists nested `rank` deep, and the shape. No recursion: the depth is a stranger's."""
    level, shape = [value], []
    for _ in range(rank):
        lengths = {len(_of_kind(list, item, name)) for item in level}
        if len(lengths) > 1:
            raise BadRequest(f"{name}: expected lists of one length, received {min(lengths)} to "
                             f"{max(lengths)}: pad with 0, or send them one by one")
        shape.append(lengths.pop() if lengths else 0)
        level = [item for items in level for item in items]
    return level, shape


def _flat(name, data):
    while any(isinstance(item, list) for item in data):
        data = [inner for item in data for inner in _of_kind(list, item, name)]
    return data


def _sizes(info):
    return [axis.size for axis in info.tensor_shape.dim]


def _text(item):
    if isinstance(item, dict) and isinstance(item.get("b64"), str) and len(item) == 1:
        return base64.b64decode(item["b64"], validate=True)
    if not isinstance(item, str):
        raise BadRequest(f"expected texts, received {shown(item)}")
    try:
        return item.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest("expected text in UTF-8, received half a surrogate pair; other bytes go as "
                         '{"b64": "…"}') from None


def _whole(item):
    if type(item) is not int:  # True is an int
        raise BadRequest(f"expected whole numbers, received {shown(item)}")
    return item


def _number(item):
    if type(item) not in (int, float) or not abs(item) <= GREATEST:
        raise BadRequest(f"expected finite numbers, received {shown(item)}")
    return item


def _truth(item):
    if type(item) is not bool:
        raise BadRequest(f"expected true or false, received {shown(item)}")
    return item


_CONVERT = {"string": _text, "int32": _whole, "int64": _whole, "float32": _number, "bool": _truth}
_KINDS = {dict: "an object", list: "a list"}


def _of_kind(kind, value, what):
    if not isinstance(value, kind):
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
    return text if len(text) <= width else text[:width - 1] + "…"


def _outline(value, width):
    """A list or an object, whose members may be nested very deep, a little way down."""
    import reprlib
    short = reprlib.Repr()
    short.maxlevel, short.maxlist, short.maxdict, short.maxstring = 2, width, width, width
    return short.repr(value)


def _listed(array):
    return tf_serving.readable(array.tolist())
