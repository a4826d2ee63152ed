"""TF Serving's gRPC services over a `Service`: PredictionService's Predict and GetModelMetadata, and
ModelService's GetModelStatus. What else they name is answered UNIMPLEMENTED."""
import math
import time

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2, get_model_status_pb2, model_service_pb2_grpc, predict_pb2,
    prediction_service_pb2_grpc)

from export import one_line
from export.serving import limits, tensors
from export.serving.metrics import REQUESTS
from export.serving.protocols import signature_of
from export.serving.service import Refused
from export.serving.tensors import BadRequest
from export.serving.version import DEFAULT

CALLS = 256  # at once; more are answered RESOURCE_EXHAUSTED
CODES = {400: grpc.StatusCode.INVALID_ARGUMENT, 404: grpc.StatusCode.NOT_FOUND,
         503: grpc.StatusCode.UNAVAILABLE, 504: grpc.StatusCode.DEADLINE_EXCEEDED}
OK, INVALID_ARGUMENT = 0, 3  # error codes of a version's status


def status(service, name, number=None, label=None):
    """The GetModelStatusResponse of a model: of all versions, those refused too, or of one."""
    versions = service.model(name)
    refused = {n: why for n, why in versions.refused.items() if n not in versions.live}
    if label or number and not (str(number).isascii() and str(number).isdecimal()
                                and len(str(number)) < 20 and int(number) in refused):
        number, _ = service.version(name, number, label)
    response = get_model_status_pb2.GetModelStatusResponse()
    for n in [int(number)] if number else sorted({*versions.live, *refused}, reverse=True):
        live = n not in refused
        one = response.model_version_status.add(
            version=n, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE if live
            else get_model_status_pb2.ModelVersionStatus.END)
        one.status.error_code = OK if live else INVALID_ARGUMENT
        one.status.error_message = refused.get(n, "")
    return response


def metadata(service, name, number=None, label=None):
    """The GetModelMetadataResponse of a version."""
    number, version = service.version(name, number, label)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name, response.model_spec.version.value = name, number
    found = get_model_metadata_pb2.SignatureDefMap()
    for key, signature in version.signatures.items():
        found.signature_def[key].CopyFrom(signature)
    response.metadata["signature_def"].Pack(found)
    return response


def asked_version(spec):
    """The arguments of `Service.version` in a ModelSpec."""
    kind = spec.WhichOneof("version_choice")
    return {"name": spec.name, "number": spec.version.value if kind == "version" else None,
            "label": spec.version_label if kind == "version_label" else None}


def known(service, spec):
    """The model's name for the metrics, which no stranger can fill with names."""
    return spec.name if spec.name in service.models else ""


def arrays(name, signature, inputs):
    """{input: array} of {input: TensorProto}."""
    tensors.check_names(name, signature, inputs)
    return tensors.check_rows({key: _array(key, signature.inputs[key], proto)
                               for key, proto in inputs.items()})


def _array(name, info, proto):
    if proto.dtype != info.dtype:
        raise BadRequest(f"{name}: expected {tf.as_dtype(info.dtype).name}, received another type")
    shape = [axis.size for axis in proto.tensor_shape.dim]
    count = math.prod(shape)
    # A last value stands for all that follow: a few bytes could claim any memory.
    tensors.check_shape(name, info, shape, count if 0 <= count <= limits.VALUES else -1)
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError) as error:
        raise BadRequest(f"{name}: {one_line(error)}") from None


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's PredictionService."""

    def __init__(self, service):
        self.service = service

    async def Predict(self, request, context):
        spec = request.model_spec
        async with Refusing(context, known(self.service, spec)):
            number, version = self.service.version(**asked_version(spec))
            name, signature = signature_of(spec.signature_name or DEFAULT, version.signatures)
            wanted = set(request.output_filter) or set(signature.outputs)
            if not wanted <= set(signature.outputs):
                raise BadRequest(f"expected outputs among {', '.join(sorted(signature.outputs))}; "
                                 f"received {tensors.shown(sorted(wanted))}")
            inputs = arrays(name, signature, request.inputs)

            def finish(outputs):
                answer = predict_pb2.PredictResponse()
                answer.model_spec.name, answer.model_spec.version.value = spec.name, number
                answer.model_spec.signature_name = name
                for key in wanted:
                    answer.outputs[key].CopyFrom(tf.make_tensor_proto(outputs[key]))
                return answer
            end = time.monotonic() + min(self.service.flags.seconds, context.time_remaining() or math.inf)
            return await self.service.answer(spec.name, version, name, inputs, finish, end)

    async def GetModelMetadata(self, request, context):
        async with Refusing(context, known(self.service, request.model_spec)):
            if list(request.metadata_field) != ["signature_def"]:
                raise BadRequest("metadata_field: expected signature_def, received "
                                 f"{tensors.shown(list(request.metadata_field))}")
            return metadata(self.service, **asked_version(request.model_spec))


class Models(model_service_pb2_grpc.ModelServiceServicer):
    """TF Serving's ModelService."""

    def __init__(self, service):
        self.service = service

    async def GetModelStatus(self, request, context):
        async with Refusing(context, known(self.service, request.model_spec)):
            return status(self.service, **asked_version(request.model_spec))


class Refusing:
    """Ends a call with the status of what is refused, and counts calls."""

    def __init__(self, context, name):
        self.context, self.name = context, name

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        status = getattr(error, "status", 400 if isinstance(error, BadRequest) else 500)
        code = grpc.StatusCode.OK if error is None else CODES.get(status, grpc.StatusCode.UNKNOWN)
        REQUESTS.labels(self.name, code.name).inc()
        if isinstance(error, (BadRequest, Refused)):
            await self.context.abort(code, str(error))


def server(service, address, most_bytes):
    """A server of both services on an address, to be started in the event loop that runs."""
    found = grpc.aio.server(maximum_concurrent_rpcs=CALLS, options=[
        ("grpc.max_receive_message_length", most_bytes), ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0), ("grpc.max_connection_idle_ms", 65_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(service), found)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(service), found)
    if not found.add_insecure_port(address):
        raise OSError(f"cannot listen on {address}")
    return found
