"""A file for one text of one length gives the predictions of the file for all of them."""
import numpy as np
import pytest
import tensorflow as tf

from export import fixed_shapes, run, tflite
from heads import IDS, Head, classifier, generator, tagger, translator
from tasks import exporting
from tasks.generation.dataset import LabelledTexts, RunningText
from tasks.generation.streams import Stream
from tasks.reading.splits import Example, Pair, Sentence
from tasks.tagging.dataset import Sentences, Tagged, tags_of
from tasks.translation.dataset import Translations

LENGTH = 7


def written(head, folder):
    """Runners of the two files of a head: any shape, and fixed ones."""
    for name, changed in (("free", lambda signatures: signatures),
                          ("fixed", lambda signatures: fixed_shapes.fixed(signatures, LENGTH))):
        tflite._save(head, folder / name, changed)
        (folder / f"{name}.tflite").write_bytes(tflite._flatbuffer(folder / name, tflite.STATIC))
    return [tflite.Lite(folder / f"{name}.tflite") for name in ("free", "fixed")]


@pytest.fixture(scope="module")
def tagging(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagging")
    head = tagger("bilstm_char_crf")
    return head, folder, *written(head, folder)


@pytest.fixture(scope="module")
def classifying(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifying")
    head = classifier("lstm", "mean+max")
    return head, folder, *written(head, folder)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (2, LENGTH)])
def test_short_texts_are_classified_alike(classifying, shape):
    ids = np.random.default_rng(0).integers(0, 7, shape).astype(np.int32)
    *_, free, fixed = classifying
    np.testing.assert_allclose(fixed(ids=ids)["probabilities"], free(ids=ids)["probabilities"], atol=1e-6)


@pytest.mark.slow
def test_long_texts_are_cut(classifying):
    ids = np.random.default_rng(1).integers(1, 7, [2, 12]).astype(np.int32)
    *_, free, fixed = classifying
    np.testing.assert_allclose(fixed(ids=ids)["probabilities"],
                               free(ids=ids[:, :LENGTH])["probabilities"], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"ngrams": 64}, {"layers": 0, "ngrams": 64}])
def test_n_grams_of_a_text_are_those_of_its_first_words(tmp_path, options):
    head = classifier("gru", "mean", **options)
    free, fixed = written(head, tmp_path)
    assert fixed.length == LENGTH
    for text in ("a good film", "not bad " * LENGTH):
        short = " ".join(text.split()[:LENGTH])
        np.testing.assert_allclose(fixed(**head.read([text]))["probabilities"],
                                   free(**head.read([short]))["probabilities"], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("texts", [["a"], ["not a good film", "bad"], ["a " * LENGTH]])
def test_tokens_are_tagged_alike_and_no_others(tagging, texts):
    head, _, free, fixed = tagging
    inputs = {key: value.numpy() for key, value in head.read(head.text.split(texts)[0]).items()}
    answer, right = fixed(**inputs), free(**inputs)
    np.testing.assert_array_equal(answer["tags"], right["tags"])
    np.testing.assert_allclose(answer["marginals"], right["marginals"], atol=1e-6)


@pytest.mark.slow
def test_answers_to_tokens_past_the_end_are_missing_and_those_to_padding_are_not(tagging):
    head, _, free, fixed = tagging
    inputs = {key: value.numpy() for key, value in head.read(head.text.split(["a " * 9])[0]).items()}
    answer = fixed(**inputs)
    assert answer["tags"][0, LENGTH:].tolist() == [-1, -1]
    assert np.isnan(answer["marginals"][0, LENGTH:]).all()
    padded = fixed(**{key: np.where(np.arange(9).reshape([9] + [1] * (value.ndim - 2)) < 3, value, 0)
                      for key, value in inputs.items()})
    assert not padded["tags"][0, LENGTH:].any() and not padded["marginals"][0, LENGTH:].any()


@pytest.mark.slow
def test_a_tagger_is_measured_on_all_tokens_of_which_the_cut_ones_are_wrong(tagging):
    head, _, free, fixed = tagging
    head.labels, sentences = head.network.labels, [["a"] * 9, ["not", "bad"]]
    untagged = [Sentence(tokens, ["O"] * len(tokens)) for tokens in sentences]
    tags = Sentences(head, untagged).predict(free, 1)
    data = Sentences(head, [Sentence(*pair) for pair in zip(sentences, tags_of(tags))])
    assert data.metrics(data.predict(free, 1))["token_accuracy"] == 1
    predictions = data.predict(fixed, 1)
    assert predictions == [Tagged([*tags[0].tags[:LENGTH], None, None]), tags[1]]
    assert data.metrics(predictions)["token_accuracy"] == pytest.approx(9 / 11)
    found = exporting.cut({"test": data}, {"test": tags}, fixed, {"test": data.metrics(predictions)})
    assert found == {"length": LENGTH, "longer": 1, "not_measured": []}


@pytest.mark.slow
@pytest.mark.parametrize("labels", [(), ("ode", "epic")])
def test_a_language_model_scores_every_symbol_alike(tmp_path, labels):
    head, text = generator(labels), "sing o muse\nthe wrath of\n"
    free, fixed = written(head, tmp_path)
    data = LabelledTexts(head, [Example(text, "epic"), Example("of", "ode")]) if labels else RunningText(
        head, Stream([text], 0, len(text)))
    predictions = data.predict(free, 1)
    assert len(predictions) > 3 * LENGTH and (predictions < 0).all()
    np.testing.assert_allclose(data.predict(fixed, 1), predictions, rtol=1e-4, atol=1e-5)
    assert not exporting.cut({"test": data}, {"test": predictions}, fixed, {})


@pytest.mark.slow
def test_a_translator_has_no_log_loss_where_a_pair_is_cut():
    head = translator(attention="general")
    free, fixed = exporting.of_head(head), exporting.of_head(head)
    fixed.length = LENGTH
    short, long = Pair("我爱", "I love China ."), Pair("我", "he does not love tea , he does not")
    for pairs, measured in (([short], True), ([short, long], False)):
        data = Translations(head, pairs, "en", width=1)
        found = {"test": data.metrics(data.predict(fixed, 1))}
        every = data.metrics(data.predict(free, 1))
        assert ("log_loss" in found["test"]) is measured and "bleu" in found["test"]
        if measured:
            assert found["test"]["log_loss"] == pytest.approx(every["log_loss"], abs=1e-4)
            assert not exporting.cut({"test": data}, {"test": data.predict(free, 1)}, fixed, found)
    cut = exporting.cut({"test": data}, {"test": data.predict(free, 1)}, fixed, found)
    assert cut == {"length": fixed.length, "longer": 1, "not_measured": ["log_loss", "perplexity"]}


@pytest.mark.slow
def test_all_shapes_are_fixed_and_of_types_that_browsers_have(tagging, classifying):
    for _, folder, free, fixed in (tagging, classifying):
        runner = fixed._runner("ids")
        details = [*runner.get_input_details().values(), *runner.get_output_details().values()]
        for one in details:
            assert (one["shape_signature"] > 0).all() and one["dtype"] in (np.int32, np.float32), one
        assert not fixed_shapes.are_fixed(free._runner("ids").get_input_details())
        assert not any(op.startswith("custom") for op in tflite.op_names(folder / "fixed.tflite"))


@pytest.mark.slow
def test_compiled_model_runs_it(classifying):
    compiled = pytest.importorskip("ai_edge_litert.compiled_model")
    _, folder, free, _ = classifying
    ids = np.array([[3, 5, 2, 6, 0, 0, 0]], np.int32)
    model = compiled.CompiledModel.from_file(str(folder / "fixed.tflite"))
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    inputs[0].write(ids)
    model.run_by_index(0, inputs, outputs)
    np.testing.assert_allclose(outputs[0].read(2, np.float32), free(ids=ids[:, :4])["probabilities"][0],
                               atol=1e-6)


def test_length_gives_way_to_an_output_of_that_size(tmp_path):
    head = Head(tmp_path)

    @tf.function(autograph=False, input_signature=[IDS])
    def scores(ids):
        return {"scores": tf.zeros(tf.stack([tf.shape(ids)[0], 7])), "ids": ids, "more": tf.zeros([1, 8])}
    spec, = fixed_shapes.fixed({"scores": scores, **head.lite_signatures()}, 7)["ids"].input_signature
    assert spec.shape == [1, 9] and spec.name == "ids"


def test_states_keep_their_width():
    @tf.function(autograph=False, input_signature=[
        tf.TensorSpec([None, None, None], tf.int32, "characters"),
        tf.TensorSpec([None, 5], tf.float32, "h"), tf.TensorSpec([], tf.float32, "scale")])
    def step(characters, h, scale):
        return {"h": scale * h}
    specs = fixed_shapes.fixed({"step": step}, 64)["step"].input_signature
    assert [spec.shape.as_list() for spec in specs] == [[1, 64, fixed_shapes.CHARACTERS], [1, 5], []]


@pytest.mark.slow
def test_the_copied_module_answers_from_it(classifying):
    head, folder, *_ = classifying
    for name, text in head.assets().items():
        (folder / name).write_text(text, encoding="utf-8")
    text = "not a good film"
    assert run.Model(folder / "fixed.tflite")(text)["probabilities"] == \
        pytest.approx(head.predict([text])[0]["probabilities"], abs=1e-5)
