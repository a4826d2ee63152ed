"""The HTTP application: TF Serving's REST API and KServe's V2, over a `Service`.

    POST /v1/models/NAME[/versions/N|/labels/stable]:predict     {"instances": ["not bad at all"]}
    GET  /v1/models/NAME[/versions/N|/labels/stable][/metadata]  status, or the signatures
    POST /v2/models/NAME[/versions/N]/infer
    GET  /v2/models/NAME[/versions/N][/ready], /v2

KServe's own routes answer what is left: health, the lists of models, /metrics. Its routes of prediction
stand aside: they read bodies and write answers of any size on the event loop, so that one request holds
up all others, health included, and they know no versions. Starlette, which KServe's are made of, routes
here; a queue's threads compute and encode.
"""
import asyncio
import gzip
import re
import time
import zlib

from google.protobuf import json_format
from kserve.metrics import PREDICT_HIST_TIME
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from export import one_line
from export.serving import protocols, rpc
from export.serving.connections import HEALTH
from export.serving.metrics import REQUESTS
from export.serving.service import Refused
from export.serving.tensors import BadRequest, shown
from export.serving.version import DEFAULT

ENDPOINTS = "POST /v1/models/NAME:predict, POST /v2/models/NAME/infer, GET /v1/models or GET /metrics"
LENGTH = "inference-header-content-length"
LARGE = 65_536  # bytes of a body that is read in a thread: fewer take less than the change of threads
SMALL = 1024  # bytes of an answer that is not packed
GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.I)      # that a client takes


class Endpoints:
    """The routes of a service; an ASGI application that counts what it answers.

    Args:    most_bytes, seconds  of a request;  kserve  KServe's application, its data plane
    """

    def __init__(self, service, most_bytes, seconds, kserve, data_plane):
        self.service, self.most_bytes, self.seconds = service, most_bytes, seconds
        self.kserve, self.data_plane = kserve, data_plane
        handlers = dict.fromkeys((BadRequest, Refused, HTTPException, Exception), refused)
        self.routed = Starlette(routes=list(self._routes()), exception_handlers=handlers)

    def _routes(self):
        for way in ("", "/versions/{number}", "/labels/{label}"):
            path = "/v1/models/{name}" + way
            yield Route(path + ":predict", self.predict, methods=["POST"])
            yield Route(path + "/metadata", self.metadata, methods=["GET"])
            yield Route(path, self.status, methods=["GET"])
        for way in ("", "/versions/{number}"):
            path = "/v2/models/{name}" + way
            yield Route(path + "/infer", self.infer, methods=["POST"])
            yield Route(path + "/ready", self.ready, methods=["GET"])
            yield Route(path, self.model, methods=["GET"])
        yield Route("/v2", self.server, methods=["GET"])
        yield Route("/monitoring/prometheus/metrics", Below(self.kserve, "/metrics"), methods=["GET"])
        for path in ("/", "/metrics", "/v1/models", "/v2/models", *HEALTH):
            yield Route(path, Below(self.kserve, path), methods=["GET"])

    async def __call__(self, scope, receive, send):
        async def counting(message):
            if message["type"] == "http.response.start":
                name = (re.match("/v[12]/models/([^/:]+)", scope["path"]) or [""] * 2)[1]
                REQUESTS.labels(name if name in self.service.models else "", message["status"]).inc()
            await send(message)
        await self.routed(scope, receive, counting)

    # V1.

    async def predict(self, request):
        """A prediction of TF Serving's REST API."""
        end = time.monotonic() + self.seconds
        body = await self._body(request, end)
        _, version = self.service.version(**request.path_params)

        def read():
            return protocols.v1(protocols.parsed(body), version.signatures)
        name, inputs, form = await _read(read, len(body))
        return await self._answer(request, version, name, inputs, end,
                                  lambda outputs: (protocols.v1_answer(outputs, form), None))

    async def status(self, request):
        """The versions of a model, or the one that is named, and how they are."""
        return as_json(rpc.status(self.service, **request.path_params))

    async def metadata(self, request):
        """The signatures of a version."""
        return as_json(rpc.metadata(self.service, **request.path_params))

    # V2.

    async def infer(self, request):
        """A prediction of the Open Inference Protocol."""
        end = time.monotonic() + self.seconds
        body = await self._body(request, end)
        number, version = self.service.version(**request.path_params)
        size = json_length(request.headers.get(LENGTH), len(body))
        model = request.path_params["name"]

        def read():
            parsed = protocols.parsed(body[:size])
            return parsed, protocols.v2(parsed, version.signatures, body[size:])
        parsed, (name, inputs) = await _read(read, len(body))
        return await self._answer(request, version, name, inputs, end,
                                  lambda outputs: protocols.v2_answer(parsed, outputs, model, number))

    async def model(self, request):
        """Versions, inputs and outputs."""
        _, version = self.service.version(**request.path_params)
        versions, signature = self.service.model(request.path_params["name"]), version.signatures[DEFAULT]
        return JSONResponse({
            "name": versions.name, "versions": [str(number) for number in sorted(versions.live)],
            "platform": "tensorflow_savedmodel", "inputs": protocols.tensors(signature.inputs),
            "outputs": protocols.tensors(signature.outputs)})

    async def ready(self, request):
        """Whether a version is live."""
        self.service.version(**request.path_params)
        return JSONResponse({"name": request.path_params["name"], "ready": True})

    async def server(self, request):
        """What the server is; KServe's own answer names an extension that is not here."""
        return JSONResponse({**self.data_plane.metadata(), "extensions": ["binary_tensor_data"]})

    # Both.

    async def _body(self, request, end):
        try:
            size, body = await asyncio.wait_for(self._received(request.receive), end - time.monotonic())
        except asyncio.TimeoutError:
            raise Refused(408, f"expected the whole request within {self.seconds:g} s, received a part: "
                               "send faster") from None
        coding = request.headers.get("content-encoding", "identity")
        if size <= self.most_bytes and coding in ("gzip", "deflate"):
            size, body = inflated(body, self.most_bytes)
        elif coding != "identity":
            raise Refused(415, f"expected a body as it is, in gzip or deflate; received {shown(coding)}")
        if size > self.most_bytes:
            raise Refused(413, f"expected at most {self.most_bytes:,} bytes, received {size:,} or more: "
                               "send less at a time")
        return body

    async def _received(self, receive):
        """The length of the body, and the body if it is not too long. What is too long is still read: a
        client that is cut off while it sends does not see the answer."""
        size, parts, more = 0, [], True
        while more:
            message = await receive()
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            parts = [*parts, part] if size <= self.most_bytes else []
        return size, b"".join(parts)

    async def _answer(self, request, version, signature, inputs, end, written):
        model, start = request.path_params["name"], time.monotonic()
        packs = bool(GZIP.search(request.headers.get("accept-encoding", "")))

        def finish(outputs):
            body, size = written(outputs)
            headers = {} if size is None else {LENGTH: str(size)}
            if packs and len(body) > SMALL:
                body, headers = gzip.compress(body, 1), {**headers, "content-encoding": "gzip"}
            kind = "application/json" if size is None else "application/octet-stream"
            return Response(body, headers=headers, media_type=kind)
        gone = asyncio.ensure_future(request.receive())
        try:
            return await self.service.answer(model, version, signature, inputs, finish, end, gone)
        finally:
            gone.cancel()
            PREDICT_HIST_TIME.labels(model).observe(time.monotonic() - start)


class Below:
    """A path of an application below, HEAD as GET: uvicorn leaves the body of its answer out."""

    def __init__(self, application, path):
        self.application, self.path = application, path

    async def __call__(self, scope, receive, send):
        await self.application({**scope, "method": "GET", "path": self.path}, receive, send)


async def _read(read, size):
    """What a function of a body reads, on this thread if the body is short."""
    return read() if size <= LARGE else await asyncio.to_thread(read)


def inflated(body, most):
    """The size and the bytes of a body in gzip or deflate; no more is unpacked than may be."""
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        found = unpacking.decompress(body, most + 1)
    except zlib.error as error:
        raise BadRequest(f"expected a body in gzip or deflate, received {shown(body)}: {error}") from None
    if len(found) <= most and not unpacking.eof:
        raise BadRequest("expected a whole body in gzip or deflate, received a part")
    return len(found), found


def json_length(given, size):
    """The bytes of a body that are JSON: binary tensors follow."""
    if given is None:
        return size
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) > size:
        raise BadRequest(f"{LENGTH}: expected at most {size}, received {shown(given)}")
    return int(given)


def as_json(message):
    """A message of TF Serving's as its REST API writes it."""
    return JSONResponse(json_format.MessageToDict(message, preserving_proto_field_name=True,
                                                  always_print_fields_with_no_presence=True))


async def refused(request, error):
    """The answer to what is wrong: one line."""
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    status = status or (400 if isinstance(error, BadRequest) else 500)
    line = one_line(getattr(error, "detail", error)) if status != 500 else "the server failed"
    if isinstance(error, HTTPException):
        line = f"expected {ENDPOINTS}; received {request.method} {shown(request.url.path)}"
    return JSONResponse({"error": line}, status, {"retry-after": "1"} if status == 503 else None)
