"""What TF Serving reads beside a SavedModel: requests to warm up with, batching, models, monitoring.

    folder/models.config       --model_config_file        where the model lies in a container
    folder/monitoring.config   --monitoring_config_file   metrics for Prometheus
    folder/batching.config     --batching_parameters_file
    folder/1/batching_params.pbtxt                        the same, --enable_per_model_batching_parameters
    folder/1/assets.extra/tf_serving_warmup_requests      what a version answers before it goes live
    folder/1/assets.extra/limits.json                     what a request may cost, for `export.serve`
"""
import json
import os
import pathlib

import tensorflow as tf

from export import cannot_write

LIMITS = os.path.join("assets.extra", "limits.json")
WARMUP = os.path.join("assets.extra", "tf_serving_warmup_requests")
MOST_WARMUPS = 1000  # TF Serving refuses a file with more

MODELS = """\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 2 }} }}
  }}
}}
"""
MONITORING = """\
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""
# A batch leaves when it is full or its first request has waited this long. TF Serving would pad inputs
# of several lengths with their own first value, which no model here takes for padding: so it must not,
# and answers an error where ids of several lengths meet. Texts have no length, they always batch.
BATCHING = """\
max_batch_size { value: 64 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
pad_variable_length_inputs: false
"""


def write_configuration(folder, name):
    """Write the three configuration files of a model called `name` into `folder`, each in one step."""
    folder = pathlib.Path(folder)
    files = {"models.config": MODELS.format(name=name), "monitoring.config": MONITORING,
             "batching.config": BATCHING}
    for file, text in files.items():
        draft = folder / f".{file}"
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, folder / file)


def complete(model, questions, name, limits=None):
    """Write into the SavedModel folder `model` what its version needs.

    Args:    questions  [(signature, {input: array})] to warm up with
             limits     {signature: {name: number}}, see `export.serving.limits`
    Raises:  ExportError: cannot write
    """
    model = pathlib.Path(model)
    try:
        (model / "assets.extra").mkdir(exist_ok=True)
        (model / "batching_params.pbtxt").write_text(BATCHING, encoding="utf-8")
        (model / LIMITS).write_text(json.dumps(limits or {}) + "\n", encoding="utf-8")
        with tf.io.TFRecordWriter(str(model / WARMUP)) as writer:
            for question in questions[:MOST_WARMUPS]:
                writer.write(_log(name, *question).SerializeToString())
    except (OSError, tf.errors.OpError) as error:
        raise cannot_write(model.parent.parent, error) from None


def _log(name, signature, inputs):
    from tensorflow_serving.apis import prediction_log_pb2
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return log


def warmup(model):
    """[(signature, {input: array})] of the requests in the SavedModel folder `model`, if any."""
    from tensorflow_serving.apis import prediction_log_pb2
    path = os.path.join(model, WARMUP)
    records = tf.data.TFRecordDataset(path) if os.path.exists(path) else []
    requests = [prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
                for record in records]
    return [(request.model_spec.signature_name,
             {key: tf.make_ndarray(value) for key, value in request.inputs.items()})
            for request in requests]


def limits(model):
    """{signature: {name: number}} of the SavedModel folder `model`; see `export.serving.limits`."""
    path = pathlib.Path(model, LIMITS)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def example(signature, inputs, width=200):
    r"""A request as the body of TF Serving's REST API; long ones are cut.

    >>> import numpy as np
    >>> example("serving_default", {"text": np.array([b"not bad"], object)})
    '{"signature_name": "serving_default", "inputs": {"text": ["not bad"]}}'
    """
    listed = {key: readable(value.tolist()) for key, value in sorted(inputs.items())}
    text = json.dumps({"signature_name": signature, "inputs": listed}, ensure_ascii=False)
    return text if len(text) <= width else text[:width - 1] + "…"


def readable(value):
    """Nested lists with texts instead of bytes."""
    if isinstance(value, list):
        return [readable(item) for item in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
