"""`export.serve` in a process of its own, as the tests of the server and of its conformance start it."""
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import types

import pytest
import tensorflow as tf

from conftest import ROOT
from export import checksums, saved_model
from export.serving import versions
from heads import Head

SECONDS, BYTES = 60, 200_000  # a busy machine is not what is tested


def free_port():
    """A port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A server on free ports, over folders; `flags` of its command line."""

    def __init__(self, log, *folders, seconds=SECONDS, flags=(), output=None):
        self.port, self.grpc_port = free_port(), free_port()
        self.log, self.url = log, f"http://127.0.0.1:{self.port}/v1/models"
        command = [sys.executable, "-m", "export.serve", *map(str, folders), f"--port={self.port}",
                   f"--grpc_port={self.grpc_port}", "--poll=0.2", f"--seconds={seconds}",
                   f"--bytes={BYTES}", *flags]
        with log.open("w") as said:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output or said, stderr=said)
        if output is None:
            return self.wait_for("running on")
        for _ in range(1200):  # its log says nothing
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", self.port)).close()
            time.sleep(0.1)

    def wait_for(self, line, seconds=120):
        end = time.monotonic() + seconds
        while line not in self.log.read_text():
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()[-2000:]
            time.sleep(0.05)

    def ask(self, method, path, body=None, headers={}):
        """Status and parsed body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        status, body = response.status, response.read()
        connection.close()
        return status, (json.loads(body) if body[:1] in (b"{", b"[") else body.decode())

    def predict(self, request, path="/v1/models/reviews:predict"):
        body = request if isinstance(request, (str, bytes)) else json.dumps(request)
        return self.ask("POST", path, body)

    def send(self, data, seconds=60):
        """What comes back for bytes until the server closes; all of it if it stays open for so long."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as sent:
            sent.sendall(data)
            parts = []
            while part := sent.recv(65_536):
                parts.append(part)
            return b"".join(parts)

    def stop(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        return self.process.wait(60)


def export(folder, **signatures):
    """Write signatures, `tf.function`s, as a version that can be served."""
    tf.saved_model.save(tf.Module(), str(folder), signatures)
    checksums.write(folder)


def loops(folder):
    """A model that counts to its input, as slow as one likes."""
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "n")])
    def serving_default(n):
        count = tf.while_loop(lambda k: k < n[0], lambda k: k + 1, [0])
        return {"count": count[0] + n * 0}
    export(folder / "1", serving_default=serving_default)


def write(head, folder, texts, patch):
    """A head as the next version under a folder, unverified."""
    patch.setattr(saved_model, "_verify", lambda *_: {})
    saved_model.write(head, folder, texts)


def reviews(make, count=1):
    """A head, and a `Service` of the versions, so many, that were written of it as "reviews".

    Args:    make  pytest's `tmp_path_factory`
    """
    from export.serving.service import Service
    run, head = make.mktemp("exported") / "reviews", Head(make.mktemp("head"))
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(count):
            write(head, run / "saved_model", ["good film", "not bad a"], patch)
    flags = types.SimpleNamespace(seconds=60, largest=1000, values=100_000, batch_size=64,
                                  batch_timeout=3)
    return head, Service([versions.Versions(run, lambda line: None)], flags)
