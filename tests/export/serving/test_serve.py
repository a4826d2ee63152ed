"""The server: right answers, one clear line for what is wrong, and versions that change under load."""
import asyncio
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from export import checksums, saved_model
from export.serving import client
from heads import Head

pytest.importorskip("kserve", reason="no KServe: pip install 'recurrent-zoo[serve]'")
pytestmark = pytest.mark.slow
SECONDS, BYTES = 60, 200_000  # a busy machine is not what is tested


class Server:
    """A server in a process of its own, on a free port, over folders."""

    def __init__(self, log, *folders):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log, self.url = log, f"http://127.0.0.1:{self.port}/v1/models"
        command = [sys.executable, "-m", "export.serve", *map(str, folders), f"--port={self.port}",
                   "--poll=0.2", f"--seconds={SECONDS}", f"--bytes={BYTES}"]
        with log.open("w") as said:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        self.wait_for("running on")

    def wait_for(self, line, seconds=400):
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
        return status, (json.loads(body) if body[:1] in b"{[" else body.decode())

    def predict(self, request, path="/v1/models/reviews:predict"):
        body = request if isinstance(request, (str, bytes)) else json.dumps(request)
        return self.ask("POST", path, body)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def loops(folder):
    """A model that counts to its input, as slow as one likes."""
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "n")])
    def serving_default(n):
        count = tf.while_loop(lambda k: k < n[0], lambda k: k + 1, [0])
        return {"count": count[0] + n * 0}
    tf.saved_model.save(tf.Module(), str(folder / "1"), {"serving_default": serving_default})
    checksums.write(folder / "1")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Two heads of other weights, and the folders of what they exported as."""
    heads, folders = [], []
    for seed in (1, 2):
        work = tmp_path_factory.mktemp(f"head{seed}")
        head = Head(work)
        for weight in head.variables:
            weight.assign(weight * seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(saved_model, "_verify", lambda *_: {})
            saved_model.write(head, work / "saved_model", ["good film", "", b"\xff bad"])
        heads.append(head)
        folders.append(work / "saved_model" / "1")
    return heads, folders


@pytest.fixture(scope="module")
def server(exported, tmp_path_factory):
    """Serves "reviews", versions 1 and 3, and "loops"."""
    folder = tmp_path_factory.mktemp("served")
    for number in "13":
        shutil.copytree(exported[1][0], folder / "reviews" / "saved_model" / number)
    loops(folder / "loops")
    server = Server(folder / "log", folder / "reviews", folder / "loops")
    server.folder = folder / "reviews" / "saved_model"
    yield server
    server.process.kill()


def right(head, texts):
    return head.answer(head.ids(tf.constant(texts))).numpy()


TEXTS = ["not good", "bad film a", "", "很好 🙂"]
V1, V2 = "/v1/models/reviews:predict", "/v2/models/reviews/infer"


def v2(data=TEXTS, parameters=None, **changes):
    tensor = {"name": "text", "shape": [len(data)], "datatype": "BYTES", "data": data, **changes}
    return {"id": "7", "inputs": [tensor], **({"parameters": parameters} if parameters else {})}


def test_it_listens_on_loopback_alone(server):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(server.process.pid)
    listening = {tuple(each.laddr) for part in [process, *process.children(recursive=True)]
                 for each in part.connections("inet") if each.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", server.port)}


def test_both_protocols_answer_as_the_head_does(server, exported):
    probabilities = right(exported[0][0], TEXTS)
    status, rows = server.predict({"instances": TEXTS})
    assert status == 200
    np.testing.assert_allclose([row["probabilities"] for row in rows["predictions"]], probabilities,
                               atol=1e-6)
    assert [row["label"] for row in rows["predictions"]] == \
        [Head.labels[best] for best in probabilities.argmax(1)]
    status, answer = server.predict(v2(), V2)
    label, flat = answer["outputs"]
    assert (status, answer["id"], answer["model_name"]) == (200, "7", "reviews")
    assert answer["model_version"] == "3"
    assert (flat["name"], flat["shape"], flat["datatype"]) == ("probabilities", [4, 2], "FP32")
    np.testing.assert_allclose(flat["data"], probabilities.ravel(), atol=1e-6)
    assert label["datatype"] == "BYTES" and label["data"] == [row["label"] for row in rows["predictions"]]


def test_other_signatures_answer(server, exported):
    ids = {"instances": [[5, 3], [2, 0]], "signature_name": "ids"}
    wanted = exported[0][0].answer(tf.constant(ids["instances"])).numpy()
    np.testing.assert_allclose(server.predict(ids)[1]["predictions"], wanted, atol=1e-6)
    tensor = {"name": "ids", "shape": [2, 2], "datatype": "INT32", "data": [5, 3, 2, 0]}
    answer = server.predict({"inputs": [tensor], "parameters": {"signature_name": "ids"}}, V2)[1]
    np.testing.assert_allclose(answer["outputs"][0]["data"], wanted.ravel(), atol=1e-6)


def test_rest_client_gets_what_the_head_gives(server, exported):
    for url in (f"{server.url}/reviews", f"{server.url}/reviews/versions/1"):
        outputs = client.rest(url, {"text": TEXTS})
        np.testing.assert_allclose(outputs["probabilities"], right(exported[0][0], TEXTS), atol=1e-6)
    with pytest.raises(client.ServerError, match="404: expected a version among 1, 3; received '2'"):
        client.rest(f"{server.url}/reviews/versions/2", {"text": TEXTS})
    with pytest.raises(client.ServerError, match="400: .*expected texts, received 3"):
        client.rest(f"{server.url}/reviews", {"text": [3]})


def test_the_clients_command_prints_a_line_for_every_text(server):
    run = subprocess.run([sys.executable, "export/client.py", f"{server.url}/reviews", "good", "bad"],
                         cwd=ROOT, capture_output=True, text=True)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [set(row) for row in rows] == [{"label", "probabilities"}] * 2, run.stderr


def test_health_metadata_and_metrics_are_there(server):
    server.predict({"instances": ["good"]})
    for path in ("/v2/health/live", "/v2/health/ready", "/v1/models/reviews", "/v2/models/reviews/ready",
                 "/v1/models/reviews/versions/1", "/v2/models/reviews/versions/1/ready"):
        assert server.ask("GET", path)[0] == 200, path
    assert server.ask("GET", "/v1/models")[1] == {"models": ["reviews", "loops"]}
    assert server.ask("GET", "/v2/models/reviews")[1]["inputs"] == \
        [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    metrics = server.ask("GET", "/metrics")[1]
    count = re.search(r'request_predict_seconds_count{model_name="reviews"} (\d+)', metrics)
    assert int(count.group(1)) > 0
    assert 'model_newest_version{model_name="reviews"} 3.0' in metrics
    assert 'model_versions_refused{model_name="reviews"} 0.0' in metrics


NESTED = {"a": "[" * 20_000 + "]" * 20_000, "b": "[" * 900 + "]" * 900}
HOSTILE = [
    (400, V1, b""), (400, V1, b"\xff\xfe"), (400, V1, "nonsense"), (400, V1, "[]"), (400, V1, "null"),
    (400, V1, "{}"), (400, V1, {"instances": [3]}), (400, V1, {"instances": []}),
    (400, V1, {"instances": ["a"], "signature_name": "x"}), (400, V1, '{"instances": ["\\ud800"]}'),
    (400, V1, {"instances": ["a" * 100_000]}), (400, V1, {"instances": ["a"] * 33_000}),
    (413, V1, {"instances": ["a" * 1_000_000]}), (413, V2, {"inputs": ["a" * 5_000_000]}),
    (400, V1, NESTED["a"]), (400, V1, f'{{"instances": {NESTED["a"]}}}'),
    (400, V1, f'{{"instances": {NESTED["b"]}}}'), (400, V1, '{"instances": [NaN]}'),
    (400, V1, {"inputs": {"ids": [[2 ** 31 - 1]]}, "signature_name": "ids"}),
    (400, V1, {"inputs": {"ids": [[1], [1, 2]]}, "signature_name": "ids"}),
    (404, "/v1/models/reviews/versions/2:predict", {"instances": ["a"]}),
    (404, "/v1/models/reviews/versions/x%00:predict", {"instances": ["a"]}),
    (404, "/v1/models/other:predict", {"instances": ["a"]}), (404, "/v1/models/reviews:explain", {}),
    (404, "/v2/models/other/infer", v2()), (404, "/v2/models/reviews/versions/9/infer", v2()),
    (404, "/v2/repository/models/reviews/unload", b""), (404, "/v2/repository/models/reviews/load", b""),
    (404, "/nowhere", b""), (405, "/v1/models", b""),
    (400, V2, b""), (400, V2, b"\xff"), (400, V2, "nonsense"), (400, V2, "[]"), (400, V2, '"a"'),
    (400, V2, {}), (400, V2, {"inputs": []}), (400, V2, {"inputs": [{}]}), (400, V2, v2(shape=[9])),
    (400, V2, v2(shape=["x"])), (400, V2, v2(datatype="FP32")), (400, V2, v2(datatype="FP16")),
    (400, V2, v2(data=[1])), (400, V2, v2(name="x")), (400, V2, v2(parameters={"signature_name": 1})),
    (400, V2, {**v2(), "outputs": [{"name": "x"}]}), (400, V2, NESTED["a"]),
    (400, V2, f'{{"inputs": {NESTED["b"]}}}')]


@pytest.mark.parametrize("wanted, path, body", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_wrong_with_a_request_is_one_clear_line(server, wanted, path, body):
    status, answer = server.predict(body, path)
    assert status == wanted
    assert list(answer) == ["error"] and 10 < len(answer["error"]) < 500 and "\n" not in answer["error"]


def test_headers_change_nothing(server):
    body = json.dumps({"instances": ["good"]})
    for headers in ({"Content-Type": "application/cloudevents+json"}, {"Content-Type": "text/xml"},
                    {"ce-specversion": "x", "ce-id": ""}):
        assert server.ask("POST", V1, body, headers)[0] == 200
    for headers in ({"inference-header-content-length": "5"}, {"Content-Type": "text/plain"}):
        assert server.ask("POST", V2, json.dumps(v2()), headers)[0] == 200


def gate(app, parts, seconds=0.2, most=100):
    """Status, and the line of what is wrong, of a body in parts; the last part None never comes."""
    from export.serving import server as serve
    left, sent = list(parts), []

    async def receive():
        part = left.pop(0)
        if part is None:
            await asyncio.sleep(1e6)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message):
        sent.append(message)
    scope = {"type": "http", "method": "POST", "path": V1, "headers": []}
    asyncio.run(serve.Gate(app, most, seconds)(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"]), left


async def echo(scope, receive, send):
    from starlette.responses import JSONResponse
    await JSONResponse((await receive())["body"].decode())(scope, receive, send)


async def endless(scope, receive, send):
    await asyncio.sleep(1e6)


def test_limits_of_time_and_size_hold():
    assert gate(echo, [b"a" * 60, b"b" * 40]) == (200, "a" * 60 + "b" * 40, [])
    status, body, left = gate(echo, [b"a" * 60, b"b" * 41, b"c" * 1000])
    assert (status, left) == (413, [])
    assert body["error"].startswith("expected at most 100 bytes, received 1,101")
    status, body, _ = gate(echo, [b"a", None])
    assert status == 408 and "expected the whole request within 0.2 s, received a part" in body["error"]
    status, body, _ = gate(endless, [b"a"])
    assert status == 504 and body["error"].startswith("expected an answer within 0.2 s")


def test_an_answer_that_tensorflow_stopped_is_the_same_504():
    from export.serving import server as serve
    request = types.SimpleNamespace(app=types.SimpleNamespace(state=types.SimpleNamespace(seconds=5)))
    answer = asyncio.run(serve.refused(request, tf.errors.DeadlineExceededError(None, None, "a\nb")))
    assert answer.status_code == 504 and b"expected an answer within 5 s" in answer.body


def test_versions_change_under_load_without_a_failed_request(server, exported):
    """Version 4 comes, is replaced by a tampered one, and goes: every answer is one of the two heads'."""
    known = [right(head, TEXTS[:1])[0] for head in exported[0]]
    seen, changing = [], True

    def load():
        while changing:
            status, answer = server.predict({"instances": TEXTS[:1]})
            assert status == 200, answer
            row = answer["predictions"][0]["probabilities"]
            seen.append([np.allclose(row, each, atol=1e-6) for each in known].index(True))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(load) for _ in range(4)]
        try:
            _change_versions(server, exported[1][1])
        finally:
            changing = False
        for each in clients:
            each.result()
    assert set(seen) == {0, 1}
    assert server.predict({"instances": ["a"]}, "/v1/models/reviews/versions/4:predict")[0] == 404


def _change_versions(server, folder):
    aside = server.folder.parent / "aside"
    shutil.copytree(folder, aside)
    os.rename(aside, server.folder / "4")
    server.wait_for("reviews 4: live")
    path = server.folder / "4" / "variables" / "variables.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-5])
    server.wait_for("reviews 4: refused, the one before keeps serving: expected the files of SHA256SUMS")
    assert 'model_versions_refused{model_name="reviews"} 1.0' in server.ask("GET", "/metrics")[1]
    assert server.predict({"instances": ["a"]}, "/v1/models/reviews/versions/4:predict")[0] == 200
    shutil.rmtree(server.folder / "4")
    server.wait_for("reviews 4: gone")


def test_it_stops_once_open_requests_have_ended(server):
    """Last of those that ask the server: it ends."""
    path, seconds = "/v1/models/loops:predict", []
    for _ in range(2):
        start = time.monotonic()
        assert server.predict({"instances": [20_000]}, path)[0] == 200
        seconds.append(time.monotonic() - start)
    count = int(20_000 * 1.5 / min(seconds))  # about 1.5 seconds
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        open_request = pool.submit(server.predict, {"instances": [count]}, path)
        time.sleep(0.3)
        assert not open_request.done() and server.stop() == 0
        assert open_request.result() == (200, {"predictions": [count]})
    with pytest.raises(OSError):
        server.predict({"instances": ["good"]})
    log = server.log.read_text()
    assert log.endswith("stopped\n") and "Traceback" not in log


def test_what_cannot_be_served_is_one_clear_line(tmp_path):
    run = subprocess.run([sys.executable, "-m", "export.serve", str(tmp_path / "absent")], cwd=ROOT,
                         capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith("error: expected a run, or a folder")


def test_two_models_of_one_name_are_refused(tmp_path):
    from export.serving import server as serve
    loops(tmp_path / "a" / "m")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ValueError, match="expected folders of different names, received m, m"):
        serve.main([str(tmp_path / "a" / "m"), str(tmp_path / "b" / "m")])
