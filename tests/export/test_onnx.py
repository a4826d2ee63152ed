"""ONNX files: what ONNX Runtime gives is the head's, in Python and in WebAssembly."""
import json
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT, slow_but
from export import ExportError, onnx, tokenizer
from heads import Head, classifier, generator, tagger, translator

pytest.importorskip("tf2onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
WEB = ROOT / "export" / "web"
TEXTS = ["a good film, not bad", "", "BAD 我爱", "sing o muse the wrath of film " * 9]
HEADS = {
    "classifier": lambda: classifier("gru", "mean+max"),
    "n-grams": lambda: classifier("lstm", "attention", ngrams=64),
    "n-grams alone": lambda: classifier("gru", "mean", layers=0, ngrams=64),
    "tagger": lambda: tagger("bilstm_crf"),
    "generator": generator,
    "translator": translator,
    "translator without attention": lambda: translator(attention="none")}


@pytest.fixture(scope="module", params=slow_but(["n-grams alone"], HEADS))
def exported(request, tmp_path_factory):
    """A head, its folder, and what `write` said."""
    head, folder = HEADS[request.param](), tmp_path_factory.mktemp("onnx")
    return head, folder, onnx.write(head, folder, TEXTS)


def inputs_of(head, texts):
    return {name: np.asarray(value) for name, value in
            head.example_inputs(tf.constant(texts))[onnx.SIGNATURE].items()}


def test_outputs_are_the_heads_for_other_texts_than_the_gate_saw(exported):
    head, folder, report = exported
    assert report["bytes"] == (folder / "model.onnx").stat().st_size and report["milliseconds"] > 0
    run, signature = onnx.Session(folder / "model.onnx"), head.lite_signatures()[onnx.SIGNATURE]
    for texts in (["bad film"], ["not a film", "good"], ["muse of the film"] * 3 + [""]):
        inputs = inputs_of(head, texts)
        found, wanted = run(**inputs), signature(**inputs)
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


def test_what_a_prediction_takes_lies_beside_the_file(exported):
    head, folder, _ = exported
    assert json.loads((folder / "tokenizer.json").read_text()) == tokenizer.specification(head.text)
    assert (folder / "model.json").read_text() == head.description()


JAVASCRIPT = """
    import {readFileSync} from "node:fs";
    import {createRequire} from "node:module";
    const ort = createRequire(process.argv[2] + "/")("onnxruntime-web");
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    const options = {executionProviders: ["wasm"]};
    const session = await ort.InferenceSession.create(readFileSync("model.onnx"), options);
    const arrays = {int32: Int32Array, float32: Float32Array};
    const answers = [];
    for (const inputs of JSON.parse(readFileSync("given.json", "utf8"))) {
      const tensors = Object.fromEntries(Object.entries(inputs).map(([name, {type, data, dims}]) =>
        [name, new ort.Tensor(type, arrays[type].from(data), dims)]));
      const found = await session.run(tensors);
      answers.push(Object.fromEntries(Object.entries(found).map(([name, {data, dims}]) =>
        [name.replace(/^next_/, ""), {data: Array.from(data, Number), dims}])));
    }
    console.log(JSON.stringify(answers));"""


@pytest.mark.skipif(not (shutil.which("node") and (WEB / "node_modules" / "onnxruntime-web").is_dir()),
                    reason="needs Node and onnxruntime-web: npm --prefix export/web install")
@pytest.mark.slow
def test_outputs_in_webassembly_are_the_heads(exported):
    head, folder, _ = exported
    signature, given = head.lite_signatures()[onnx.SIGNATURE], [inputs_of(head, [text]) for text in TEXTS]
    (folder / "given.json").write_text(json.dumps([{
        name: {"type": value.dtype.name, "data": value.ravel().tolist(), "dims": value.shape}
        for name, value in inputs.items()} for inputs in given]))
    (folder / "run.mjs").write_text(JAVASCRIPT)
    done = subprocess.run(["node", "run.mjs", WEB], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    for found, inputs in zip(json.loads(done.stdout), given, strict=True):
        for name, value in signature(**inputs).items():
            assert found[name]["dims"] == value.shape.as_list()
            np.testing.assert_allclose(np.reshape(found[name]["data"], value.shape), value, atol=1e-5)


def test_a_file_that_answers_otherwise_is_refused_and_an_earlier_one_stays(tmp_path, monkeypatch):
    head = Head(tmp_path)
    onnx.write(head, tmp_path / "onnx", ["good film"])
    before = (tmp_path / "onnx" / "model.onnx").read_bytes()
    right = onnx.converted
    monkeypatch.setattr(onnx, "converted", lambda function: other_weights(right(function)))
    with pytest.raises(ExportError, match="the ONNX file was refused: ids: probabilities differs from"):
        onnx.write(head, tmp_path / "onnx", ["good film"])
    assert (tmp_path / "onnx" / "model.onnx").read_bytes() == before


def other_weights(bytes):
    """The model with its largest weight array negated."""
    from onnx import ModelProto, numpy_helper
    model = ModelProto.FromString(bytes)
    largest = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    largest.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(largest), largest.name))
    return model.SerializeToString()


def test_an_operation_that_onnx_does_not_have_is_one_clear_line(tmp_path):
    head = Head(tmp_path)
    signature = head.lite_signatures()["ids"]

    @tf.function(autograph=False, input_signature=signature.input_signature)
    def ids(ids):
        return {"probabilities": tf.math.betainc(2.0, 3.0, signature(ids)["probabilities"])}
    head.lite_signatures = lambda: {"ids": ids}
    with pytest.raises(ExportError, match="^the ONNX file was refused: ONNX Runtime: .*Betainc"):
        onnx.write(head, tmp_path / "onnx", ["good film"])
    assert not list((tmp_path / "onnx").glob("*"))
