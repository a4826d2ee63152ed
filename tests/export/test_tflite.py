"""TFLite files: builtin ops only, TensorFlow's answers at any batch and length, quality guarded."""
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from export import ExportError, tflite
from heads import IDS, Head, classifier, tagger
from zoo import engines

SHAPES = [(1, 1), (1, 40), (3, 7), (5, 1), (2, 200), (3, 7)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A head with weights of a sensible size, the folder of its files, and what `write` said."""
    folder = tmp_path_factory.mktemp("exported")
    head = Head(folder, units=256)
    score = iter([.80, .798, .79])
    return head, folder / "tflite", tflite.write(
        head, folder / "tflite", "words", evaluate=lambda run: next(score), force=True)


@pytest.fixture(scope="module")
def good(exported):
    return exported[1] / "words_float32.tflite"


def random_ids(shape):
    """Ids with holes and rows of padding."""
    return np.random.default_rng(sum(shape)).integers(0, 8, shape).astype("int32")


def fake_files(work, sizes):
    """What `_convert_all` would leave, for tests of what comes after."""
    for variant, size in sizes.items():
        (work / f"{variant}.tflite").write_bytes(b"x" * size)
    return {variant: {} for variant in sizes}


def test_write_reports_each_file_and_leaves_nothing_else(exported):
    head, folder, report = exported
    assert list(report) == ["float32", "float16", "int8"]
    files = {entry["file"] for entry in report.values()}
    assert set(os.listdir(folder)) == files | set(head.assets())
    for entry in report.values():
        assert entry["bytes"] == (folder / entry["file"]).stat().st_size
    assert {variant: entry["score"] for variant, entry in report.items()} == \
        {"float32": .80, "float16": .798, "int8": .79}
    assert (folder / "labels.txt").read_text() == "bad\ngood\n"


@pytest.mark.parametrize("variant, tolerance", [("float32", 1e-5), ("float16", 2e-3),
                                                ("int8", 3e-2)])
def test_answers_equal_tensorflow_at_any_batch_and_length(exported, variant, tolerance):
    head, folder, report = exported
    run = tflite.Lite(folder / report[variant]["file"])
    for shape in SHAPES:
        ids = random_ids(shape)
        np.testing.assert_allclose(run(ids=ids)["probabilities"], head.answer(ids),
                                   rtol=0, atol=tolerance, err_msg=str(shape))


@pytest.mark.parametrize("cell, pooling, bidirectional", [
    ("lstm", "mean+max", True), pytest.param("gru", "attention", False, marks=pytest.mark.slow),
    pytest.param("simple", "last", True, marks=pytest.mark.slow)])
def test_classifier_of_the_zoo_equals_tensorflow(tmp_path, cell, pooling, bidirectional):
    head = classifier(cell, pooling, bidirectional)
    tflite._save(head, tmp_path / "model")
    (tmp_path / "float32.tflite").write_bytes(tflite._flatbuffer(tmp_path / "model", "float32"))
    run = tflite.Lite(tmp_path / "float32.tflite")
    # How a loop writes its outputs in place; without it every step copies them all.
    assert (pooling == "last") != ("DYNAMIC_UPDATE_SLICE" in tflite.op_names(
        tmp_path / "float32.tflite"))
    for shape in SHAPES:
        ids = random_ids(shape) % 7
        np.testing.assert_allclose(run(ids=ids)["probabilities"],
                                   head.predict_ids(ids)["probabilities"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name, intents", [
    pytest.param("bilstm_char_crf", (), marks=pytest.mark.slow), ("output_rnn", ()),
    pytest.param("bilstm_charlstm_crf", (), marks=pytest.mark.slow),
    pytest.param("bilstm", (), marks=pytest.mark.slow), pytest.param("crf", (), marks=pytest.mark.slow),
    pytest.param("wide_bilstm_char_crf", ("ask", "tell"), marks=pytest.mark.slow),
    pytest.param("crf", ("ask", "tell"), marks=pytest.mark.slow)])
def test_tagger_of_the_zoo_gives_the_same_tags(tmp_path, name, intents):
    head, path = tagger(name, intents), tmp_path / "float32.tflite"
    tflite._save(head, tmp_path / "model")
    path.write_bytes(tflite._flatbuffer(tmp_path / "model", "float32"))
    assert not any(op.startswith("custom") for op in tflite.op_names(path))
    for texts in (["a"], ["not a good film , bad", ""], ["film " * 40, "Bad a", "ünknown"]):
        inputs = {key: value.numpy() for key, value in head.read(head.text.split(texts)[0]).items()}
        answer, right = tflite.Lite(path)(**inputs), head.predict_ids(inputs)
        assert set(answer) == set(right)
        np.testing.assert_array_equal(answer["tags"], right["tags"])
        for output in set(right) - {"tags"}:
            np.testing.assert_allclose(answer[output], right[output], atol=1e-5)


def test_a_file_holds_what_a_prediction_takes(exported):
    head, folder, report = exported
    for entry in report.values():
        with zipfile.ZipFile(folder / entry["file"]) as within:
            assert within.read("labels.txt").decode() == head.assets()["labels.txt"]


def test_sizes_are_a_half_and_less_than_a_third(exported):
    size = {variant: entry["bytes"] for variant, entry in exported[2].items()}
    assert size["float16"] < .55 * size["float32"]
    assert size["int8"] < .30 * size["float32"]


def test_files_hold_builtin_ops_only(exported):
    for entry in exported[2].values():
        names = tflite.op_names(exported[1] / entry["file"])
        assert {"WHILE", "FULLY_CONNECTED", "TANH"} <= set(names)
        assert not any(name.startswith("custom") for name in names)


def test_signature_names_are_kept(good):
    assert tflite.Lite(good).signatures == {"ids": {"inputs": ["ids"],
                                                    "outputs": ["probabilities"]}}


def test_threads_do_not_change_the_answer(good):
    ids = random_ids((4, 30))
    one, two = (tflite.Lite(good, threads=n)(ids=ids)["probabilities"] for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_lists_are_cast_and_wrong_names_are_named(good):
    run = tflite.Lite(good)
    assert run(ids=[[2, 3]])["probabilities"].shape == (1, 2)
    with pytest.raises(ValueError, match=r"among \['ids'\], received 'step'"):
        run("step", ids=[[2]])
    with pytest.raises(ValueError, match=r"expected inputs \['ids'\], received \['text'\]"):
        run(text=["good"])
    with pytest.raises(FileNotFoundError, match="expected a TFLite file"):
        tflite.Lite(good.with_name("absent.tflite"))


@pytest.mark.slow
def test_runner_is_silent(good):
    code = f"from export.tflite import Lite; Lite({str(good)!r})(ids=[[1]])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_measure_times_single_examples(good):
    batches = [random_ids((5, 9)), random_ids((2, 30))]
    found = tflite.measure(good, ({"ids": ids} for ids in batches), requests=6)
    assert 0 < found["milliseconds"] <= found["milliseconds_p95"]


def saved_with(op, folder):
    """A SavedModel, for the converter, of a head that ends in `op`."""
    head = Head(folder)

    @tf.function(autograph=False, input_signature=[IDS])
    def ids(ids):
        return {"probabilities": op(head.answer(ids))}
    head.lite_signatures = lambda: {"ids": ids}
    tflite._save(head, folder / "model")
    return folder / "model"


@pytest.mark.parametrize("op, name", [(tf.math.erfinv, "Erfinv"),
                                      (tf.math.cumulative_logsumexp, "CumulativeLogsumexp")])
def test_op_without_a_builtin_is_refused_by_name(tmp_path, capsys, op, name):
    saved_with(op, tmp_path)
    tflite.convert(tmp_path, ["float32"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == \
        {"variant": "float32", "error": f"no TFLite builtin for {name}"}
    assert not (tmp_path / "float32.tflite").exists()


def test_flex_op_in_a_file_is_found(tmp_path):
    """Were the converter's setting lost, the check of the file would still catch it."""
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_with(tf.math.cumulative_logsumexp, tmp_path)))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS,
                                           tf.lite.OpsSet.TFLITE_BUILTINS]
    (tmp_path / "float32.tflite").write_bytes(converter.convert())
    entries = {"float32": {}}
    tflite._judge(tmp_path, entries, None, .005, None, False)
    assert entries["float32"]["refused"] == \
        "expected builtin ops only, found custom FlexCumulativeLogsumexp"


@pytest.fixture
def converter_that(monkeypatch):
    """Put `act`, an expression in `variant`, in the place of the real converter."""
    real = subprocess.Popen

    def replace(act):
        code = ("import os, pathlib, sys; from export import tflite\n"
                "def raised(error): raise error\n"
                f"tflite._flatbuffer = lambda model, variant: {act}\n"
                "tflite.convert(pathlib.Path(sys.argv[4]), sys.argv[5:])")
        monkeypatch.setattr(subprocess, "Popen", lambda command, **options: real(
            [sys.executable, "-c", code, *command[1:]], **options))
    return replace


@pytest.mark.slow
def test_crash_of_the_converter_costs_one_variant_and_is_one_line(tmp_path, converter_that):
    converter_that("os.abort() if variant == 'float16' else b'TFL3'")
    told = []
    entries = tflite._convert_all(tmp_path, ["float32", "float16", "int8"], told.append)
    assert told == ["float32", "int8"]
    assert entries == {"float32": {}, "int8": {},
                       "float16": {"error": "the converter crashed (exit status -6)"}}
    with pytest.raises(ExportError, match="no TFLite file .* float16: the converter crashed"):
        tflite._convert_all(tmp_path, ["float16"])


@pytest.mark.slow
def test_full_disk_is_one_clear_line_and_keeps_the_files_of_before(tmp_path, converter_that):
    converter_that("raised(OSError(28, 'No space left on device'))")
    (tmp_path / "tflite").mkdir()
    (tmp_path / "tflite" / "model_int8.tflite").write_bytes(b"old")
    with pytest.raises(ExportError, match="cannot write .*/tflite: No space left on device; exp"):
        tflite.write(Head(tmp_path), tmp_path / "tflite")
    assert os.listdir(tmp_path / "tflite") == ["model_int8.tflite"]


def test_graph_is_traced_for_export(tmp_path):
    head, seen = Head(tmp_path), []
    answer = head.answer
    head.answer = lambda ids: (seen.append(engines._exporting), answer(ids))[1]
    tflite._save(head, tmp_path / "model")
    assert set(seen) == {"lite"}


@pytest.mark.parametrize("scores, force, refused", [
    ([.80, .7951], False, []), ([.80, .7949], False, ["int8"]), ([.80, .5], True, []),
    ([.80, float("nan")], False, ["int8"])])
def test_variant_over_the_budget_is_refused_unless_forced(exported, good, tmp_path, scores, force,
                                                          refused):
    for variant in ("float32", "int8"):
        (tmp_path / f"{variant}.tflite").write_bytes(good.read_bytes())
    entries, score = {"float32": {}, "int8": {}}, iter(scores)

    def evaluate(run):
        assert run(ids=np.ones([2, 3]))["probabilities"].shape == (2, 2)
        return next(score)
    tflite._judge(tmp_path, entries, evaluate, .005, None, force)
    assert [variant for variant in entries if "refused" in entries[variant]] == refused
    if refused and scores[1] == scores[1]:
        assert entries["int8"]["refused"] == ("score 0.7949 is more than 0.005 below 0.8000; "
                                              "--mode=export --force keeps it all the same")


def test_no_file_of_an_earlier_model_stays_beside_those_of_another(tmp_path):
    (tmp_path / "work").mkdir()
    for variant in ("int8", "web", "static"):       # of which the last two are not written again
        (tmp_path / f"m_{variant}.tflite").write_bytes(b"old")
    entries = fake_files(tmp_path / "work", {"float32": 10, "int8": 3})
    entries["int8"]["refused"] = "too far off"
    tflite._publish(tmp_path / "work", tmp_path, "m", entries, {"labels.txt": "a\n"})
    assert sorted(os.listdir(tmp_path)) == ["labels.txt", "m_float32.tflite", "work"]
    size = (tmp_path / "m_float32.tflite").stat().st_size
    assert size > 10 and entries["float32"] == {"file": "m_float32.tflite", "bytes": size}


def test_unknown_variant_and_bad_folder_are_one_clear_line(tmp_path):
    with pytest.raises(ExportError, match="float16, int8, static, web, int16x8, received int4"):
        tflite.write(Head(tmp_path), tmp_path / "tflite", variants=["float32", "int4"])
    with pytest.raises(ExportError, match="expected inputs of step to calibrate int16x8 with"):
        tflite.write(Head(tmp_path), tmp_path / "tflite", variants=["int16x8"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write the export to .*/file"):
        tflite.write(Head(tmp_path), tmp_path / "file")


KILLED = """
import glob, os, pathlib, signal, sys, time
from export import tflite
from heads import Head

folder = pathlib.Path(sys.argv[1])
child = os.fork()
if not child:
    tflite.write(Head(folder.parent), folder, variants=["float32"])
    os._exit(0)
while not glob.glob(str(folder / ".unfinished-*/float32.tflite")):
    assert os.waitpid(child, os.WNOHANG)[0] == 0, "the export ended before the kill"
    time.sleep(.001)
os.kill(child, signal.SIGKILL)
"""


@pytest.mark.slow
def test_killed_export_leaves_no_file(tmp_path):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "tflite")],
                         capture_output=True, env={**os.environ, "PYTHONPATH": paths})
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    left = os.listdir(tmp_path / "tflite")
    assert len(left) == 1 and left[0].startswith(".unfinished-")


def test_runner_answers_a_new_length_as_a_new_runner_does(good):
    used = tflite.Lite(good)
    first = used._interpreter
    for length in (3, 9, 9, 4):
        ids = np.arange(length)[None] % 7 + 1
        new = tflite.Lite(good)(ids=ids)
        np.testing.assert_array_equal(used(ids=ids)["probabilities"], new["probabilities"])
    assert used._interpreter is not first
