"""Versions follow their files: what is whole goes live, what is not leaves the old one serving."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from export import ExportError, checksums, saved_model, verify
from export.serving import versions
from export.serving.version import Version
from heads import Head, tagger

TEXT = {"text": np.array([b"not good", b"bad film a"], object)}


class Light(Head):
    """One signature: three would take three times as long to load."""

    def signatures(self):
        return {"serving_default": super().signatures()["serving_default"]}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Two heads of other weights, and the folder in which they are versions 1 and 2."""
    run = tmp_path_factory.mktemp("exported") / "reviews"
    heads = []
    for seed in (1, 2):
        work = tmp_path_factory.mktemp(f"head{seed}")
        head = Light(work)
        for weight in head.variables:
            weight.assign(weight * seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(saved_model, "_verify", lambda *_: {})
            saved_model.write(head, run / "saved_model", ["good film", "", b"\xff bad"])
        heads.append(head)
    return heads, run / "saved_model"


@pytest.fixture
def served(originals, tmp_path):
    """A run that serves version 1; its folder; version 2, ready to be put there; what was said."""
    folder, said = tmp_path / "reviews" / "saved_model", []
    shutil.copytree(originals[1] / "1", folder / "1")
    shutil.copytree(originals[1] / "2", tmp_path / "2")
    return versions.Versions(tmp_path / "reviews", said.append), folder, tmp_path / "2", said


def settle(served, looks=2):
    """Two looks: what has changed must rest from one to the next; some more until damage is called so."""
    for _ in range(looks):
        served.refresh()


PATIENT = versions.PATIENCE + 2


def right(head):
    return head.answer(head.ids(tf.constant(TEXT["text"]))).numpy()


def answered(version):
    return version.answer("serving_default", TEXT)["probabilities"]


def test_export_writes_the_sums_of_its_files(originals):
    for number in "12":
        checksums.check(originals[1] / number)
        listed = (originals[1] / number / "SHA256SUMS").read_text()
        for part in ("saved_model.pb", "variables/", "assets/labels.txt", "tf_serving_warmup_requests"):
            assert part in listed


def test_sums_that_cannot_be_written_are_an_export_error(tmp_path, monkeypatch):
    def full(folder):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(checksums, "write", full)
    with pytest.raises(ExportError, match="No space left on device; expected a folder"):
        saved_model._finish(tmp_path, tmp_path, "reviews")


def test_a_run_and_its_folder_of_versions_are_the_same_model(originals):
    run = originals[1].parent
    assert versions.located(run) == versions.located(run / "saved_model") == (originals[1], "reviews")


def test_a_folder_of_versions_of_any_name_is_a_model_of_that_name(originals, tmp_path):
    shutil.copytree(originals[1] / "1", tmp_path / "sentiment" / "7")
    found = versions.Versions(tmp_path / "sentiment", lambda line: None)
    assert (found.name, list(found.live), found.newest()) == ("sentiment", [7], 7)


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_a_folder_without_versions_is_one_clear_line(tmp_path, folder):
    (tmp_path / "empty" / "saved_model").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="expected a run.*received.*train and export first"):
        versions.Versions(tmp_path / folder)


def test_all_versions_answer_as_their_heads_do(originals):
    found = versions.Versions(originals[1], lambda line: None)
    assert sorted(found.live) == [1, 2] and found.newest() == 2
    for number, head in enumerate(originals[0], 1):
        got = found.live[number].answer("serving_default", TEXT)
        assert list(got) == ["label", "probabilities"]
        np.testing.assert_allclose(got["probabilities"], right(head), atol=1e-6)
        assert [label.decode() for label in got["label"]] == \
            [head.labels[best] for best in right(head).argmax(1)]


def test_a_new_version_goes_live_once_it_has_rested(served, originals):
    found, folder, new, said = served
    shutil.move(new, folder / "2")
    found.refresh()
    assert list(found.live) == [1]
    found.refresh()
    assert found.newest() == 2 and said == ["reviews 1: live", "reviews 2: live"]
    np.testing.assert_allclose(answered(found.live[2]), right(originals[0][1]), atol=1e-6)


def test_what_has_not_changed_is_not_loaded_again(served):
    found, folder, _, said = served
    before = dict(found.live)
    settle(found)
    assert found.live == before and said == ["reviews 1: live"]


@pytest.mark.slow
def test_a_half_copied_version_is_refused_and_taken_once_it_is_whole(served):
    found, folder, new, said = served
    whole = new / "variables"
    shutil.move(whole, folder.parent / "variables")
    shutil.move(new, folder / "2")
    settle(found, PATIENT - 1)
    assert len(said) == 1 and not found.refused  # a slow copy is no damage
    settle(found)
    assert list(found.live) == [1] and "missing" in found.refused[2]
    assert len(said) == 2
    assert said[1].startswith("reviews 2: refused, it is not served: expected the files")
    shutil.move(folder.parent / "variables", folder / "2" / "variables")
    settle(found)
    assert found.newest() == 2 and not found.refused


def files_of(version):
    return sorted(path.relative_to(version).as_posix() for path in version.rglob("*") if path.is_file())


@pytest.mark.slow
def test_every_file_truncated_or_altered_keeps_the_old_one_serving(served, originals):
    found, folder, new, said = served
    for file in files_of(folder / "1"):
        path = folder / "1" / file
        content = path.read_bytes()
        flipped = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
        for damaged in (content[:len(content) // 2], flipped):
            path.write_bytes(damaged)
            settle(found, PATIENT)
            assert list(found.refused) == [1], file
            assert "refused, the one before keeps serving" in said[-1] and "\n" not in said[-1]
            np.testing.assert_allclose(answered(found.live[1]), right(originals[0][0]), atol=1e-6)
        path.write_bytes(content)
    settle(found)
    assert not found.refused and said[-1] == "reviews 1: live"


@pytest.mark.slow
@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.data-00000-of-00001",
                                  "variables/variables.index", "assets/vocabulary.txt",
                                  "assets.extra/tf_serving_warmup_requests"])
def test_files_that_do_not_load_are_refused_even_with_sums_of_their_own(served, file):
    found, folder, new, said = served
    path = new / file
    path.write_bytes(path.read_bytes()[:-3])
    if file.endswith("vocabulary.txt"):
        path.unlink()
    checksums.write(new)
    shutil.move(new, folder / "2")
    settle(found)
    assert list(found.live) == [1] and list(found.refused) == [2]
    assert "\n" not in found.refused[2] and len(found.refused[2]) > 10


def exported(folder, function, **signatures):
    """A version of one signature, or of these, with its sums; what is said when it is served."""
    signatures = signatures or {"serving_default": function}
    tf.saved_model.save(tf.Module(), str(folder / "m" / "1"), signatures)
    checksums.write(folder / "m" / "1")
    said = []
    with pytest.raises(ValueError, match="no version in .* can be served; export again"):
        versions.Versions(folder / "m", said.append)
    return said[0]


def of_texts(function):
    """A signature of texts [B]."""
    signature = [tf.TensorSpec([None], tf.string, "text")]
    return tf.function(function, input_signature=signature, autograph=False)


def test_an_op_that_serving_lacks_is_refused(tmp_path):
    def lengths(texts):
        return np.array([len(text) for text in texts], np.int64)
    said = exported(tmp_path, of_texts(lambda text: {"n": tf.numpy_function(lengths, [text], tf.int64)}))
    assert "op PyFunc" in said and "runs only where it was traced" in said


def writes(text):
    with tf.control_dependencies([tf.io.write_file("/tmp/never", text[0])]):
        return {"text": tf.identity(text)}


def prints(text):
    with tf.control_dependencies([tf.raw_ops.PrintV2(input=text[0])]):
        return {"text": tf.identity(text)}


def restores(text):
    return {"x": tf.raw_ops.RestoreV2(prefix=text[0], tensor_names=["x"], shape_and_slices=[""],
                                      dtypes=[tf.float32])[0][:, None] + tf.zeros([tf.size(text), 1])}


@pytest.mark.parametrize("op, function", [
    ("WriteFile", writes), ("ReadFile", lambda text: {"text": tf.map_fn(tf.io.read_file, text)}),
    ("MatchingFiles", lambda text: {"text": tf.io.matching_files(text)}), ("RestoreV2", restores),
    ("PrintV2", prints)])
def test_an_op_that_reaches_out_of_the_graph_is_refused_by_name(tmp_path, op, function):
    assert f"op {op} may use files, the network or other means" in exported(tmp_path, of_texts(function))


def test_what_no_request_could_use_is_refused_when_it_is_loaded(tmp_path):
    some = of_texts(lambda text: {"n": tf.strings.length(text)})
    assert "expected the signature serving_default, received other" in exported(
        tmp_path / "a", None, other=some)
    scalar = of_texts(lambda text: {"n": tf.size(text)})
    assert "expected the batch, of any size, as first axis of n" in exported(tmp_path / "b", scalar)
    pair = of_texts(lambda text: {"n": tf.fill([tf.size(text)], tf.complex(1.0, 2.0))})
    assert "expected a known number of axes and a type among string" in exported(tmp_path / "c", pair)


def test_types_beside_those_of_the_zoo_are_served(tmp_path):
    pytest.importorskip("orjson", reason="no KServe: pip install 'recurrent-zoo[serve]'")
    from export.serving import protocols

    @of_texts
    def serving_default(text):
        n = tf.strings.length(text)
        return {"double": tf.cast(n, tf.float64) / 3, "byte": tf.cast(n, tf.uint8)}
    tf.saved_model.save(tf.Module(), str(tmp_path / "m" / "1"), {"serving_default": serving_default})
    checksums.write(tmp_path / "m" / "1")
    version = versions.Versions(tmp_path / "m", lambda line: None).live[1]
    outputs = version.answer("serving_default", {"text": np.array([b"abcd"], object)})
    assert json.loads(protocols.v1_answer(outputs, "inputs")) == {
        "outputs": {"double": [4 / 3], "byte": [4]}}


def test_a_version_that_cannot_answer_its_own_requests_is_refused(served, monkeypatch):
    found, folder, new, said = served
    monkeypatch.setattr(Version, "answer", lambda *_: 1 / 0)
    shutil.move(new, folder / "2")
    settle(found)
    assert list(found.live) == [1] and found.refused == {2: "division by zero"}


@pytest.mark.slow
def test_files_that_change_while_they_are_read_are_refused(served, monkeypatch):
    found, folder, new, said = served
    load = Version.__init__

    def slow(self, path):
        load(self, path)
        (pathlib.Path(path) / "assets" / "labels.txt").write_text("good\nbad\n")
    monkeypatch.setattr(Version, "__init__", slow)
    shutil.move(new, folder / "2")
    settle(found)
    assert list(found.live) == [1] and "changed while it was being loaded" in found.refused[2]


@pytest.mark.slow
def test_a_version_that_is_gone_goes_and_the_last_one_stays(served):
    found, folder, new, said = served
    shutil.move(new, folder / "2")
    settle(found)
    shutil.rmtree(folder / "1")
    settle(found)
    assert list(found.live) == [2] and said[-1] == "reviews 1: gone"
    shutil.rmtree(folder / "2")
    settle(found)
    assert list(found.live) == [2]
    shutil.rmtree(folder)
    settle(found)
    assert answered(found.live[2]).shape == (2, 2)


def test_a_replaced_version_answers_those_who_hold_it(served, originals):
    found, folder, new, _ = served
    old = found.live[1]
    shutil.rmtree(folder / "1")
    shutil.move(new, folder / "1")
    settle(found)
    np.testing.assert_allclose(answered(old), right(originals[0][0]), atol=1e-6)
    np.testing.assert_allclose(answered(found.live[1]), right(originals[0][1]), atol=1e-6)


def test_folders_with_leading_zeros_are_versions_and_digits_are_those_of_ascii(originals, tmp_path):
    for name in ("00000007", "٣", "x", "9" * 30):
        shutil.copytree(originals[1] / "1", tmp_path / "m" / name)
    found = versions.Versions(tmp_path / "m", lambda line: None)
    assert list(found.live) == [7] and versions.folders(tmp_path / "m")[7].name == "00000007"
    (tmp_path / "m" / "7").mkdir()
    assert versions.folders(tmp_path / "m")[7].name == "7"


def test_watching_goes_on_after_any_error(served, monkeypatch):
    found, folder, new, said = served
    looks = []

    def refresh():
        looks.append(len(looks))
        raise BrokenPipeError("nobody reads")
    monkeypatch.setattr(found, "refresh", refresh)
    ended = found.watch(0.01)
    for _ in range(60_000):
        if len(looks) > 2:
            break
        time.sleep(0.01)
    ended.set()
    assert len(looks) > 2


@pytest.mark.slow
def test_requests_that_share_a_call_get_their_own_answers(tmp_path):
    """A tagger's rows are as long as the longest of the call, and cut again."""
    head = tagger("lstm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "_verify", lambda *_: {})
        saved_model.write(head, tmp_path / "tags" / "saved_model", ["a good film", "", "not 好 bad , a"])
    version = versions.Versions(tmp_path / "tags", lambda line: None).live[1]
    assert {"serving_default", "ids", "tokens"} <= version.joint and "embed" not in version.joint
    texts = [[b"a"], [b"a good film , not bad", b"bad"], [b""], ["好 film".encode()]]
    requests = [{"text": np.array(column, object)} for column in texts]
    for got, request in zip(version.answer_together("serving_default", requests), requests):
        verify.check_answer("together", got, version.answer("serving_default", request))


def test_watching_takes_what_comes(served):
    found, folder, new, said = served
    ended = found.watch(0.05)
    os.rename(new, folder / "2")
    for _ in range(12000):  # ten minutes
        if found.newest() == 2:
            break
        time.sleep(0.05)
    ended.set()
    assert found.newest() == 2


def test_threads_get_their_own_answers(served):
    texts = [np.array([b"good " * n], object) for n in range(1, 9)]

    def ask(text):
        return served[0].live[1].answer("serving_default", {"text": text})["probabilities"]
    alone = [ask(text) for text in texts]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            np.testing.assert_array_equal(list(pool.map(ask, texts)), alone)


def test_an_answer_that_takes_too_long_is_stopped(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "ids")])
    def serving_default(ids):
        steps = tf.while_loop(lambda n: n < ids[0], lambda n: n + 1, [0])
        return {"steps": steps[0] + ids * 0}
    tf.saved_model.save(tf.Module(), str(tmp_path / "m" / "1"), {"serving_default": serving_default})
    checksums.write(tmp_path / "m" / "1")
    version = versions.Versions(tmp_path / "m", lambda line: None).live[1]
    assert version.answer("serving_default", {"ids": np.array([3], np.int32)})["steps"].tolist() == [3]
    with pytest.raises(tf.errors.DeadlineExceededError):
        version.answer("serving_default", {"ids": np.array([2 ** 31 - 1], np.int32)}, seconds=0.2)


def test_defaults_come_from_the_graph(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "x"),
                                  tf.TensorSpec([], tf.int32, "n")])
    def serving_default(x, n=tf.constant(5)):
        return {"sum": x + n}
    tf.saved_model.save(tf.Module(), str(tmp_path / "m" / "1"), {"serving_default": serving_default})
    checksums.write(tmp_path / "m" / "1")
    version = versions.Versions(tmp_path / "m", lambda line: None).live[1]
    x = np.array([1, 2], np.int32)
    assert version.answer("serving_default", {"x": x})["sum"].tolist() == [6, 7]
    assert version.answer("serving_default", {"x": x, "n": np.int32(1)})["sum"].tolist() == [2, 3]


@pytest.mark.slow
def test_serving_needs_neither_the_zoo_nor_kserve(originals):
    """What answers is TensorFlow: in a process that cannot import this project's models."""
    program = textwrap.dedent("""
        import sys
        sys.modules.update(dict.fromkeys(["zoo", "tasks", "kserve", "export.saved_model"]))
        import numpy as np
        from export.serving import protocols, versions
        version = versions.Versions(sys.argv[1], lambda line: None).live[1]
        signature, inputs, form = protocols.v1({"instances": ["good"]}, version.signatures)
        print(protocols.v1_answer(version.answer(signature, inputs), form).decode())
    """)
    run = subprocess.run([sys.executable, "-c", program, str(originals[1])], cwd=ROOT, text=True,
                         capture_output=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    assert '{"predictions":[{"label":"' in run.stdout, run.stderr[-500:]
