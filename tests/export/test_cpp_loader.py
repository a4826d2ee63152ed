"""The C++ loader answers as the head does, and refuses what TF Serving would refuse."""
import numpy as np
import pytest
import tensorflow as tf

import export
from export import ExportError, saved_model, verify
from export.cpp_loader import loader
from heads import IDS, Head, WordpieceWords, tagger
from zoo.engines.native import build
from zoo.engines.native.build import BuildError

EXAMPLES = ["good film", "", "not 好 🙂", b"\xff\xfe bad", "a " * 300]


@pytest.fixture(scope="module")
def runner():
    """The program is built, where a compiler is at hand: only if a test is run that starts it."""
    try:
        with loader.program():
            pass
    except BuildError as error:
        pytest.skip(f"no C++ runner: {error}")


def built(test):
    """Starts the runner."""
    return pytest.mark.slow(pytest.mark.usefixtures("runner")(test))


def saved(head, folder, **others):
    """An unverified SavedModel of `head`, and the answers it should give."""
    signatures = {**head.signatures(), **others}
    saved_model._save(head, signatures, folder)
    return str(folder / "model"), saved_model.answers_of(head, signatures, EXAMPLES)


@built
def test_every_signature_of_a_tagger_answers_as_the_head_streams_included(tmp_path):
    with export.stock_ops():
        path, answers = saved(tagger("output_rnn"), tmp_path)
    assert {"serving_default", "ids", "init", "step"} <= set(answers)
    times = loader.check(path, answers)
    assert 0 < times["milliseconds"] <= times["milliseconds_p95"]


@built
def test_the_program_is_this_users_alone_and_of_use_without_a_compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with loader.program() as path:
        assert path.stat().st_mode & 0o777 == 0o700


@built
def test_ops_of_tensorflow_text_are_loaded(tmp_path):
    head = Head(tmp_path, WordpieceWords)
    path, answers = saved(head, tmp_path)
    assert loader.check(path, answers)["milliseconds"] > 0


@built
def test_answers_that_take_long_are_asked_for_less_often(tmp_path, monkeypatch):
    asked, counts, ask = loader.REQUESTS, [], loader.ask

    def counted(path, questions):
        counts.append(sum(runs for *_, runs in questions))
        return ask(path, questions)

    path, answers = saved(Head(tmp_path), tmp_path)
    monkeypatch.setattr(loader, "ask", counted)
    loader.check(path, answers)
    loader.check(path, answers, requests=1)
    assert counts[0] >= asked and counts[1] == 1
    monkeypatch.setattr(verify, "SECONDS", 0.0)
    nothing = {name: lambda **inputs: None for name in answers}
    assert len(verify._latencies(nothing, answers)) == 1


@built
def test_questions_are_answered_in_order_and_timed_as_often_as_asked(tmp_path):
    head = Head(tmp_path)
    path, _ = saved(head, tmp_path)
    ids = [np.array([row], np.int32) for row in ([3, 5, 2], [4], [7, 7])]
    answered = loader.ask(path, [("ids", {"ids": row}, n) for n, row in enumerate(ids)])
    assert [len(microseconds) for *_, microseconds in answered] == [0, 1, 2]
    for row, (signature, outputs, _) in zip(ids, answered):
        assert signature == "ids"
        np.testing.assert_allclose(outputs["probabilities"], head.answer(row), atol=1e-6)


@built
def test_an_answer_that_differs_is_refused_by_name(tmp_path):
    path, answers = saved(Head(tmp_path), tmp_path)
    answers["embed"][1]["representation"] = answers["embed"][1]["representation"] + np.float32(1e-4)
    with pytest.raises(ValueError, match=r"embed in C\+\+: representation differs"):
        loader.check(path, answers)


@built
def test_a_function_that_only_xla_can_compile_is_refused(tmp_path):
    head = Head(tmp_path, change=tf.function(lambda ids: ids + 0, jit_compile=True))
    path, answers = saved(head, tmp_path)
    with pytest.raises(ValueError, match=r"C\+\+ loader"):
        loader.check(path, answers)


@built
def test_a_python_function_is_refused(tmp_path):
    def python(ids):
        return tf.ensure_shape(tf.py_function(lambda x: x, [ids], tf.int32), [None, None])
    path, answers = saved(Head(tmp_path, change=python), tmp_path)
    with pytest.raises(ValueError, match=r"C\+\+ loader"):
        loader.check(path, answers)


@built
def test_a_truncated_model_is_refused(tmp_path):
    path, answers = saved(Head(tmp_path), tmp_path)
    weights = tmp_path / "model" / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"C\+\+ loader"):
        loader.check(path, answers)


@built
def test_unknown_signature_is_named(tmp_path):
    path, _ = saved(Head(tmp_path), tmp_path)
    with pytest.raises(ValueError, match="absent: no such signature"):
        loader.ask(path, [("absent", {"ids": np.ones([1, 1], np.int32)}, 0)])


@built
def test_what_the_runner_refuses_never_gets_a_version(tmp_path, monkeypatch):
    def disagree(path, answers, requests):
        raise ValueError("ids in C++: probabilities differs from the head's by 1.0e-02")
    monkeypatch.setattr(loader, "check", disagree)
    monkeypatch.setattr(saved_model, "_verify_in_python", lambda *_: {"milliseconds": 1.0})
    with pytest.raises(ExportError, match=r"the SavedModel was refused: ids in C\+\+"):
        saved_model.write(Head(tmp_path), tmp_path / "saved_model", EXAMPLES)
    assert saved_model.numbers(tmp_path / "saved_model") == []


def test_without_a_compiler_the_report_says_what_was_not_checked(tmp_path, monkeypatch):
    def none():
        raise BuildError("no C++ compiler: install g++")
    monkeypatch.setattr(build, "find_compiler", none)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(saved_model, "_verify_in_python", lambda *_: {"milliseconds": 1.0})
    report = saved_model.write(Head(tmp_path), tmp_path / "saved_model", EXAMPLES)
    assert report["skipped"] == ["TensorFlow's C++ loader: no C++ compiler: install g++"]
    assert report["version"] == 1 and "cpp" not in report


@pytest.mark.slow
def test_a_build_that_fails_or_does_not_start_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "loader.cc"
    monkeypatch.setattr(loader, "SOURCE", source)
    for text, message in (("int main() {", "failed: .*error"),
                          ("int main() { return 3; }", "does not start")):
        source.write_text(text)
        with pytest.raises(BuildError, match=message), loader.program():
            pass
    assert not list((tmp_path / "cache" / "recurrent-zoo").iterdir())


def test_a_tensorflow_without_its_library_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr(tf.sysconfig, "get_lib", lambda: str(tmp_path))
    with pytest.raises(BuildError, match="no libtensorflow_cc"):
        loader.link_flags()


def with_op(head, folder, op):
    """A SavedModel whose `ids` calls this op."""
    @tf.function(autograph=False, input_signature=[IDS])
    def ids(ids):
        return {"probabilities": head.answer(ids) + op()}
    saved_model._save(head, {"ids": ids}, folder)
    return str(folder / "model")


def webp():
    return tf.cast(tf.reduce_sum(tf.raw_ops.DecodeWebP(contents=tf.constant(b""))), tf.float32)


def binarize():
    import tensorflow_text
    return tf.reduce_sum(tensorflow_text.utf8_binarize(tf.constant(["a"])))


@pytest.mark.parametrize("op, name", [(webp, "DecodeWebP"), (binarize, "TFText>Utf8Binarize")])
def test_an_op_newer_than_the_server_is_refused_by_name(tmp_path, op, name):
    path = with_op(Head(tmp_path), tmp_path, op)
    assert name in verify.check_ops(path, "2.20")
    with pytest.raises(ValueError, match=f"op {name} is unknown to TF Serving 2.19"):
        verify.check_ops(path, "2.19")
    assert verify.SERVER == "2.19"
    with pytest.raises(ValueError, match="expected a TF Serving version among .* received '1.15'"):
        verify.check_ops(path, "1.15")


@pytest.mark.slow
def test_the_version_reaches_the_verifying_program(tmp_path):
    path, answers = saved(Head(tmp_path), tmp_path)
    with pytest.raises(ExportError, match="received '0.1'"):
        saved_model._verify(tmp_path / "model", answers, "0.1")
