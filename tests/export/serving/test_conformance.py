"""TF Serving's documented REST API and KServe's V2, case by case, asked with plain curl and tritonclient.

docs/serving.md lists each case, and what differs.
"""
import base64
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from heads import Head
from servers import Server, export, write

pytest.importorskip("kserve", reason="no KServe: pip install 'recurrent-zoo[serve]'")
pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not shutil.which("curl"), reason="no curl")]
TEXTS = ["good film", "很好 bad"]


def numbers(folder):
    """A model of the types and names that the documentation gives rules for."""
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "x"),
                                  tf.TensorSpec([None], tf.string, "tag")])
    def serving_default(x, tag):
        return {"quotient": x[:, 0] / x[:, 1], "tag_bytes": tag, "whole": tf.cast(x[:, 0] > 0, tf.int64),
                "truth": x[:, 0] > 0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def half_plus_three(x):
        return {"y": x / 2 + 3}
    export(folder / "00000123", serving_default=serving_default, half_plus_three=half_plus_three)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conformance")
    head = Head(folder)
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(2):
            write(head, folder / "reviews" / "saved_model", ["good film", "not bad a"], patch)
    numbers(folder / "numbers")
    server = Server(folder / "log", folder / "reviews", folder / "numbers")
    server.head = head
    yield server
    server.process.kill()


def curl(server, path, *arguments, parse=True):
    """The status and the body of a request with curl."""
    run = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *arguments,
                          f"http://127.0.0.1:{server.port}{path}"], capture_output=True, text=True)
    body, _, status = run.stdout.rpartition("\n")
    return int(status), json.loads(body) if parse else body


def post(server, path, request):
    body = request if isinstance(request, str) else json.dumps(request)
    return curl(server, path, "-d", body)


def status_of(*versions):
    return {"model_version_status": [
        {"version": str(version), "state": "AVAILABLE",
         "status": {"error_code": "OK", "error_message": ""}} for version in versions]}


@pytest.mark.parametrize("path, versions", [("", [2, 1]), ("/versions/1", [1]), ("/labels/stable", [2])])
def test_model_status(server, path, versions):
    assert curl(server, f"/v1/models/reviews{path}") == (200, status_of(*versions))


@pytest.mark.parametrize("path, version", [("", "2"), ("/versions/1", "1"), ("/labels/stable", "2")])
def test_model_metadata(server, path, version):
    status, found = curl(server, f"/v1/models/reviews{path}/metadata")
    assert status == 200
    assert found["model_spec"] == {"name": "reviews", "signature_name": "", "version": version}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
    assert signature["inputs"]["text"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    assert signature["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize("path", ["", "/versions/1", "/labels/stable"])
@pytest.mark.parametrize("form, key", [("instances", "predictions"), ("inputs", "outputs")])
def test_predict_in_rows_and_in_columns(server, path, form, key):
    right = server.head.signatures()["serving_default"](tf.constant(TEXTS))["probabilities"].numpy()
    for values in (TEXTS, [{"text": text} for text in TEXTS] if form == "instances" else {"text": TEXTS}):
        status, found = post(server, f"/v1/models/reviews{path}:predict", {form: values})
        rows = found[key] if form == "instances" else [
            dict(zip(found[key], row)) for row in zip(*found[key].values())]
        assert status == 200 and set(rows[0]) == {"label", "probabilities"}
        np.testing.assert_allclose([row["probabilities"] for row in rows], right, atol=1e-6)


def test_a_single_named_output_goes_without_its_name(server):
    for form, key in (("instances", "predictions"), ("inputs", "outputs")):
        request = {"signature_name": "half_plus_three", form: [1.0, 2.0, 5.0]}
        assert post(server, "/v1/models/numbers:predict", request) == (200, {key: [3.5, 4.0, 5.5]})


def test_a_version_folder_may_have_leading_zeros(server):
    assert curl(server, "/v1/models/numbers") == (200, status_of(123))


def test_binary_values_infinity_and_nan(server):
    data = base64.b64encode(b"\xff\x00").decode()
    rows = [{"x": [1.0, 0.0], "tag": {"b64": data}}, {"x": [0.0, 0.0], "tag": "a"},
            {"x": [-1.0, 0.0], "tag": "a"}]
    status, body = curl(server, "/v1/models/numbers:predict", "-d", json.dumps({"instances": rows}),
                        parse=False)
    found = json.loads(body)["predictions"]
    assert status == 200 and "Infinity" in body and "-Infinity" in body and "NaN" in body
    assert [row["tag_bytes"] for row in found] == [{"b64": data}, {"b64": "YQ=="}, {"b64": "YQ=="}]
    assert [(row["whole"], row["truth"]) for row in found] == [(1, True), (0, False), (0, False)]
    status, body = curl(server, "/v1/models/numbers:predict", "-d",
                        '{"signature_name": "half_plus_three", "inputs": [NaN, Infinity]}', parse=False)
    assert status == 200 and "NaN" in body and "Infinity" in body


def test_what_is_wrong_is_an_error_in_json(server):
    for expected, path, request in (
            (400, "reviews:predict", "nonsense"), (400, "reviews:predict", {"instances": []}),
            (400, "reviews:predict", {"instances": ["a"], "inputs": ["a"]}), (400, "reviews:predict", {}),
            (400, "reviews:predict", {"instances": ["a"], "signature_name": 3}),
            (400, "numbers:predict", {"instances": [[1.0, 2.0]]}),  # several inputs need their names
            (404, "none:predict", {"instances": ["a"]}), (405, "reviews:classify", {"examples": [{}]}),
            (404, "reviews/versions/9:predict", {"instances": ["a"]}),
            (404, "reviews/labels/canary:predict", {"instances": ["a"]})):
        status, found = post(server, f"/v1/models/{path}", request)
        assert status == expected and list(found) == ["error"], path
    assert curl(server, "/v1/models/none")[0] == 404


def test_metrics_are_at_both_paths(server):
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        status, body = curl(server, path, parse=False)
        assert status == 200 and "# TYPE requests_total counter" in body


def test_v2_names_its_versions_and_extensions(server):
    assert curl(server, "/v2")[1]["extensions"] == ["binary_tensor_data"]
    found = curl(server, "/v2/models/reviews")[1]
    assert found["versions"] == ["1", "2"] and found["platform"] == "tensorflow_savedmodel"
    assert found["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    ready = {"name": "reviews", "ready": True}
    assert curl(server, "/v2/models/reviews/versions/1/ready") == (200, ready)
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert curl(server, path, "-I", parse=False)[0] == 200


TRITON = """
import sys
import numpy as np
import tritonclient.http as http
client = http.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("reviews", "1")
text = http.InferInput("text", [2], "BYTES")
text.set_data_from_numpy(np.array([each.encode() for each in sys.argv[2:]], object))
packed = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"}
plain = [http.InferRequestedOutput(name, binary_data=False) for name in ("label", "probabilities")]
for options in ({}, packed, {"outputs": plain}, {"model_version": "1"}):
    found = client.infer("reviews", [text], **options)
    print(*found.as_numpy("probabilities").ravel().tolist())
try:
    client.infer("reviews", [text], model_version="9")
except http.InferenceServerException as error:
    print(error.message())
"""


def test_tritonclient_is_answered_by_its_defaults_and_packed(server):
    """In a process of its own: it brings gevent."""
    command = [sys.executable, "-c", TRITON, f"127.0.0.1:{server.port}", *TEXTS]
    run = subprocess.run(command, capture_output=True, text=True)
    if "No module named" in run.stderr:
        pytest.skip("no tritonclient: pip install 'tritonclient[http]'")
    *rows, refused = run.stdout.splitlines()
    right = server.head.signatures()["serving_default"](tf.constant(TEXTS))["probabilities"].numpy()
    for row in rows:
        np.testing.assert_allclose(list(map(float, row.split())), right.ravel(), atol=1e-6)
    assert len(rows) == 4 and "expected a version among 1, 2" in refused, run.stderr
