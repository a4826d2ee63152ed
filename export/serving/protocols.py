"""Requests and answers of the V1 and V2 inference protocols ↔ arrays. Knows no server.

    V1  {"instances": [row, …]} → {"predictions": [row, …]},  {"inputs": columns} → {"outputs": columns},
        "signature_name" beside them; as TF Serving's REST API
    V2  {"inputs": [{"name", "shape", "datatype", "data"}, …]} → {"outputs": [the same, …]}, the signature
        in "parameters"; the Open Inference Protocol. With `binary_data_size` a tensor's values follow the
        JSON as bytes: little-endian numbers, each text after its length in four bytes

A row or the columns are {name: value}, or the value alone where there is one.
"""
import base64
import json
import uuid

import numpy as np
import orjson
import tensorflow as tf

from export.serving.tensors import (
    DATATYPES, BadRequest, array, check_names, check_rows, check_shape, datatype, encoded, flat_array,
    of_kind, shown, sizes)
from export.serving.version import DEFAULT


def parsed(body):
    """The JSON object in the bytes of a request; NaN and Infinity are numbers, as in TF Serving."""
    try:
        found = orjson.loads(body)
    except ValueError:
        try:
            found = json.loads(body.decode("utf-8"))
            orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS)  # half a surrogate pair is no text
        except (ValueError, TypeError, RecursionError) as error:
            raise BadRequest(f"expected JSON in UTF-8, received {shown(body)}: {error}") from None
    return of_kind(dict, found, "the request")


def v1(request, signatures):
    """The signature, the {input: array} and the form, "instances" or "inputs", of a V1 request."""
    forms = [form for form in ("instances", "inputs") if form in request]
    if len(forms) != 1 or request.keys() - {*forms, "signature_name"}:
        raise BadRequest('expected {"instances": [row, …]} or {"inputs": {name: column}}, and perhaps '
                         f'"signature_name"; received the keys {shown(sorted(request))}')
    form, = forms
    name, signature = signature_of(request.get("signature_name", DEFAULT), signatures)
    values = request[form]
    if form == "instances":
        values = _columns(of_kind(list, values, form), signature)
    if not isinstance(values, dict) or "b64" in values:
        values = {_only_input(name, signature): values}
    check_names(name, signature, values)
    return name, check_rows({key: array(key, signature.inputs[key], value)
                             for key, value in values.items()}), form


def v1_answer(outputs, form):
    """The body of the answer: rows to "instances", columns to "inputs"."""
    columns = {name: _listed(value, name.endswith("_bytes")) for name, value in outputs.items()}
    alone = next(iter(columns.values())) if len(columns) == 1 else None
    if form == "inputs":
        return written({"outputs": columns if alone is None else alone}, outputs)
    rows = alone if alone is not None else [dict(zip(columns, row)) for row in zip(*columns.values())]
    return written({"predictions": rows}, outputs)


def written(found, outputs):
    """JSON in UTF-8 of what holds arrays of outputs; what is not finite as TF Serving writes it."""
    if all(value.dtype.kind != "f" or np.isfinite(value).all() for value in outputs.values()):
        return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(found, default=lambda value: value.tolist(), ensure_ascii=False).encode()


def signature_of(name, signatures):
    """A signature's name and itself."""
    if not isinstance(name, str) or name not in signatures:
        raise BadRequest(f"expected a signature among {', '.join(sorted(signatures))}; received "
                         f"{shown(name)}")
    return name, signatures[name]


def _columns(rows, signature):
    """{name: column} of rows that are {name: value}; other rows are a column themselves.

    A setting is one value for all rows.
    """
    if not rows or not all(isinstance(row, dict) and "b64" not in row for row in rows):
        return rows
    names = set(rows[0])
    odd = next((row for row in rows if set(row) != names), None)
    if odd is not None:
        raise BadRequest(f"expected the same names in every row, received {shown(sorted(names))} and "
                         f"{shown(sorted(odd))}")
    columns = {name: [row[name] for row in rows] for name in names}
    for name in names & {key for key, info in signature.inputs.items() if not info.tensor_shape.dim}:
        if any(value != columns[name][0] for value in columns[name]):
            raise BadRequest(f"{name}: expected one value for all rows, received {shown(columns[name])}: "
                             "send rows of other settings in other requests")
        columns[name] = columns[name][0]
    return columns


def _only_input(name, signature):
    needed = sorted(set(signature.inputs) - set(signature.defaults))
    if len(needed) != 1:
        raise BadRequest(f"signature {name}: expected {{name: value}} of {', '.join(needed)}; received "
                         "values without a name")
    return needed[0]


def _listed(value, as_bytes=False):
    """What `written` takes for an array: texts in nested lists, numbers as they are."""
    if value.dtype != object:
        return np.ascontiguousarray(value)
    found = np.empty(value.size, object)
    found[:] = [{"b64": base64.b64encode(item).decode()} if as_bytes else item.decode("utf-8", "replace")
                for item in value.flat]
    return found.reshape(value.shape).tolist()


# ---------------------------------------------------------------------------------------------------- V2

def v2(request, signatures, binary=b""):
    """The signature and the {input: array} of a V2 request, whose binary tensors follow in `binary`."""
    parameters = of_kind(dict, request.get("parameters") or {}, "parameters")
    name, signature = signature_of(parameters.get("signature_name", DEFAULT), signatures)
    given, used = {}, 0
    for tensor in of_kind(list, request.get("inputs"), "inputs"):
        key = of_kind(str, of_kind(dict, tensor, "inputs").get("name"), "inputs.name")
        if key in given:
            raise BadRequest(f"expected each input once, received {shown(key)} twice")
        size = (of_kind(dict, tensor.get("parameters") or {}, key)).get("binary_data_size", 0)
        given[key] = tensor, binary[used:used + of_kind(int, size, "binary_data_size")]
        used += size
    if used != len(binary):
        raise BadRequest(f"expected {used} bytes after the JSON, received {len(binary)}")
    check_names(name, signature, given)
    return name, check_rows({key: _tensor(key, signature.inputs[key], *value)
                             for key, value in given.items()})


def _tensor(name, info, tensor, data):
    shape = of_kind(list, tensor.get("shape"), f"{name}.shape")
    if not all(type(size) is int for size in shape):
        raise BadRequest(f"{name}: expected whole numbers as shape, received {shown(shape)}")
    if tensor.get("datatype") != datatype(info):
        raise BadRequest(f"{name}: expected the datatype {datatype(info)}, received "
                         f"{shown(tensor.get('datatype'))}")
    if "binary_data_size" not in (tensor.get("parameters") or {}):
        return flat_array(name, info, _flat(name, of_kind(list, tensor.get("data"), name)), shape)
    items = _unpacked(name, data) if datatype(info) == "BYTES" else _numbers(name, info, data)
    check_shape(name, info, shape, len(items))
    return items.reshape(shape)


def _numbers(name, info, data):
    dtype = np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
    if len(data) % dtype.itemsize:
        raise BadRequest(f"{name}: expected {dtype.itemsize} bytes a value, received {len(data)}")
    return np.frombuffer(data, dtype)


def _unpacked(name, data):
    items, start = [], 0
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start:start + 4], "little")
        if end > len(data):
            raise BadRequest(f"{name}: expected each text after its length in four bytes, received a "
                             "text that ends too early")
        items.append(data[start + 4:end])
        start = end
    found = np.empty(len(items), object)
    found[:] = items
    return found


def _flat(name, data):
    while any(isinstance(item, list) for item in data):
        data = [inner for item in data for inner in of_kind(list, item, name)]
    return data


def v2_answer(request, outputs, model, version):
    """The body of the answer and the length of its JSON, None where no binary tensors follow."""
    head = {"model_name": model, "model_version": str(version), "id": identity(request)}
    wanted = _wanted(request, outputs)
    tensors, parts = [], []
    for name, binary in wanted.items():
        value = outputs[name]
        tensor = {"name": name, "shape": list(value.shape),
                  "datatype": DATATYPES[tf.as_dtype(value.dtype).name]}
        if binary:
            parts.append(packed(value))
            tensors.append({**tensor, "parameters": {"binary_data_size": len(parts[-1])}})
        else:
            tensors.append({**tensor, "data": _listed(value.ravel())})
    body = written({**head, "outputs": tensors}, outputs)
    return b"".join([body, *parts]), len(body) if parts else None


def identity(request):
    """The request's id, or a new one."""
    given = request.get("id")
    encoded(of_kind(str, "" if given is None else given, "id"))
    return given or str(uuid.uuid4())


def _wanted(request, outputs):
    """{name: whether it is binary} of the outputs, or of those that are wanted."""
    binary = bool((request.get("parameters") or {}).get("binary_data_output", False))
    found = {}
    for output in of_kind(list, request.get("outputs") or [], "outputs"):
        name = of_kind(str, of_kind(dict, output, "outputs").get("name"), "outputs.name")
        if name not in outputs:
            raise BadRequest(f"expected outputs among {', '.join(sorted(outputs))}; received "
                             f"{shown(name)}")
        given = of_kind(dict, output.get("parameters") or {}, name)
        found[name] = bool(given.get("binary_data", binary))
    return found or dict.fromkeys(outputs, binary)


def packed(value):
    """An array as a binary tensor of V2."""
    if value.dtype != object:
        return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(len(item).to_bytes(4, "little") + item for item in value.flat)


def tensors(infos):
    """[{"name", "datatype", "shape"}] of a signature's inputs or outputs, as V2's metadata has them."""
    return [{"name": name, "datatype": datatype(info), "shape": sizes(info)}
            for name, info in sorted(infos.items())]
