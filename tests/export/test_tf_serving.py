"""The files that TF Serving reads beside a model hold what it expects, in the formats it parses."""
import os

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

import export
from export import ExportError, saved_model, tf_serving
from heads import tagger

EXAMPLES = ["a good film", "", "not 好 bad", b"\xff film"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A head with streams, and the folder of its versions, in a run called "reviews"."""
    run = tmp_path_factory.mktemp("exported") / "reviews"
    head = tagger("lstm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "_verify", lambda *_: {})
        saved_model.write(head, run / "saved_model", EXAMPLES)
    return head, run / "saved_model"


@pytest.mark.slow
def test_every_signature_is_warmed_up_with_one_example_and_with_several(exported):
    head, folder = exported
    path = folder / "1" / "assets.extra" / "tf_serving_warmup_requests"
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy())
            for record in tf.data.TFRecordDataset(str(path))]
    asked = [(log.predict_log.request.model_spec.signature_name,
              {len(tf.make_ndarray(value)) for value in log.predict_log.request.inputs.values()})
             for log in logs]
    for name in head.signatures():
        assert [size for signature, size in asked if signature == name] == [{1}, {4}], name
    assert {log.predict_log.request.model_spec.name for log in logs} == {"reviews"}


def test_warm_up_requests_are_answered_by_the_model_itself(exported):
    head, folder = exported
    answer = saved_model.load(folder)
    requests = tf_serving.warmup(folder / "1")
    assert len(requests) == 2 * len(head.signatures())
    with export.stock_ops():
        right = head.signatures()
    for name, inputs in requests:
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        for key, value in answer[name](**tensors).items():
            wanted = right[name](**tensors)[key].numpy()
            if wanted.dtype.kind == "f":
                np.testing.assert_allclose(value, wanted, atol=1e-6)
            else:
                np.testing.assert_array_equal(value, wanted)


def test_texts_reach_the_warm_up_byte_by_byte(exported):
    texts = [inputs["text"].tolist() for name, inputs in tf_serving.warmup(exported[1] / "1")
             if name == "serving_default"]
    assert texts == [[b"a good film"],
                     [b"a good film", b"", "not 好 bad".encode(), b"\xff film"]]


def test_a_model_without_warm_up_requests_has_none(tmp_path):
    assert tf_serving.warmup(tmp_path) == []


def test_model_configuration_is_what_the_server_parses(exported):
    config = text_format.Parse((exported[1] / "models.config").read_text(),
                               model_server_config_pb2.ModelServerConfig())
    model, = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == \
        ("reviews", "/models/reviews", "tensorflow")
    assert model.model_version_policy.latest.num_versions == 2


def test_batches_are_never_padded_by_the_server(exported):
    """It would fill with the first id of each text, not with 0."""
    for path in (exported[1] / "batching.config", exported[1] / "1" / "batching_params.pbtxt"):
        lines = path.read_text().splitlines()
        assert "pad_variable_length_inputs: false" in lines
        assert "max_batch_size { value: 64 }" in lines
    assert "allowed_batch_sizes" not in path.read_text()  # the graph takes any


def test_metrics_are_for_prometheus(exported):
    text = (exported[1] / "monitoring.config").read_text()
    assert "enable: true" in text and 'path: "/monitoring/prometheus/metrics"' in text
    assert text.count("{") == text.count("}") == 1


def test_more_than_the_server_takes_is_not_written(tmp_path):
    question = "ids", {"ids": np.ones([1, 1], np.int32)}
    tf_serving.complete(tmp_path, [question] * 1001, "model")
    assert len(tf_serving.warmup(tmp_path)) == 1000


def test_a_folder_that_takes_no_files_is_one_clear_line(tmp_path):
    (tmp_path / "assets.extra").write_text("")
    with pytest.raises(ExportError, match="cannot write the export to .*expected a folder"):
        tf_serving.complete(tmp_path, [], "model")


def test_examples_are_cut_and_stay_on_one_line():
    text = tf_serving.example("ids", {"ids": np.ones([1, 300], np.int32)})
    assert len(text) == 200 and text.endswith("…") and text.startswith('{"signature_name": "ids"')
    odd = tf_serving.example("serving_default", {"text": np.array([b"\xff\n|"], object)})
    assert "\n" not in odd and os.linesep not in odd
