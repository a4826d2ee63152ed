"""The routes over HTTP, in this process; sockets, limits of time and versions under load: test_serve."""
import gzip
import json
import types

import numpy as np
import pytest
import tensorflow as tf

from servers import reviews

pytest.importorskip("kserve", reason="no KServe: pip install 'recurrent-zoo[serve]'")
testclient = pytest.importorskip("starlette.testclient", reason="no httpx")

TEXTS = ["good film", "", "好 bad"]
V1, V2 = "/v1/models/reviews", "/v2/models/reviews"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A head, and a client of the application that serves what was written of it."""
    from starlette.applications import Starlette

    from export.serving.application import Endpoints
    head, service = reviews(tmp_path_factory)
    plane = types.SimpleNamespace(metadata=lambda: {"name": "kserve", "extensions": ["another"]})

    async def start():
        service.start()
    with testclient.TestClient(Endpoints(service, 4096, 60, Starlette(), plane),
                               raise_server_exceptions=False) as client:
        client.portal.call(start)
        yield head, client


@pytest.fixture
def client(served):
    return served[1]


@pytest.fixture
def wanted(served):
    return served[0].signatures()["serving_default"](tf.constant(TEXTS))["probabilities"].numpy()


def tensor(texts=TEXTS):
    return {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}


@pytest.mark.parametrize("way", ["", "/versions/1", "/labels/stable"])
def test_v1_gives_what_the_head_gives(client, wanted, way):
    answer = client.post(f"{V1}{way}:predict", json={"instances": TEXTS})
    assert answer.status_code == 200
    np.testing.assert_allclose([row["probabilities"] for row in answer.json()["predictions"]], wanted,
                               atol=1e-6)


@pytest.mark.parametrize("way", ["", "/versions/1"])
def test_v2_gives_what_the_head_gives(client, wanted, way):
    answer = client.post(f"{V2}{way}/infer", json={"id": "7", "inputs": [tensor()]}).json()
    found = {one["name"]: one["data"] for one in answer["outputs"]}
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", "reviews", "1")
    np.testing.assert_allclose(np.reshape(found["probabilities"], wanted.shape), wanted, atol=1e-6)


def test_v2_answers_in_bytes_after_the_json_if_it_is_asked_for_them(client, wanted):
    request = {"inputs": [tensor()], "outputs": [{"name": "probabilities",
                                                 "parameters": {"binary_data": True}}]}
    answer = client.post(f"{V2}/infer", json=request)
    size = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.content[:size])["outputs"][0]["shape"] == list(wanted.shape)
    np.testing.assert_allclose(np.frombuffer(answer.content[size:], "<f4").reshape(wanted.shape), wanted,
                               atol=1e-6)


def test_a_body_and_an_answer_may_be_packed(client):
    plain = json.dumps({"instances": TEXTS * 20}).encode()
    answer = client.post(f"{V1}:predict", content=gzip.compress(plain),
                         headers={"content-encoding": "gzip", "accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and len(answer.json()["predictions"]) == 60


@pytest.mark.parametrize("accepts, packed", [
    ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.0, br", False), ("identity", False)])
def test_an_answer_is_packed_where_the_client_takes_it(client, accepts, packed):
    answer = client.post(f"{V1}:predict", json={"instances": TEXTS * 20},
                         headers={"accept-encoding": accepts})
    assert (answer.headers.get("content-encoding") == "gzip") == packed


@pytest.mark.parametrize("path, found", [
    (V1, {"state": "AVAILABLE"}), (f"{V1}/metadata", {"signature_name": ""}),
    (f"{V2}/ready", {"name": "reviews", "ready": True}), (V2, {"versions": ["1"]}),
    ("/v2", {"extensions": ["binary_tensor_data"]})])
def test_status_and_metadata_are_there(client, path, found):
    answer = client.get(path)
    body = answer.json()
    status = {**body, **(body.get("model_version_status") or [{}])[0], **body.get("model_spec", {})}
    assert answer.status_code == 200 and {name: status[name] for name in found} == found


@pytest.mark.parametrize("method, path, body, status, line", [
    ("POST", f"{V1}:predict", b"{", 400, "expected"),
    ("POST", f"{V1}:predict", b'{"instances": [3]}', 400, "expected texts, received 3"),
    ("POST", "/v1/models/other:predict", b"{}", 404, "expected a model among reviews; received 'other'"),
    ("POST", f"{V1}/versions/2:predict", b"{}", 404, "expected a version among 1; received '2'"),
    ("POST", f"{V1}/labels/beta:predict", b"{}", 404, "expected the label stable"),
    ("POST", f"{V1}:predict", b" " * 5000, 413, "expected at most 4,096 bytes, received 5,000"),
    ("POST", V1, b"{}", 405, "received POST"), ("GET", "/v3", b"", 404, "POST /v1/models/NAME:predict")])
def test_what_is_wrong_is_one_line(client, method, path, body, status, line):
    answer = client.request(method, path, content=body)
    error = answer.json()["error"]
    assert answer.status_code == status and line in error and "\n" not in error


def test_another_coding_of_a_body_is_refused(client):
    answer = client.post(f"{V1}:predict", content=b"{}", headers={"content-encoding": "br"})
    assert answer.status_code == 415 and "received 'br'" in answer.json()["error"]
