"""Asks a server for predictions: one module that can be copied.

    python -m export.client http://127.0.0.1:8080/v1/models/sentiment "not bad at all"
    python -m export.client grpc://127.0.0.1:8500/sentiment "not bad at all"

Prints a line of JSON for every text. `rest` needs Python alone and asks `export.serve` or TF Serving's
REST API; `grpc_predict` needs tensorflow-serving-api and asks TF Serving. Both take and give every
signature of every model.
"""
import contextlib
import importlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request


class ServerError(ValueError):
    """What the server said, one line."""


def rest(url, inputs, signature="serving_default", seconds=30):
    """The outputs of a signature, {name: column}; of a single output its column alone.

    Args:    url     http://host:port/v1/models/NAME, perhaps with /versions/2
             inputs  {name: column}, nested lists of texts and numbers; or the column of the only input.
                     A text alone is a column of one
    Raises:  ServerError: it refused;  OSError: it cannot be reached
    """
    body = json.dumps({"signature_name": signature, "inputs": _columns(inputs)}).encode()
    request = urllib.request.Request(f"{url}:predict", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer)["outputs"]
    except urllib.error.HTTPError as error:
        raise ServerError(f"{error.code}: {_reason(error.read())}") from None


def _columns(inputs):
    """The inputs, in which a text alone is a column of one."""
    if isinstance(inputs, dict):
        return {name: [column] if isinstance(column, (str, bytes)) else column
                for name, column in inputs.items()}
    return [inputs] if isinstance(inputs, (str, bytes)) else inputs


def _reason(body):
    try:
        return json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace").strip()


def grpc_predict(address, model, inputs, signature="serving_default", version=None, seconds=30):
    """The same over gRPC, as NumPy arrays, {name: array} of a single output too.

    Args:    address  host:port;  model  its name
             inputs   {name: array or nested lists}: whole numbers go as int32, others as float32; or
                      the column of the only input. A text alone is a column of one
    Raises:  grpc.RpcError: it refused, or cannot be reached;  ServerError: there is no only input
    """
    import grpc
    import numpy as np
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    request, columns = predict_pb2.PredictRequest(), _columns(inputs)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    narrow = {np.dtype("int64"): np.int32, np.dtype("float64"): np.float32}
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        if not isinstance(columns, dict):
            columns = {_only_input(stub, request.model_spec, seconds): columns}
        for name, value in columns.items():
            array = np.asarray(value)
            array = array.astype(narrow.get(array.dtype, array.dtype))
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        answer = stub.Predict(request, seconds)
    return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}


def _only_input(stub, spec, seconds):
    """The name of the input of a signature that has one."""
    from tensorflow_serving.apis import get_model_metadata_pb2
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.CopyFrom(spec)
    asked.model_spec.ClearField("signature_name")
    found = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(asked, seconds).metadata["signature_def"].Unpack(found)
    if spec.signature_name not in found.signature_def:
        raise ServerError(f"expected a signature among {', '.join(sorted(found.signature_def))}, "
                          f"received {spec.signature_name!r}")
    names = [*found.signature_def[spec.signature_name].inputs]
    if len(names) != 1:
        raise ServerError(f"expected a signature with one input for a column, received one with "
                          f"{', '.join(names) or 'none'}; name the columns")
    return names[0]


def readable(outputs):
    """{name: column}, of lists or arrays, as a dict for every row; tags, and what else a tagger says of
    every token, as long as their text. The column of a single output is its rows.

    >>> readable({"tags": [["O", ""], ["B", "I"]], "intents": [[0.5, 0.5], [1, 0]], "lengths": [1, 2]})
    [{'tags': ['O'], 'intents': [0.5, 0.5]}, {'tags': ['B', 'I'], 'intents': [1, 0]}]
    """
    if not isinstance(outputs, dict):
        return _texts(outputs)
    columns = {name: _texts(getattr(column, "tolist", lambda column=column: column)())
               for name, column in outputs.items()}
    lengths = columns.pop("lengths", None)
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return [{name: value[:length] if isinstance(value, list) and name != "intents" else value
             for name, value in row.items()} for row, length in zip(rows, lengths or [None] * len(rows))]


def _texts(value):
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _over_grpc(place, texts):
    """`grpc_predict` for the command line, whose errors are one line."""
    try:
        with contextlib.suppress(ModuleNotFoundError):      # a copy of this module stands alone
            importlib.import_module("export.quiet").import_tensorflow()
        import grpc
        return grpc_predict(place.netloc, place.path.strip("/"), texts)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}; grpc:// needs it: "
                                  "python -m pip install tensorflow-serving-api") from None
    except grpc.RpcError as error:
        raise ServerError(f"{error.code().name}: {error.details()}") from None


def main():
    """Print a line of JSON for every text of the command line."""
    arguments = sys.argv[1:]
    if {"--help", "-h"} & set(arguments):
        return print(__doc__)
    if len(arguments) < 2 or not arguments[0].startswith(("http://", "https://", "grpc://")):
        raise ValueError('expected a server and texts: http://127.0.0.1:8080/v1/models/NAME "a text", or '
                         'grpc://127.0.0.1:8500/NAME "a text"')
    url, *texts = arguments
    if url.startswith("grpc://"):
        outputs = _over_grpc(urllib.parse.urlsplit(url), texts)
    else:
        outputs = rest(url, texts)
    for row in readable(outputs):
        print(json.dumps(row, ensure_ascii=False))
