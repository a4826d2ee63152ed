"""The gRPC client against the stubs' own server; REST is tested with the server, in test_serve.py."""
import concurrent.futures
import http.server
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from export import saved_model, tf_serving
from export.serving import client, versions
from heads import tagger

grpc = pytest.importorskip("grpc")
TEXTS = ["a good film", "", "not 好 bad"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A head, and the address of a server that answers Predict with its SavedModel."""
    from tensorflow_serving.apis import (
        get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc)
    run = tmp_path_factory.mktemp("exported") / "tags"
    head = tagger("lstm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "_verify", lambda *_: {})
        saved_model.write(head, run / "saved_model", TEXTS)
    found = versions.Versions(run, lambda line: None)

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            number = request.model_spec.version.value or found.newest()
            if request.model_spec.name != "tags" or number not in found.live:
                context.abort(grpc.StatusCode.NOT_FOUND, f"no version {number}")
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            outputs = found.live[number].answer(request.model_spec.signature_name, inputs)
            answer = predict_pb2.PredictResponse()
            for name, value in outputs.items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return answer

        def GetModelMetadata(self, request, context):
            answer, known = (get_model_metadata_pb2.GetModelMetadataResponse(),
                             get_model_metadata_pb2.SignatureDefMap())
            for name, signature in found.live[found.newest()].signatures.items():
                known.signature_def[name].CopyFrom(signature)
            answer.metadata["signature_def"].Pack(known)
            return answer
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield head, f"127.0.0.1:{port}", run / "saved_model"
    server.stop(None)


@pytest.mark.slow
def test_grpc_client_gets_what_the_head_gives(served):
    head, address, _ = served
    got = client.grpc_predict(address, "tags", {"text": TEXTS})
    right = head.signatures()["serving_default"](tf.constant(TEXTS))
    assert set(got) == set(right)
    for name, value in right.items():
        if value.dtype == tf.string:
            np.testing.assert_array_equal(got[name], value.numpy())
        else:
            np.testing.assert_allclose(got[name], value, atol=1e-5)


@pytest.mark.slow
def test_lists_are_enough_for_every_signature(served):
    """Whole numbers go as int32, others as float32, states and all."""
    _, address, folder = served
    answer, requests = saved_model.load(folder), tf_serving.warmup(folder / "1")
    assert {"serving_default", "ids", "init", "step"} <= {name for name, _ in requests}
    for name, inputs in requests:
        lists = {key: value.tolist() for key, value in inputs.items()}
        got = client.grpc_predict(address, "tags", lists, name, version=1)
        for key, value in answer[name](**{key: tf.constant(x) for key, x in inputs.items()}).items():
            if value.dtype != tf.string:
                np.testing.assert_allclose(got[key], value, atol=1e-5)


@pytest.mark.slow
def test_what_the_server_refuses_is_raised(served):
    with pytest.raises(grpc.RpcError) as caught:
        client.grpc_predict(served[1], "tags", {"text": TEXTS}, version=9)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.slow
def test_readable_rows_are_as_long_as_their_text(served):
    rows = client.readable(client.grpc_predict(served[1], "tags", {"text": TEXTS}))
    assert [len(row["tags"]) for row in rows] == [3, 0, 3] == [len(row["tokens"]) for row in rows]
    assert rows[2]["tokens"] == ["not", "好", "bad"] and "lengths" not in rows[0]


def run_client(*arguments):
    return subprocess.run([sys.executable, "export/client.py", *arguments], cwd=ROOT, text=True,
                          capture_output=True)


@pytest.mark.slow
def test_the_command_asks_over_grpc(served):
    run = run_client(f"grpc://{served[1]}/tags", "a good film")
    assert '"tokens": ["a", "good", "film"]' in run.stdout and not run.stderr, run.stderr


@pytest.mark.parametrize("arguments", [[], ["http://x/v1/models/m"], ["ftp://x", "text"]])
def test_the_command_says_how_to_use_it(arguments):
    run = run_client(*arguments)
    assert run.returncode == 2 and run.stderr.startswith("error: expected a server and texts")


def test_an_answer_that_is_not_json_is_quoted():
    class Plain(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b"Service Unavailable")

        def log_message(self, *_):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Plain) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(client.ServerError, match="503: Service Unavailable"):
            client.rest(f"http://127.0.0.1:{server.server_port}/v1/models/m", {"text": ["a"]})


def test_help_shows_how_it_is_called():
    ran = subprocess.run([sys.executable, "-m", "export.client", "--help"], cwd=ROOT, text=True,
                         capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, "") and "python -m export.client http://" in ran.stdout
