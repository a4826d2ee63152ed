"""SavedModels: what is written answers as the head does, or is not written at all."""
import concurrent.futures
import io
import json
import os
import pickle
import subprocess
import sys
import types
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
import export
from export import ExportError, saved_model, verify
from heads import IDS, Head, WordpieceWords, classifier, tagger
from zoo import engines

EXAMPLES = ["good film", "", "not 好 🙂", b"\xff\xfe bad", "a " * 300]
CONFIGURATION = ["batching.config", "models.config", "monitoring.config"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A head, the folder it was exported to, and what `write` said."""
    folder = tmp_path_factory.mktemp("exported")
    head = Head(folder)
    return head, folder / "saved_model", saved_model.write(head, folder / "saved_model", EXAMPLES)


def saved(head, folder, signatures=None):
    """An unverified SavedModel of `head`, and the answers it should give."""
    signatures = signatures or head.signatures()
    saved_model._save(head, signatures, folder)
    return str(folder / "model"), signatures


def test_write_reports_the_first_version_and_leaves_nothing_else(exported):
    _, folder, report = exported
    assert sorted(os.listdir(folder)) == ["1", *CONFIGURATION]
    assert report["version"] == 1 and report["ops_checked"] > 10
    assert 0 < report["milliseconds"] < 1e3 * report["seconds"]
    files = [path for path in (folder / "1").rglob("*") if path.is_file()]
    assert report["bytes"] == sum(path.stat().st_size for path in files)


def test_loaded_signatures_answer_as_the_head_does(exported):
    head, folder, _ = exported
    answer = saved_model.load(folder)
    text = tf.constant(["not good", "bad film a", ""])
    got, ids = answer["serving_default"](text=text), head.ids(text)
    right = head.answer(ids).numpy()
    np.testing.assert_allclose(got["probabilities"], right, atol=1e-6)
    assert [label.decode() for label in got["label"].numpy()] == \
        [head.labels[best] for best in right.argmax(1)]
    np.testing.assert_allclose(answer["ids"](ids=ids)["probabilities"], right, atol=1e-6)
    np.testing.assert_allclose(answer["embed"](text=text)["representation"], head.state(ids),
                               atol=1e-6)


def test_vocabulary_and_labels_are_assets(exported):
    head, folder, _ = exported
    found = {path.name: path.read_text() for path in (folder / "1" / "assets").iterdir()}
    assert found == head.assets()


def test_load_is_silent(exported, capfd):
    saved_model.load(exported[1])
    assert capfd.readouterr() == ("", "")


def test_load_takes_the_newest_version_by_number(exported, tmp_path):
    for version in ("2", "10", ".unfinished-1-x", "9a"):
        (tmp_path / version).mkdir()
    assert saved_model.numbers(tmp_path) == [2, 10]
    with pytest.raises(FileNotFoundError, match="train and export first"):
        saved_model.load(tmp_path / "absent")


def test_describe_names_every_input_and_output(exported):
    assert saved_model.describe(exported[1]) == {
        "embed": {"takes": "text: string [?]", "returns": "representation: float32 [?, 8]",
                  "example": '{"signature_name": "embed", "inputs": {"text": ["good film"]}}'},
        "ids": {"takes": "ids: int32 [?, ?]", "returns": "probabilities: float32 [?, 2]",
                "example": '{"signature_name": "ids", "inputs": {"ids": [[5, 4]]}}'},
        "serving_default": {
            "takes": "text: string [?]", "returns": "label: string [?]; probabilities: float32 [?, 2]",
            "example": '{"signature_name": "serving_default", "inputs": {"text": ["good film"]}}'}}


def test_ops_of_tensorflow_text_pass(tmp_path):
    path, _ = saved(Head(tmp_path, WordpieceWords), tmp_path)
    assert any("Whitespace" in kind for kind in verify.check_ops(path))


@pytest.mark.slow
@pytest.mark.parametrize("cell, pooling", [
    ("lstm", "mean+max"), ("gru", "attention"), ("simple", "last")])
def test_classifier_of_the_zoo_passes_every_check(tmp_path, cell, pooling):
    head = classifier(cell, pooling)
    with export.stock_ops():
        path, signatures = saved(head, tmp_path)
        answers = saved_model.answers_of(head, signatures, EXAMPLES)
    assert set(answers) == {"serving_default", "ids", "embed"}
    assert verify.check(path, answers)["ops_checked"] > 10
    np.testing.assert_allclose(answers["ids"][1]["probabilities"],
                               head.predict_ids(head.text.dense(EXAMPLES))["probabilities"], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name, intents", [
    ("bilstm_char_crf", ()), ("output_rnn", ()), ("crf", ("ask", "tell")), ("lstm", ())])
def test_tagger_of_the_zoo_passes_every_check_streams_included(tmp_path, name, intents):
    head = tagger(name, intents)
    with export.stock_ops():
        path, signatures = saved(head, tmp_path)
        answers = saved_model.answers_of(head, signatures, EXAMPLES)
    assert set(answers) == set(signatures) >= {"serving_default", "tokens", "ids"}
    assert ("embed" in answers) == (name != "crf")
    assert ("step" in answers) == (name in ("output_rnn", "lstm"))
    assert verify.check(path, answers)["ops_checked"] > 10
    answer = answers["serving_default"][1]
    for n, text in enumerate(tf.constant(EXAMPLES).numpy()):
        for token, start, end in zip(*(answer[key][n] for key in ("tokens", "start_byte", "end_byte"))):
            assert text[start:end] == token


@pytest.mark.slow
def test_python_function_is_refused_and_leaves_nothing(tmp_path):
    def python(ids):
        return tf.ensure_shape(tf.py_function(lambda x: x, [ids], tf.int32), [None, None])
    (tmp_path / "text").mkdir()
    head = Head(tmp_path / "text", change=python)
    with pytest.raises(ExportError, match="op EagerPyFunc"):
        saved_model.write(head, tmp_path / "saved_model", EXAMPLES)
    assert os.listdir(tmp_path / "saved_model") == []


def test_function_that_xla_must_compile_is_refused(tmp_path):
    head = Head(tmp_path, change=tf.function(lambda ids: ids + 0, jit_compile=True))
    with pytest.raises(ValueError, match="must be compiled by XLA"):
        verify.check_ops(saved(head, tmp_path)[0])


def test_cudnn_op_is_refused(tmp_path):
    head = Head(tmp_path)

    @tf.function(autograph=False, input_signature=[IDS])
    def ids(ids):
        x = tf.gather(head.weights["E"].value, ids)
        h = tf.zeros([1, tf.shape(x)[1], 8])
        y = tf.raw_ops.CudnnRNNV3(input=x, input_h=h, input_c=h, params=tf.zeros([1000]),
                                  sequence_lengths=tf.shape(x)[:1])
        return {"probabilities": y.output}
    with pytest.raises(ValueError, match="op CudnnRNNV3"):
        verify.check_ops(saved(head, tmp_path, {"ids": ids})[0])


@pytest.mark.parametrize("attribute, value, message", [
    ("op", "ZooLstmStep", "ZooLstmStep belongs neither to TensorFlow nor to tensorflow-text"),
    ("device", "/device:GPU:0", "Tanh.* is placed on /device:GPU:0")])
def test_foreign_op_or_device_is_refused_by_name(exported, tmp_path, attribute, value, message):
    from tensorflow.core.protobuf import saved_model_pb2
    graph = saved_model_pb2.SavedModel.FromString(
        (exported[1] / "1" / "saved_model.pb").read_bytes())
    nodes = [node for function in graph.meta_graphs[0].graph_def.library.function
             for node in function.node_def if node.op == "Tanh"]
    setattr(nodes[0], attribute, value)
    (tmp_path / "saved_model.pb").write_bytes(graph.SerializeToString())
    with pytest.raises(ValueError, match=message):
        verify.check_ops(tmp_path)


def test_answers_that_differ_are_refused_by_name(tmp_path):
    head = Head(tmp_path)
    path, signatures = saved(head, tmp_path)
    answers = saved_model.answers_of(head, signatures, EXAMPLES)
    assert set(answers) == {"serving_default", "ids", "embed"}
    off = np.zeros_like(answers["embed"][1]["representation"])
    off[2, 3] = 1e-4
    answers["embed"][1]["representation"] = answers["embed"][1]["representation"] + off
    with pytest.raises(ValueError, match="embed in Python: representation differs .* 1.0e-04"):
        verify.check(path, answers)


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    head = Head(tmp_path)
    head.weights["U"].assign(np.full((8, 8), np.nan))
    path, signatures = saved(head, tmp_path)
    with pytest.raises(ValueError, match="differs from the head's by nan"):
        verify.check(path, saved_model.answers_of(head, signatures, EXAMPLES))


def test_keras_layer_on_board_is_refused_because_a_session_finds_no_variable(tmp_path):
    """The trap that plain variables avoid: Python's loader alone would have let it pass."""
    head = Head(tmp_path)
    layer = keras.layers.Dense(2)
    layer.build([None, 8])

    @tf.function(autograph=False, input_signature=[IDS])
    def ids(ids):
        return {"logits": layer(head.state(ids))}
    module = tf.Module()
    module.weights, module.layer = export.plain_variables(head), layer
    tf.saved_model.save(module, str(tmp_path / "model"), {"ids": ids})
    answers = saved_model.answers_of(head, {"ids": ids}, EXAMPLES)
    with pytest.raises(Exception, match="Could not find variable"):
        verify.check(str(tmp_path / "model"), answers)


def test_untracked_variable_is_one_clear_line(tmp_path):
    head = Head(tmp_path)
    forgotten = tf.Variable(1.)

    @tf.function(autograph=False, input_signature=[IDS])
    def ids(ids):
        return {"probabilities": head.answer(ids) * forgotten}
    with pytest.raises(ExportError, match="cannot save the head .*untracked") as error:
        saved(head, tmp_path, {"ids": ids})
    assert "\n" not in str(error.value)


def test_verifying_program_cannot_import_the_project(tmp_path, monkeypatch, capsys):
    question = pickle.dumps(ExportError("unpickling this imports the package export"))
    monkeypatch.setattr(sys, "argv", ["saved_model.py", str(tmp_path)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(question)))
    with mock.patch.dict(sys.modules):
        verify.main()
    assert "import of export halted" in json.loads(capsys.readouterr().out)["refused"]


def test_folder_that_takes_no_files_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write the export to .*expected a folder"):
        saved_model.write(Head(tmp_path), tmp_path / "file", EXAMPLES)


def with_setting(head):
    """Signatures of a head with one more, "scaled", that has a setting."""
    @tf.function(autograph=False, input_signature=[IDS, tf.TensorSpec([], tf.float32, "scale")])
    def scaled(ids, scale=tf.constant(3.)):
        return {"scores": scale * head.answer(ids)}
    return {**head.signatures(), "scaled": scaled}


def test_setting_has_a_default_wherever_it_is_asked(tmp_path):
    head = Head(tmp_path)
    path, signatures = saved(head, tmp_path, with_setting(head))
    os.rename(path, tmp_path / "1")
    verify.check_batch(tmp_path / "1")
    ids, answer = np.array([[3, 5], [2, 0]], np.int32), saved_model.load(tmp_path)["scaled"]
    right = head.answer(ids).numpy()
    np.testing.assert_allclose(answer(ids=tf.constant(ids))["scores"], 3 * right, atol=1e-6)
    np.testing.assert_allclose(answer(ids=tf.constant(ids), scale=tf.constant(.5))["scores"],
                               right / 2, atol=1e-6)
    assert saved_model.describe(tmp_path)["scaled"]["takes"] == \
        "ids: int32 [?, ?]; scale: float32 [] = 3.0"
    for inputs in ({"ids": ids}, {"ids": ids, "scale": np.float32(3)}):
        verify.check(str(tmp_path / "1"), {"scaled": (inputs, {"scores": 3 * right})})


@pytest.mark.parametrize("shape, outputs, name", [
    ([3, None], lambda ids: {"best": ids}, "ids"), ([None], lambda ids: {"best": ids[0]}, "best"),
    ([], lambda ids: {"best": tf.expand_dims(ids, 0)}, "ids")])
def test_signature_without_the_batch_first_is_refused_by_name(tmp_path, shape, outputs, name):
    spec = tf.TensorSpec(shape, tf.int32, "ids")
    alone = tf.function(outputs, input_signature=[spec], autograph=False)
    path, _ = saved(Head(tmp_path), tmp_path, {"alone": alone})
    with pytest.raises(ValueError, match=f"signature alone: expected the batch, .* first axis of {name}"):
        verify.check_batch(path)


def test_answers_stay_right_under_concurrent_requests(exported):
    head, folder, _ = exported
    answer = saved_model.load(folder)["serving_default"]
    texts = ["good", "not good", "bad film a " * 50, "", "好 not"]
    right = [head.answer(head.ids(tf.constant([text]))).numpy() for text in texts]

    def ask(n):
        got = answer(text=tf.constant([texts[n % 5]]))["probabilities"]
        np.testing.assert_allclose(got, right[n % 5], atol=1e-6)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(ask, range(200)))) == 200


def test_no_examples_is_an_error_not_an_unverified_export(tmp_path):
    with pytest.raises(ExportError, match="received 0 examples"):
        saved_model.write(Head(tmp_path), tmp_path / "saved_model", [])
    assert os.listdir(tmp_path / "saved_model") == []


def test_halves_of_characters_may_be_examples(tmp_path):
    head = classifier("gru", "mean")
    found = saved_model.example_inputs(head, head.signatures(), ["a \ud83d", "\udcc3 b"])
    assert found["serving_default"]["text"].tolist() == ["a \ufffd".encode(), "\ufffd b".encode()]


def test_graph_is_traced_for_export(tmp_path, monkeypatch):
    seen = []
    head = Head(tmp_path, change=lambda ids: (seen.append(engines._exporting), ids)[1])
    monkeypatch.setattr(saved_model, "_verify", lambda *_: {})
    saved_model.write(head, tmp_path / "saved_model", EXAMPLES)
    assert seen and all(seen) and not engines._exporting


def test_version_that_another_export_took_is_not_overwritten(tmp_path, monkeypatch):
    for name in ("1", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "of").write_text(name)
    outdated = iter([[], [1]])
    monkeypatch.setattr(saved_model, "numbers", lambda folder: next(outdated))
    assert saved_model._publish(tmp_path / "model", tmp_path) == tmp_path / "2"
    assert {name: (tmp_path / name / "of").read_text() for name in os.listdir(tmp_path)} == \
        {"1": "1", "2": "model"}


# Forks before TensorFlow runs anything, so that one import serves several exports to kill.
KILLED = """
import glob, json, os, pathlib, resource, signal, sys, time
from export import ExportError, saved_model
from heads import Head

def forked(act):
    child = os.fork()
    if not child:
        try:
            act()
        finally:
            os._exit(0)
    return child

def killed_at(sign, folder):
    child = forked(lambda: saved_model.write(Head(folder.parent), folder, ["good film"]))
    while not glob.glob(str(folder / sign)):
        assert os.waitpid(child, os.WNOHANG)[0] == 0, f"export ended before {sign}"
        time.sleep(.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return sign, saved_model.numbers(folder), len(os.listdir(folder))

def without_space(folder):
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    try:
        saved_model.write(Head(folder.parent), folder, ["good film"])
    except ExportError as error:
        (folder / "said").write_text(str(error))

folder = pathlib.Path(sys.argv[1])
(folder / "a").mkdir()
(folder / "b").mkdir()
signs = [".unfinished-*/assets", ".unfinished-*/model/variables",
         ".unfinished-*/model/saved_model.pb", "1"]
print(json.dumps([killed_at(sign, folder / "a" / "saved_model") for sign in signs]))
os.waitpid(forked(lambda: without_space(folder / "b" / "saved_model")), 0)
"""


@pytest.fixture(scope="module")
def ill_fated(tmp_path_factory):
    """A folder of exports that were killed (a) or ran out of space (b), and how the kills went."""
    folder = tmp_path_factory.mktemp("ill_fated")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    run = subprocess.run([sys.executable, "-c", KILLED, str(folder)], capture_output=True,
                         env={**os.environ, "PYTHONPATH": paths})
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    return folder, json.loads(run.stdout.splitlines()[-1])


@pytest.mark.slow
def test_killed_export_leaves_no_version_that_a_server_would_load(ill_fated):
    folder, kills = ill_fated
    assert [versions for _, versions, _ in kills] == [[], [], [], [1]]
    assert all(files for *_, files in kills), "no export was killed midway"
    answer = saved_model.load(folder / "a" / "saved_model")["serving_default"]
    assert answer(text=tf.constant(["good"]))["probabilities"].shape == (1, 2)


@pytest.mark.slow
def test_next_export_sweeps_up_after_killed_ones(ill_fated):
    folder = ill_fated[0] / "a" / "saved_model"
    with export.unfinished(folder) as mine, export.unfinished(folder) as other:
        assert {mine.name, other.name, "1", *CONFIGURATION} == set(os.listdir(folder))
    assert sorted(os.listdir(folder)) == ["1", *CONFIGURATION]


def test_leftovers_of_a_dead_process_with_our_number_are_swept_too(tmp_path):
    (tmp_path / f".unfinished-{os.getpid()}-old").mkdir()
    (tmp_path / f".unfinished-{os.getppid()}-alive").mkdir()
    with export.unfinished(tmp_path):
        pass
    assert os.listdir(tmp_path) == [f".unfinished-{os.getppid()}-alive"]


@pytest.mark.slow
def test_full_disk_is_one_clear_line_and_leaves_nothing(ill_fated):
    folder = ill_fated[0] / "b" / "saved_model"
    assert os.listdir(folder) == ["said"]
    said = (folder / "said").read_text()
    assert said.startswith("cannot write the export to ") and "too large" in said.lower()
    assert "\n" not in said


@pytest.mark.slow
def test_a_relative_folder_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert saved_model.write(Head(tmp_path), "served", EXAMPLES)["version"] == 1
