"""What is shipped for clusters and containers names what the export writes, in fields that exist."""
import http.server
import pathlib
import re
import string
import subprocess
import threading

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from export import tf_serving, verify
from export.serving import client

yaml = pytest.importorskip("yaml")
DEPLOY = pathlib.Path(client.__file__).with_name("deploy")


def read(name, **variables):
    text = re.sub(r"\$\{(\w+):[-?][^}]*\}", r"${\1}", (DEPLOY / name).read_text())
    return yaml.safe_load(string.Template(text).safe_substitute(variables))


def flags(arguments):
    return dict(argument.removeprefix("--").split("=") for argument in arguments)


@pytest.fixture
def files(tmp_path):
    """The configuration that an export of the run "reviews" writes."""
    tf_serving.write_configuration(tmp_path, "reviews")
    return {path.name for path in tmp_path.iterdir()}


def check_fields(kind, given, where=""):
    """Every field of `given` is one of KServe's or Kubernetes' own models, down to the last."""
    import kserve
    import kubernetes.client
    names = {json: name for name, json in kind.attribute_map.items()}
    for field, value in given.items():
        assert field in names, f"{where}.{field}"
        inner = re.sub(r"^list\[(.*)\]$", r"\1", kind.openapi_types[names[field]])
        inner = getattr(kserve, inner, None) or getattr(kubernetes.client, inner, None)
        for each in value if isinstance(value, list) else [value]:
            if hasattr(inner, "openapi_types") and isinstance(each, dict):
                check_fields(inner, each, f"{where}.{field}")


def test_inference_service_has_fields_that_kserve_knows():
    kserve = pytest.importorskip("kserve")
    service = read("inference_service.yaml")
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    check_fields(kserve.V1beta1InferenceService, service)
    with pytest.raises(AssertionError, match=".spec.predictor.model.storageUrl"):
        service["spec"]["predictor"]["model"]["storageUrl"] = "x"
        check_fields(kserve.V1beta1InferenceService, service)


def test_inference_service_names_files_that_the_export_writes(files):
    model = read("inference_service.yaml")["spec"]["predictor"]["model"]
    given = flags(model["args"])
    assert given["enable_batching"] == "true" and model["storageUri"].endswith("/saved_model")
    for flag in ("batching_parameters_file", "monitoring_config_file"):
        folder, _, file = given[flag].rpartition("/")
        assert folder == "/mnt/models" and file in files
    # KServe's runtime gives these itself, and appends what it is given
    assert not {"model_name", "port", "rest_api_port", "model_base_path"} & set(given)


def test_compose_mounts_versions_where_their_configuration_looks_for_them(files, tmp_path):
    service = read("compose.yaml", MODEL="reviews", RUN="/runs/reviews")["services"]["serving"]
    source, target, mode = service["volumes"][0].split(":")
    assert (source, mode) == ("/runs/reviews/saved_model", "ro")
    config = text_format.Parse((tmp_path / "models.config").read_text(),
                               model_server_config_pb2.ModelServerConfig())
    model, = config.model_config_list.config
    assert model.base_path == target and model.name == "reviews"
    given = flags(service["command"])
    for flag in ("model_config_file", "monitoring_config_file", "batching_parameters_file"):
        folder, _, file = given[flag].rpartition("/")
        assert folder == target and file in files
    assert given["enable_batching"] == "true"


def test_metrics_are_scraped_where_the_export_puts_them(tmp_path):
    tf_serving.write_configuration(tmp_path, "reviews")
    service = read("inference_service.yaml")
    path = service["metadata"]["annotations"]["prometheus.kserve.io/path"]
    assert f'path: "{path}"' in (tmp_path / "monitoring.config").read_text()
    assert service["spec"]["predictor"]["model"]["readinessProbe"]["httpGet"]["path"].endswith(
        service["metadata"]["name"])


def test_both_have_one_time_limit():
    service = read("inference_service.yaml")["spec"]["predictor"]
    assert flags(service["model"]["args"])["rest_api_timeout_in_ms"] == f"{service['timeout']}000"
    compose = read("compose.yaml", MODEL="m", RUN="r")["services"]["serving"]
    assert flags(compose["command"])["rest_api_timeout_in_ms"] == f"{service['timeout']}000"


# Of the Compose specification, as far as it is used here.
COMPOSE = {"image", "restart", "stop_grace_period", "ports", "volumes", "command", "healthcheck",
           "read_only", "tmpfs", "cap_drop", "security_opt", "mem_limit"}


def test_compose_gives_away_nothing_that_the_server_needs_not():
    service = read("compose.yaml", MODEL="reviews", RUN="r")["services"]["serving"]
    assert set(service) <= COMPOSE
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"] and service["mem_limit"] == "2g"


def test_the_health_check_asks_for_the_model_by_http(tmp_path):
    """The very command, against a server that answers as TF Serving documents, or with nothing."""
    for body, healthy in ((b'{"state": "AVAILABLE"}', True), (b'{"error": "Servable not found"}', False)):
        asked = []

        class Plain(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        with http.server.HTTPServer(("127.0.0.1", 0), Plain) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            service = read("compose.yaml", MODEL="reviews", RUN="r")["services"]["serving"]
            kind, *command = service["healthcheck"]["test"]
            command = [part.replace("8501", str(server.server_port)) for part in command]
            assert kind == "CMD" and (subprocess.run(command, timeout=60).returncode == 0) == healthy
        assert asked == ["/v1/models/reviews"]


def test_compose_is_reached_from_this_machine_alone():
    ports = read("compose.yaml", MODEL="m", RUN="r")["services"]["serving"]["ports"]
    assert sorted(ports) == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]


def test_both_take_the_oldest_server_that_exports_are_verified_for():
    image = read("compose.yaml", MODEL="m", RUN="r")["services"]["serving"]["image"]
    version = read("inference_service.yaml")["spec"]["predictor"]["model"]["runtimeVersion"]
    assert image == f"tensorflow/serving:{version}" and version == f"{verify.SERVER}.0"
