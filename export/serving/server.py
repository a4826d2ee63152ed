"""Serves trained models on one machine: KServe's ModelServer, over TensorFlow alone.

    python -m export.serve runs/sentiment [runs/conll2000 …] --port=8080

    POST /v1/models/sentiment:predict              {"instances": ["not bad at all"]}; see `protocols.py`
    POST /v1/models/sentiment/versions/1:predict   a version; without, the newest
    POST /v2/models/sentiment/infer                and /v2/models/sentiment/versions/1/infer
    GET  /v2/health/live, /v2/health/ready, /v1/models/sentiment, /v2/models/sentiment, /metrics

New versions go live, and changed ones are checked, while it serves (`versions.py`). What a request has
wrong is one line in {"error": …}: 400, 404, 405, 408 (it did not arrive in time), 413; the server's own
are 503 (too many connections) and 504 (time limit). SIGTERM and Ctrl-C let open requests end.
"""
import argparse
import asyncio
import concurrent.futures
import functools
import logging
import os
import re
import signal
import sys
import uuid
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KSERVE_LOGLEVEL", "CRITICAL")  # it logs a stack trace for every bad request

from export import one_line, optional  # noqa: E402

_arguments, sys.argv[1:] = sys.argv[1:], []  # KServe reads flags of its own when it is imported
with optional("serve"):
    import kserve
    import prometheus_client
    from fastapi.exceptions import RequestValidationError
    from kserve import model_server
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
sys.argv[1:] = _arguments

import tensorflow as tf  # noqa: E402

from export.serving import protocols  # noqa: E402
from export.serving.versions import Versions  # noqa: E402

CONNECTIONS = 256  # more are answered 503
ENDPOINTS = "POST /v1/models/NAME:predict, POST /v2/models/NAME/infer, GET /v1/models or GET /metrics"


def define_flags():
    """The parser of the command line."""
    parser = argparse.ArgumentParser("python -m export.serve", description="Serve trained models.")
    parser.add_argument("folders", nargs="+", help="runs, or folders of SavedModel versions")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for every network")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--poll", type=float, default=2, help="seconds between looks for versions")
    parser.add_argument("--seconds", type=float, default=10, help="limit of a request")
    parser.add_argument("--bytes", type=int, default=1 << 20, help="limit of a request")
    parser.add_argument("--largest", type=int, default=protocols.LARGEST, help="limit of a request: rows "
                        "× the bytes of the longest text, numbers of a row, or a whole-number setting")
    return parser


class Model(kserve.Model):
    """One version of a model, as KServe calls it."""

    def __init__(self, name, number, version, server):
        super().__init__(name)
        self.ready, self.number, self.version, self.server = True, number, version, server

    async def predict(self, payload, headers=None, response_headers=None):
        respond = self._v1 if isinstance(payload, bytes) else self._v2
        return await asyncio.get_running_loop().run_in_executor(self.server.threads, respond, payload)

    async def explain(self, payload, headers=None):
        raise HTTPException(404)

    def _v1(self, body):
        name, inputs, form = protocols.v1(protocols.parsed(body), self.version.signatures)
        return protocols.v1_answer(self._answer(name, inputs), form)

    def _v2(self, request):
        name, inputs = protocols.v2(request, self.version.signatures)
        wanted = [output.name for output in request.request_outputs or ()]
        found = protocols.v2_answer(self._answer(name, inputs), wanted)
        return kserve.InferResponse(request.id or str(uuid.uuid4()), self.name,
                                    [kserve.InferOutput(**tensor) for tensor in found], str(self.number))

    def _answer(self, name, inputs):
        protocols.check_size(inputs, self.server.flags.largest)
        return self.version.answer(name, inputs, self.server.flags.seconds)

    def get_input_types(self):
        return protocols.tensors(self.version.signatures[protocols.DEFAULT].inputs)

    def get_output_types(self):
        return protocols.tensors(self.version.signatures[protocols.DEFAULT].outputs)


class Repository(kserve.ModelRepository):
    """What is live, by name: NAME is the newest version, NAME@2 is version 2."""

    def __init__(self, versions):
        super().__init__()
        self.versions = {each.name: each for each in versions}

    def get_models(self):
        return self.versions

    def get_model(self, name):
        base, _, label = (name, "", "") if name in self.versions else name.rpartition("@")
        if base not in self.versions:
            raise HTTPException(404, f"expected a model among {', '.join(self.versions)}; received "
                                     f"{protocols.shown(base or name)}")
        live = self.versions[base].live
        if label and not (label.isdecimal() and int(label) in live):
            raise HTTPException(404, f"expected a version among {', '.join(map(str, sorted(live)))}; "
                                     f"received {protocols.shown(label)}")
        number = int(label or max(live))
        return Model(base, number, live[number], self.server)

    def unload(self, name):
        """Nothing: versions follow their files, and end with the process."""


class Gate:
    """In front of KServe's application: limits of size and time, and versions in the path.

    KServe knows no versions; its model names may hold anything, so NAME/versions/2 becomes NAME@2.
    """

    def __init__(self, app, most_bytes, seconds):
        self.app, self.most_bytes, self.seconds = app, most_bytes, seconds

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = []

        async def sending(message):
            started.append(message)
            await send(message)
        status, error = await self._pass(scope, receive, sending)
        if status and not started:
            await JSONResponse({"error": error}, status)(scope, receive, send)

    async def _pass(self, scope, receive, send):
        """Hand the request on, if it may go on; else the status and what is wrong."""
        try:
            size, body = await asyncio.wait_for(self._read(receive), self.seconds)
        except asyncio.TimeoutError:
            return 408, (f"expected the whole request within {self.seconds:g} s, received a part: send "
                         "faster")
        if size > self.most_bytes:
            return 413, (f"expected at most {self.most_bytes:,} bytes, received {size:,}: send less at a "
                         "time")
        if scope["path"].startswith("/v2/repository"):
            return 404, "versions follow the files of the folder that is served; put a new one there"
        try:
            if scope["method"] == "POST" and scope["path"].startswith("/v2/"):
                protocols.parsed(body)  # FastAPI would not say what is wrong
            await asyncio.wait_for(self.app(_plain(scope), _again(body, receive), send), self.seconds)
        except asyncio.TimeoutError:
            return 504, late(self.seconds)
        except protocols.BadRequest as error:
            return 400, str(error)
        return None, None

    async def _read(self, receive):
        """The length of the body, and the body if it is not too long. What is too long is still read: a
        client that is cut off while it sends does not see the answer."""
        size, parts, more = 0, [], True
        while more:
            message = await receive()
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            parts = [*parts, part] if size <= self.most_bytes else []
        return size, b"".join(parts)


def late(seconds):
    """The line for an answer that takes too long."""
    return f"expected an answer within {seconds:g} s, it takes longer: send fewer rows or shorter ones"


def _plain(scope):
    """The request without what KServe would take for CloudEvents or binary tensors. A body of V1 is said
    to be text, which KServe hands on unread: then what is wrong with it is said by `protocols`."""
    path = re.sub(r"^(/v[12]/models/[^/]+)/versions/([^/:]+)", r"\1@\2", scope["path"])
    kind = b"text/plain" if path.startswith("/v1/") else b"application/json"
    kept = [(name, value) for name, value in scope["headers"] if name in (b"host", b"accept")]
    return {**scope, "path": path, "headers": [*kept, (b"content-type", kind)]}


def _again(body, receive):
    """The receive channel of a request whose body has been read."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving():
        return messages.pop() if messages else await receive()
    return receiving


async def refused(request, error):
    """The answer to what is wrong: one line."""
    status, line = getattr(error, "status_code", 400), one_line(getattr(error, "detail", error))
    if isinstance(error, tf.errors.DeadlineExceededError):
        status, line = 504, late(request.app.state.seconds)
    elif isinstance(error, tf.errors.OpError):
        line = f"the model cannot answer these inputs: {one_line(error.message)}"
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]  # of a V2 request; the others say that it is no binary one either
        where, what = ".".join(map(str, first["loc"][2:])), protocols.shown(first["input"])
        line = f"{where}: {first['msg']}, received {what}"
    elif status in (404, 405) and line in ("Not Found", "Method Not Allowed"):
        line = f"expected {ENDPOINTS}; received {request.method} {protocols.shown(request.url.path)}"
    return JSONResponse({"error": line}, status)


class Server(model_server.ModelServer):
    """KServe's server, listening where it is told to, with limits."""

    def __init__(self, versions, flags):
        repository = Repository(versions)
        super().__init__(http_port=flags.port, enable_grpc=False, registered_models=repository)
        logging.getLogger("uvicorn.access").handlers.clear()  # a line for every request
        repository.server, self.flags = self, flags
        self.threads = concurrent.futures.ThreadPoolExecutor(max(8, 2 * (os.cpu_count() or 1)))

    async def _serve(self):
        config = self._rest_server.config
        config.host, config.app = self.flags.host, self._guarded()  # KServe's own host is 0.0.0.0
        config.http, config.ws = "h11", "none"  # the other parser takes headers of any length
        config.limit_concurrency = CONNECTIONS
        await super()._serve()

    def _guarded(self):
        app = model_server.app
        app.state.seconds = self.flags.seconds
        for kind in (HTTPException, protocols.BadRequest, RequestValidationError, tf.errors.OpError):
            app.add_exception_handler(kind, refused)
        return Gate(app, self.flags.bytes, self.flags.seconds)


def measure(versions):
    """Two more numbers at /metrics: the newest version of every model, and how many are refused."""
    newest, wrong = (prometheus_client.Gauge(f"model_{name}", help, ["model_name"]) for name, help in (
        ("newest_version", "newest live version"), ("versions_refused", "versions not served")))
    for each in versions:
        newest.labels(each.name).set_function(each.newest)
        wrong.labels(each.name).set_function(functools.partial(_count_refused, each))


def _count_refused(versions):
    return len(versions.refused)


def main(arguments=None):
    """Serve until SIGTERM or Ctrl-C."""
    flags = define_flags().parse_args(arguments)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # sessions, which TF Serving too loads with,
    warnings.filterwarnings("ignore", message="ORJSONResponse")  # and what KServe uses, are deprecated
    say = functools.partial(print, flush=True)
    versions = [Versions(folder, say) for folder in flags.folders]
    names = [each.name for each in versions]
    if len(set(names)) < len(names):
        raise ValueError(f"expected folders of different names, received {', '.join(names)}")
    measure(versions)
    for each in versions:
        each.watch(flags.poll)
        say(f"http://{flags.host}:{flags.port}/v1/models/{each.name}:predict")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which uvicorn expects to replace
    Server(versions, flags).start([])
    say("stopped")
