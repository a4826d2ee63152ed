"""TF Serving's gRPC services, asked by its own stubs and by our client."""
import asyncio
import sys
import threading
import time
import types

import numpy as np
import pytest
import tensorflow as tf

from export.serving import client
from servers import free_port, reviews

grpc = pytest.importorskip("grpc")
pytest.importorskip("kserve", reason="no KServe: pip install 'recurrent-zoo[serve]'")
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2, get_model_status_pb2, model_service_pb2_grpc, predict_pb2,
    prediction_service_pb2_grpc)

TEXTS = ["good film", "", "好 bad"]


def start(service, most_bytes):
    """Serve in an event loop of a thread; the address."""
    from export.serving import rpc
    address, started = f"127.0.0.1:{free_port()}", threading.Event()

    async def serve():
        service.start()
        server = rpc.server(service, address, most_bytes)
        await server.start()
        started.set()
        await server.wait_for_termination()
    threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
    assert started.wait(60)
    return address


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A head, the versions that were written of it, and the address that answers."""
    head, service = reviews(tmp_path_factory, 2)
    return head, service.models["reviews"], start(service, 100_000), service


def stub(served, kind=prediction_service_pb2_grpc.PredictionServiceStub):
    return kind(grpc.insecure_channel(served[2]))


def request(text=TEXTS, name="reviews", signature="", **spec):
    found = predict_pb2.PredictRequest()
    found.model_spec.name, found.model_spec.signature_name = name, signature
    if "version" in spec:
        found.model_spec.version.value = spec["version"]
    if "label" in spec:
        found.model_spec.version_label = spec["label"]
    found.inputs["text"].CopyFrom(tf.make_tensor_proto(text))
    return found


def test_predict_gives_what_the_head_gives(served):
    wanted = served[0].signatures()["serving_default"](tf.constant(TEXTS))
    for spec in ({}, {"version": 1}, {"label": "stable"}):
        answer = stub(served).Predict(request(**spec), 60)
        np.testing.assert_allclose(tf.make_ndarray(answer.outputs["probabilities"]),
                                   wanted["probabilities"], atol=1e-6)
        assert tf.make_ndarray(answer.outputs["label"]).tolist() == wanted["label"].numpy().tolist()
        spec_ = answer.model_spec
        assert (spec_.name, spec_.signature_name) == ("reviews", "serving_default")
        assert spec_.version.value == (1 if spec == {"version": 1} else 2)
    only = request()
    only.output_filter.append("label")
    assert set(stub(served).Predict(only, 60).outputs) == {"label"}


def test_our_client_needs_no_change(served):
    got = client.grpc_predict(served[2], "reviews", {"ids": [[3, 2], [4, 0]]}, "ids")
    np.testing.assert_allclose(got["probabilities"], served[0].answer(tf.constant([[3, 2], [4, 0]])),
                               atol=1e-6)


def test_our_client_finds_the_only_input_and_says_in_one_line_what_is_wrong(served, monkeypatch, capsys):
    got, wanted = (client.grpc_predict(served[2], "reviews", one) for one in (TEXTS, {"text": TEXTS}))
    np.testing.assert_array_equal(got["probabilities"], wanted["probabilities"])
    with pytest.raises(client.ServerError, match="expected a signature among .*, received 'typo'"):
        client.grpc_predict(served[2], "reviews", TEXTS, "typo")
    monkeypatch.setattr(sys, "argv", ["client", f"grpc://{served[2]}/reviews", "good film"])
    client.main()
    assert '"label"' in capsys.readouterr().out
    for place, said in ((f"{served[2]}/absent", "NOT_FOUND: "), ("127.0.0.1:1/reviews", "UNAVAILABLE: ")):
        monkeypatch.setattr(sys, "argv", ["client", f"grpc://{place}", "good film"])
        with pytest.raises(client.ServerError, match=said):
            client.main()


def test_a_call_that_its_client_cancels_is_dropped(served, monkeypatch):
    jobs, service = [], served[3]
    monkeypatch.setitem(service._queues, "reviews", types.SimpleNamespace(put=jobs.append))

    async def cancelled():
        number, version = service.version("reviews")
        call = asyncio.create_task(service.answer(
            "reviews", version, "serving_default", {"text": np.array(["good"], object)}, dict,
            time.monotonic() + 60))
        while not jobs:
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait([call])
    asyncio.run(cancelled())
    assert jobs[0].is_dropped


def test_metadata_and_status_are_those_of_the_versions(served):
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "reviews"
    answer = stub(served).GetModelMetadata(asked, 60)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    assert dict(found.signature_def) == served[1].live[2].signatures
    assert answer.model_spec.version.value == 2
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "reviews"
    status = stub(served, model_service_pb2_grpc.ModelServiceStub).GetModelStatus(asked, 60)
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert [(one.version, one.state) for one in status.model_version_status] == \
        [(2, available), (1, available)]


def huge():
    found = request()
    found.inputs["text"].tensor_shape.dim[0].size = 2 ** 40
    return found


@pytest.mark.parametrize("code, asked", [
    ("NOT_FOUND", request(name="other")), ("NOT_FOUND", request(version=9)),
    ("NOT_FOUND", request(label="canary")), ("INVALID_ARGUMENT", request(signature="x")),
    ("INVALID_ARGUMENT", request(text=[[1.0]])), ("INVALID_ARGUMENT", request(text=[["a"]])),
    ("INVALID_ARGUMENT", request(text=["a" * 1001])), ("INVALID_ARGUMENT", huge()),
    ("INVALID_ARGUMENT", predict_pb2.PredictRequest(model_spec=request().model_spec)),
    ("RESOURCE_EXHAUSTED", request(text=["a" * 200_000]))],
    ids=range(10))
def test_what_is_wrong_has_the_code_of_its_kind(served, code, asked):
    with pytest.raises(grpc.RpcError) as caught:
        stub(served).Predict(asked, 60)
    assert caught.value.code().name == code and "\n" not in caught.value.details()


def test_what_is_not_served_is_unimplemented(served):
    from tensorflow_serving.apis import classification_pb2
    with pytest.raises(grpc.RpcError) as caught:
        stub(served).Classify(classification_pb2.ClassificationRequest(), 60)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
