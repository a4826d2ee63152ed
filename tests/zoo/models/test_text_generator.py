"""The head of language models: scores, prompts, choices, and the same text from every runtime."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT, exports_here
from export import saved_model, tflite
from heads import as_lite, generator as head_of, translator
from tasks.exporting import of_head
from tasks.generation.dataset import RunningText
from tasks.generation.streams import Stream
from zoo.models.language_model import SETTINGS

VERSE = "the muse sings of the wrath, the ships and the wine-dark sea; 我 o muse"
GREEDY = {**SETTINGS, "temperature": 0.0}


@pytest.fixture(scope="module")
def plain():
    return head_of()


@pytest.fixture(scope="module")
def labelled():
    return head_of(["ode", "epic"], vector="every")


@pytest.fixture(scope="module")
def adaptive():
    return head_of(tied=True, cutoffs=[6, 12])


def by_hand(head, text, label=None):
    """log p of a text from steps alone."""
    given = {"ids": tf.zeros([1, 1], tf.int32)}
    if label is not None:
        given["label"] = tf.constant([head.labels.index(label)])
    states, last, total = head.network.start(given), head.text.start, 0.0
    for wanted in [*head.text([text]).to_list()[0], *[head.text.end] * (label is not None)]:
        z, states = head.network.step(tf.constant([last]), states)
        total, last = total + float(tf.nn.log_softmax(z)[0, wanted]), wanted
    return total


def test_a_score_is_the_sum_of_the_steps_log_probabilities(plain, adaptive, labelled):
    texts = ["the muse", "", "o", "我?"]
    for head in (plain, adaptive):
        answer = head.score_text(tf.constant(texts))
        np.testing.assert_allclose(answer["log_probability"], [by_hand(head, text) for text in texts],
                                   rtol=1e-4)
        assert answer["symbols"].numpy().tolist() == [8, 0, 1, 2]
    labels = ["ode", "epic", "epic", "ode"]
    answer = labelled.score_text(tf.constant(texts), tf.constant(labels))
    np.testing.assert_allclose(answer["log_probability"], [
        by_hand(labelled, *pair) for pair in zip(texts, labels)], rtol=1e-4)
    assert answer["symbols"].numpy().tolist() == [9, 1, 2, 3]


def test_a_prompt_is_read_alone_as_in_a_batch(plain):
    prompts = ["the wrath", "", "o"]
    together = plain.begin(tf.constant(prompts))
    for n, prompt in enumerate(prompts):
        last, states = plain.begin(tf.constant([prompt]))
        assert last[0] == together[0][n] == (plain.text([prompt]).to_list()[0] or [plain.text.start])[-1]
        for one, all_of_them in zip(states, together[1]):
            np.testing.assert_allclose(one[0], all_of_them[n], atol=1e-6)


def test_greedy_takes_the_likeliest_symbol_again_and_again(plain):
    last, states = plain.begin(tf.constant(["the "]))
    said = []
    for _ in range(12):
        z, states = plain.network.step(last, states)
        allowed = np.where(np.arange(z.shape[1]) < 4, -np.inf, z[0])
        said.append(int(allowed.argmax()))
        last = tf.constant(said[-1:])
    answer = plain.generate(tf.constant(["the "]), tf.zeros([1, 12]), **GREEDY)
    assert answer["text"][0] == plain.text.strings([said], inside=True)[0]


def test_what_was_written_has_the_probability_that_its_score_says(plain):
    uniform = np.random.default_rng(0).random([1, 15], np.float32)
    answer = plain.generate(tf.constant(["the"]), uniform, **SETTINGS)
    whole = "the" + answer["text"].numpy()[0].decode()
    scores = plain.score_text(tf.constant([whole, "the"]))["log_probability"]
    np.testing.assert_allclose(answer["log_probability"][0], scores[0] - scores[1], rtol=1e-4)


def test_a_text_from_a_label_ends(labelled):
    uniform = np.random.default_rng(0).random([40, 200], np.float32)
    label = tf.constant(["ode", "epic"] * 20)
    first, states = labelled.begin(tf.fill([40], ""), label)
    written = labelled.generate_ids(first, states, uniform, **SETTINGS)
    ids, lengths = written["ids"].numpy(), written["lengths"].numpy()
    ended = [row[length - 1] == labelled.text.end for row, length in zip(ids, lengths)]
    assert sum(ended) > 20 and not ids[np.arange(200) >= lengths[:, None]].any()
    assert (ids != labelled.text.start).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "labelled", "adaptive"])
def test_every_runtime_writes_the_same_text(kind, request, tmp_path):
    head = request.getfixturevalue(kind)
    asked = ["epic", "ode", "epic"] if head.labels else ["the wrath", "", "我"]
    questions = head.example_inputs(tf.constant(asked))
    assert set(questions) == set(head.signatures()), "the gate asks every signature"
    with exports_here():
        saved_model.write(head, tmp_path / "saved_model", asked)
        tflite.write(head, tmp_path / "tflite", variants=["float32"])
    served = saved_model.load(tmp_path / "saved_model")
    lite = tflite.Lite(tmp_path / "tflite/model_float32.tflite")
    assert served["search"](**questions["search"])["text"].numpy().tolist() == \
        head.search(**questions["search"])["text"].numpy().tolist()
    for settings in (GREEDY, SETTINGS, {**SETTINGS, "top_k": 5, "top_p": 0.9, "typical": 0.9}):
        chosen = {name: tf.constant(value) for name, value in settings.items()}
        text = {**questions["generate"], **chosen}
        expected = head.generate(**text)["text"].numpy().tolist()
        assert served["generate"](**text)["text"].numpy().tolist() == expected
        ids = lite("generate_ids", **{**questions["generate_ids"], **chosen})["ids"]
        assert head.text.strings(ids, inside=not head.labels).numpy().tolist() == expected
    assert set(lite.signatures) == {"ids", "init", "step", "generate_ids"}


@pytest.mark.slow
def test_a_file_scores_by_clusters_whichever_words_there_are(adaptive, tmp_path):
    """None of a cluster, one, several, and padding."""
    lite = as_lite(tmp_path, adaptive.variables, ids=adaptive.lite_signatures()["ids"])
    given = adaptive.example_inputs(tf.constant(["sing", "o"]))["ids"]
    for ids in ([[4, 5, 4], [5, 4, 5]], [[4, 7, 11], [13, 4, 4]], [[13, 12, 8], [6, 12, 0]], [[0], [9]]):
        inputs = {**given, "ids": tf.constant(ids)}
        expected, _ = adaptive.score(inputs["ids"], given["previous"], [
            given[f"state_{n}"] for n in range(4)])
        np.testing.assert_allclose(lite("ids", **inputs)["log_probability"],
                                   expected, atol=1e-4)


@pytest.mark.slow
def test_a_step_in_integers_says_almost_the_same(plain, tmp_path):
    data = RunningText(plain, Stream([VERSE], 0, len(VERSE)))
    written = tflite.write(plain, tmp_path, variants=["float32", "int16x8"],
                           calibration=data.calibration(of_head(plain)))
    lite = tflite.Lite(tmp_path / written["int16x8"]["file"])
    assert set(lite.signatures) == {"step"}
    np.testing.assert_allclose(data.predict(lite), data.predict(of_head(plain)), atol=0.05)
    ops = tflite.op_names(tmp_path / written["int16x8"]["file"])
    assert "QUANTIZE" in ops and not any(op.startswith("custom") for op in ops)
    assert set(product_types(tmp_path / written["int16x8"]["file"])) == {"int16"}


def product_types(path):
    """What the matrix products of a file are given."""
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(str(path))
    types = {tensor["index"]: tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
    return [types[op["inputs"][0]] for op in interpreter._get_ops_details()
            if op["op_name"] == "FULLY_CONNECTED"]


def test_a_beam_finds_the_likeliest_of_all_texts(labelled):
    """All that have ended after up to three symbols, or have three."""
    symbols = range(3, len(labelled.text))
    ended = [[*first, 3] for first in ([], *([n] for n in symbols if n > 3))]
    texts = [*ended, *itertools.product(symbols[1:], symbols[1:], symbols)]
    lengths = np.array([len(text) for text in texts])
    ids = np.array([[*text, *[0] * (3 - len(text))] for text in texts], np.int32)
    states = labelled.first_states(ids, tf.fill([len(ids)], "ode"))
    start = tf.fill([len(ids)], labelled.text.start)
    log_p = labelled.score(ids, start, states)[0].numpy().sum(1)
    best = (log_p / lengths).argmax()
    answer = labelled.search(tf.constant([""]), tf.constant(["ode"]), width=400, length=3)
    assert answer["text"][0] == labelled.text.strings(ids[best:best + 1])[0]
    np.testing.assert_allclose(answer["log_probability"][0], log_p[best], rtol=1e-4)


def test_serving_answers_the_same_at_every_call(plain):
    first, second = plain.predict(["the"]), plain.predict(["the"])
    assert first == second and len(first[0]["text"]) > 100


@pytest.mark.slow
@pytest.mark.parametrize("make", [head_of, translator])
def test_a_process_that_imports_zoo_alone_loads_it(make, tmp_path):
    make().save(tmp_path)
    code = f"import zoo; zoo.load({str(tmp_path)!r})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()[-300:]
