"""The server: right answers, one clear line for what is wrong, and versions that change under load."""
import concurrent.futures
import gzip
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

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from export.serving import client
from heads import Head
from servers import Server, export, loops, write

pytest.importorskip("kserve", reason="no KServe: pip install 'recurrent-zoo[serve]'")
pytestmark = pytest.mark.slow


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
            write(head, work / "saved_model", ["good film", "", b"\xff bad"], patch)
        heads.append(head)
        folders.append(work / "saved_model" / "1")
    return heads, folders


@pytest.fixture(scope="module")
def server(exported, tmp_path_factory):
    """Serves "reviews", versions 1 and 3, "loops" and "long"."""
    folder = tmp_path_factory.mktemp("served")
    for number in "13":
        shutil.copytree(exported[1][0], folder / "reviews" / "saved_model" / number)
    loops(folder / "loops")
    long_answers(folder / "long")
    server = Server(folder / "log", folder / "reviews", folder / "loops", folder / "long")
    server.folder = folder / "reviews" / "saved_model"
    yield server
    server.process.kill()


def long_answers(folder):
    """A model whose answer is known to be long, and another signature whose is not."""
    texts = tf.TensorSpec([None], tf.string, "text")

    @tf.function(input_signature=[texts])
    def serving_default(text):
        return {"x": tf.zeros([tf.size(text), 1000])}

    @tf.function(input_signature=[texts])
    def embed(text):
        return {"x": tf.zeros([tf.size(text), 40 * tf.reduce_max(tf.strings.length(text))])}
    export(folder / "1", serving_default=serving_default, embed=embed)


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
    listening = {(each.laddr.ip.removeprefix("::ffff:"), each.laddr.port) for part
                 in [process, *process.children(recursive=True)] for each in part.connections("inet")
                 if each.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", server.port), ("127.0.0.1", server.grpc_port)}


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
    ids = [[5, 3], [2, 0]]      # a signature with one output
    rows = client.readable(client.rest(f"{server.url}/reviews", ids, "ids"))
    np.testing.assert_allclose(rows, exported[0][0].answer(tf.constant(ids)), atol=1e-6)
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
    assert server.ask("GET", "/v1/models")[1] == {"models": ["reviews", "loops", "long"]}
    assert server.ask("GET", "/v2/models/reviews")[1]["inputs"] == \
        [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    metrics = server.ask("GET", "/metrics")[1]
    count = re.search(r'request_predict_seconds_count{model_name="reviews"} (\d+)', metrics)
    assert float(count.group(1)) > 0
    server.predict("nonsense")
    assert 'requests_total{model_name="reviews",status="400"}' in server.ask("GET", "/metrics")[1]
    assert "request_predict_seconds" in server.ask("GET", "/monitoring/prometheus/metrics")[1]
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
    (404, f"/v1/models/reviews/versions/{'9' * 4500}:predict", {"instances": ["a"]}),
    (404, "/v1/models/reviews@1:predict", {"instances": ["a"]}),
    (404, "/v1/models/reviews@:predict", {"instances": ["a"]}),
    (404, "/v1/models/reviews/versions/01:predict", {"instances": ["a"]}),
    (404, "/v1/models/reviews/versions/%D9%A1:predict", {"instances": ["a"]}),
    (400, "/v1/models/long:predict", {"instances": ["a"] * 2000}),
    (400, "/v1/models/long:predict", {"instances": ["a" * 30_000], "signature_name": "embed"}),
    (400, V2, '{"id": "\\ud800", "inputs": []}'), (400, V2, '{"inputs": [{"name": "\\ud800"}]}'),
    (404, "/v1/models/other:predict", {"instances": ["a"]}), (405, "/v1/models/reviews:explain", {}),
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
    assert server.ask("POST", V2, json.dumps(v2()), {"Content-Type": "text/plain"})[0] == 200


def test_methods_of_the_wrong_kind_and_health_by_head(server):
    for path in ("/v2/health/live", "/v2/health/ready", "/v1/models/reviews", "/v2/models/reviews"):
        assert server.ask("HEAD", path) == (200, "")
    assert server.ask("PUT", V1)[0] == 405


def test_a_body_that_does_not_arrive_ends_with_408(tmp_path_factory, server):
    folder = tmp_path_factory.mktemp("hasty")
    loops(folder / "loops")
    hasty = Server(folder / "log", folder / "loops", seconds=1)
    try:
        head = b"POST /v1/models/loops:predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        assert b" 408 " in hasty.send(head + b"content-length: 9\r\n\r\n{")
        status, answer = hasty.predict({"instances": [2 ** 31 - 1]}, "/v1/models/loops:predict")
        assert status == 504 and answer["error"].startswith("expected an answer within 1 s")
    finally:
        hasty.process.kill()


def test_two_lengths_of_a_body_end_the_connection(server):
    body = b'{"instances": ["a"]}'
    answer = server.send(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n"
                         b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
                         % (V1.encode(), len(body), len(body), body))
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1
    assert b"application/json" in answer and b"expected a well-formed request of HTTP" in answer


def test_headers_without_end_are_refused(server):
    answer = server.send(b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 70_000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ") and b"expected a header of at most 65536 bytes" in answer


def test_idle_connections_lock_nobody_out(server):
    """More than there may be, half of them with half a header: those go that have waited longest."""
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    try:
        for each in idle[::2]:
            each.sendall(b"GET /v2/health/live HTTP/1.1\r\nx")
        time.sleep(0.5)
        assert server.ask("GET", "/v2/health/live") == (200, {"live": True})
        assert server.predict({"instances": ["good"]})[0] == 200
    finally:
        for each in idle:
            each.close()


def test_endless_requests_to_one_model_leave_the_others_alone(server):
    """Those that wait longer than the queue are told at once."""
    path, endless = "/v1/models/loops:predict", json.dumps({"instances": [2 ** 31 - 1]})
    clients = []
    for _ in range(100):
        client = http.client.HTTPConnection("127.0.0.1", server.port)
        client.request("POST", path, endless)
        clients.append(client)
    for _ in range(3):
        status, answer = server.predict({"instances": ["good"]})
        assert status == 200
    for client in clients:
        client.close()
    # nobody waits for them any more: but for the two that run, they are gone
    time.sleep(0.5)
    assert server.predict({"instances": ["good"]})[0] == 200


def test_a_body_and_an_answer_may_be_packed(server):
    body = gzip.compress(json.dumps({"instances": TEXTS * 50}).encode())
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", V1, body, {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Content-Encoding"] == "gzip"
    found = json.loads(gzip.decompress(answer.read()))
    assert found == server.predict({"instances": TEXTS * 50})[1]
    bomb = gzip.compress(b" " * 10_000_000)
    for status, sent, coding in ((413, bomb, "gzip"), (400, body[:-9], "gzip"), (400, b"a", "gzip"),
                                 (415, body, "br")):
        assert server.ask("POST", V1, sent, {"Content-Encoding": coding})[0] == status


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
    run = subprocess.run([sys.executable, "-m", "export.serve", str(tmp_path / "absent"), "--port=0",
                          "--grpc_port=0"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith("error: expected a run, or a folder")


def test_a_port_that_is_taken_is_said_before_anything_is_loaded(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for ports in ([f"--port={port}"], ["--port=0", f"--grpc_port={port}"]):
            command = [sys.executable, "-m", "export.serve", str(tmp_path / "absent"), *ports]
            run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert run.returncode == 2 and run.stderr.splitlines()[-1].startswith(
                f"error: expected a free port, 127.0.0.1:{port} is not: ")


def test_a_port_that_there_is_none_of_is_said(monkeypatch):
    from export.serving import server as serve
    with pytest.raises(OSError, match="expected a free port, 127.0.0.1:80800 is not: .*0-65535"):
        serve.bound("127.0.0.1", 80800)


def test_a_full_disk_stops_neither_the_start_nor_the_reload(exported, tmp_path):
    """Nothing can be printed; a hang-up of the terminal ends it as SIGTERM does."""
    shutil.copytree(exported[1][0], tmp_path / "reviews" / "1")
    with open("/dev/full", "w") as full:
        server = Server(tmp_path / "log", tmp_path / "reviews", output=full)
    try:
        shutil.copytree(exported[1][1], tmp_path / "reviews" / "2")
        for _ in range(600):
            if server.predict({"instances": ["a"]}, "/v1/models/reviews/versions/2:predict")[0] == 200:
                break
            time.sleep(0.1)
        assert server.ask("GET", "/v2/models/reviews")[1]["versions"] == ["1", "2"]
        assert server.stop(signal.SIGHUP) == 0
    finally:
        server.process.kill()


def test_two_models_of_one_name_are_refused(tmp_path):
    from export.serving import server as serve
    loops(tmp_path / "a" / "m")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ValueError, match="expected folders of different names, received m, m"):
        serve.main([str(tmp_path / "a" / "m"), str(tmp_path / "b" / "m"), "--port=0", "--grpc_port=0"])
