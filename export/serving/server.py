"""Serves trained models on one machine, over TensorFlow alone, by HTTP and gRPC.

    python -m export.serve runs/sentiment [runs/conll2000 …] --port=8080 --grpc_port=8500

    POST /v1/models/sentiment:predict              {"instances": ["not bad at all"]}; see `application.py`
    POST /v2/models/sentiment/infer                the Open Inference Protocol
    GET  /v2/health/live, /v2/health/ready, /v1/models/sentiment, /v2/models/sentiment, /metrics
    gRPC PredictionService, ModelService           as TF Serving has them; see `rpc.py`

New versions go live, and changed ones are checked, while it serves (`versions.py`). What a request has
wrong is one line in {"error": …}: 400, 404, 405, 408 (it did not arrive in time), 413, 415, 431; the
server's own are 503 (too many wait; with Retry-After) and 504 (time limit). SIGTERM, SIGHUP and Ctrl-C
let open requests end.
"""
import argparse
import asyncio
import contextlib
import ctypes
import importlib
import logging
import os
import pathlib
import signal
import socket
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KSERVE_LOGLEVEL", "CRITICAL")  # it logs a stack trace for every bad request

from export import optional  # noqa: E402

_arguments, sys.argv[1:] = sys.argv[1:], []  # KServe reads flags of its own when it is imported
with optional("serve"):
    from kserve import ModelRepository, model_server
    from export.serving.application import Endpoints
sys.argv[1:] = _arguments

from export.serving import connections, limits, queues, rpc  # noqa: E402
from export.serving.metrics import measure  # noqa: E402
from export.serving.service import Service  # noqa: E402
from export.serving.versions import Versions, numbers  # noqa: E402
from zoo import trained  # noqa: E402

MAPPED = 1 << 18  # bytes from which memory goes back to the system when it is freed


def define_flags():
    """The parser of the command line."""
    parser = argparse.ArgumentParser("python -m export.serve", description="Serve trained models.")
    parser.add_argument("folders", nargs="+", help="runs, folders of SavedModel versions, or names "
                        "of pretrained models")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for every network")
    parser.add_argument("--port", type=int, default=8080, help="port of HTTP")
    parser.add_argument("--grpc_port", type=int, default=8500, help="port of gRPC; 0 for none")
    parser.add_argument("--poll", type=float, default=2, help="seconds between looks for versions")
    parser.add_argument("--seconds", type=float, default=10, help="limit of a request and its answer")
    parser.add_argument("--bytes", type=int, default=1 << 20, help="limit of a request")
    parser.add_argument("--largest", type=int, default=limits.LARGEST, help="limit of a request: rows × "
                        "the bytes of the longest text or the numbers of a row, times the beam's width")
    parser.add_argument("--values", type=int, default=limits.VALUES,
                        help="limit of an answer: its numbers and bytes of text")
    parser.add_argument("--batch_size", type=int, default=queues.ROWS,
                        help="rows of the requests that share a call; 1: they share none")
    parser.add_argument("--batch_timeout", type=float, default=1000 * queues.MOMENT,
                        help="milliseconds that a request waits for others while a call is under way")
    parser.add_argument("--connections", type=int, default=connections.CONNECTIONS,
                        help="limit of connections over HTTP")
    parser.add_argument("--connections_of_address", type=int, default=connections.OF_ADDRESS,
                        help="the same from one address; behind a proxy all come from one")
    return parser


class Repository(ModelRepository):
    """The models that KServe's routes list."""

    def __init__(self, versions):
        super().__init__()
        self.models = {each.name: each for each in versions}

    async def is_model_ready(self, name):
        return name in self.models

    def unload(self, name):
        """Nothing: versions follow their files, and end with the process."""


class Server(model_server.ModelServer):
    """KServe's server: it begins and ends the process, and has its routes below `Endpoints`.

    Args: sockets  bound, of HTTP and perhaps of gRPC, whose port is kept free by it until it listens
    """

    def __init__(self, service, flags, sockets):
        super().__init__(http_port=flags.port, enable_grpc=False,
                         registered_models=Repository(service.models.values()))
        logging.getLogger("uvicorn.access").handlers.clear()  # a line for every request
        logging.getLogger("uvicorn.error").addFilter(connections.Throttle())
        self.service, self.flags, self.sockets, self._calls = service, flags, sockets, None

    def setup_event_loop(self):
        """Nothing: the loop that KServe would set up is not the one that runs."""

    async def _serve(self):
        config, uvicorn = self._rest_server.config, self._rest_server._server
        self._rest_server.create_application()
        door = connections.Door(self.flags.connections, self.flags.connections_of_address)
        config.app = Endpoints(self.service, self.flags.bytes, self.flags.seconds, model_server.app,
                               self.dataplane)
        config.http, config.ws = type("Limited", (connections.Connection,), {"door": door}), "none"
        config.timeout_graceful_shutdown = max(30, self.flags.seconds + 5)
        for coroutine in self.servers:
            coroutine.close()  # KServe's own start, which knows no sockets
        self.service.start()
        await self._start_grpc()
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGHUP, setattr, uvicorn, "should_exit", True)
        telling = asyncio.create_task(self._tell(uvicorn))
        await uvicorn.serve(self.sockets[:1])
        telling.cancel()
        if self._calls:
            await self._calls.stop(self.flags.seconds)

    async def _tell(self, uvicorn):
        while not uvicorn.started:
            await asyncio.sleep(0.02)
        for name in self.service.models:
            say(f"running on http://{self.flags.host}:{self.flags.port}/v1/models/{name}:predict")

    async def _start_grpc(self):
        for kept in self.sockets[1:]:
            kept.close()
            host = f"[{self.flags.host}]" if ":" in self.flags.host else self.flags.host
            self._calls = rpc.server(self.service, f"{host}:{self.flags.grpc_port}", self.flags.bytes)
            await self._calls.start()


def bound(host, port):
    """A socket on a port that nobody else has; found out before anything is loaded."""
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        raise OSError(f"expected a free port, {host}:{port} is not: {getattr(error, 'strerror', error)}; "
                      "choose another by --port or --grpc_port") from None
    return found


def say(line):
    """Print a line. The server goes on if nobody reads it, or the disk is full."""
    with contextlib.suppress(OSError):
        os.write(1, f"{line}\n".encode("utf-8", "replace"))


def give_memory_back():
    """Have glibc return large blocks when they are freed; else the largest request's memory stays."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-3, MAPPED)  # M_MMAP_THRESHOLD


def run_of(folder):
    """The folder; of a pretrained model's name runs/NAME, into which its SavedModel is written once."""
    if pathlib.Path(folder).exists() or not trained.known(folder):
        return folder
    run = pathlib.Path("runs") / folder
    if not numbers(run / "saved_model"):
        say(f"{folder}: writing its SavedModel into {run}")
        head = importlib.import_module("zoo.models").load(folder)
        importlib.import_module("export.saved_model").write(head, run / "saved_model", head.examples())
    return run


def main(arguments=None):
    """Serve until SIGTERM or Ctrl-C."""
    flags = define_flags().parse_args(arguments)
    logging.raiseExceptions = False  # nor does it stop where its log cannot be written
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # sessions, which TF Serving too loads with,
    warnings.filterwarnings("ignore", message="ORJSONResponse")  # and what KServe uses, are deprecated
    give_memory_back()
    with contextlib.suppress(ModuleNotFoundError):  # it comes with KServe but on Windows
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    sockets = [bound(flags.host, flags.port)]
    sockets += [bound(flags.host, flags.grpc_port)] if flags.grpc_port else []
    versions = [Versions(run_of(folder), say) for folder in flags.folders]
    names = [each.name for each in versions]
    if len(set(names)) < len(names):
        raise ValueError(f"expected folders of different names, received {', '.join(names)}")
    measure(versions)
    for each in versions:
        each.watch(flags.poll)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which uvicorn expects to replace
    Server(Service(versions, flags), flags, sockets).start([])
    say("stopped")
