"""Models in headless Chromium by LiteRT.js give the answers that Python gives."""
import json
import random

import numpy as np
import pytest

from benchmarks import browser
from export import fixed_shapes
from heads import classifier, generator, tagger, translator
from test_export_run import continued, on_device

if browser.missing():
    pytest.skip(browser.missing(), allow_module_level=True)

pytestmark = pytest.mark.slow
LENGTH = 24
TEXTS = ["A good film, not bad!", "", "bad 🙂 film", "not a \ud83d Film ΑΣ", "'film' 很好 " * 3]


def browsers(free):
    """The signatures of web files, of one length."""
    return fixed_shapes.fixed(fixed_shapes.computed(free), LENGTH)


def in_browser(head, folder, script, given):
    """What a page with a head's web file, `head`, posts."""
    path = on_device(head, folder / "web", "web", browsers)
    (path.parent / "given.json").write_text(json.dumps(given), encoding="utf-8")
    found = browser.posted(path.parent, f"""
        const given = await (await fetch("given.json")).json(), head = await open("/web.tflite");
        const found = [];
        {script}
        post(found);""")
    assert "error" not in found, found
    return found


def texts(words, count=100):
    draw = random.Random(0)
    return [*TEXTS, *(" ".join(draw.choices(words, k=draw.randrange(LENGTH - 8))) for n in range(count))]


PREDICTED = "for (const text of given) found.push(await head.predict(text));"


@pytest.mark.parametrize("options", [{}, {"ngrams": 64}])
def test_labels_are_pythons(tmp_path, options):
    head = classifier("gru", "mean+max", **options)
    given = texts(["a", "good", "film", "not", "bad", "x"])
    found = in_browser(head, tmp_path, PREDICTED, given)
    for one, wanted in zip(found, head.predict(given), strict=True):
        assert one["label"] == wanted["label"]
        assert one["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)


@pytest.mark.parametrize("intents", [(), ("ask", "order", "tell")])
def test_tags_spans_and_intents_are_pythons(tmp_path, intents):
    head = tagger("wide_bilstm_char_crf", intents)
    given = texts(["a", "Good", "film", ",", "Bad", "Zoe\u0308", "𠮷"])
    found = in_browser(head, tmp_path, PREDICTED, given)
    for one, wanted in zip(found, head.predict(given), strict=True):
        for name in ("probability", *("confidence", "intents") * bool(intents)):
            assert one.pop(name) == pytest.approx(wanted.pop(name), abs=1e-5)
        assert one == wanted


@pytest.mark.parametrize("settings", [
    {"temperature": 0}, {"top_k": 5}, {"top_p": .5, "temperature": 1.3}], ids=str)
def test_texts_go_on_as_pythons_by_the_same_numbers(tmp_path, settings):
    head, given = generator(), ["sing o muse\nthe", "", "我 x?", "sing o muse\nthe wrath of o sing"]
    uniform = np.random.default_rng(0).random(30, np.float32).tolist()
    script = f"""for (const text of given.texts) found.push(await head.predict(text, {{
        uniform: given.uniform, ...{json.dumps(settings)}}}));"""
    found = in_browser(head, tmp_path, script, {"texts": given, "uniform": uniform})
    assert [one["text"] for one in found] == [continued(head, text, 30, **settings) for text in given]


def test_texts_follow_from_labels_as_pythons(tmp_path):
    head = generator(["ode", "epic"], vector="every")
    found = in_browser(head, tmp_path, """for (const text of given) found.push(
        await head.predict(text, {temperature: 0, length: 40}));""", head.labels)
    assert [one["text"] for one in found] == [
        continued(head, "", 40, label=label, temperature=0.0) for label in head.labels]


@pytest.mark.parametrize("options", [{}, {"attention": "none"}])
def test_translations_are_pythons(tmp_path, options):
    head = translator(**options)
    given = [text[:LENGTH] for text in texts(["我", "爱", "中国", "他不", "茶好", "猫"], 9)]
    found = in_browser(head, tmp_path, "for (const text of given) found.push(await head.predict(text, {"
                       "n_best: 3}));", given)
    for one, wanted in zip(found, given, strict=True):
        wanted = head.n_best([wanted], 5, 0.75)
        for n, translation in enumerate(one["translations"]):
            assert translation["translation"] == wanted["translations"][0, n].numpy().decode()
            assert translation["score"] == pytest.approx(float(wanted["scores"][0, n]), abs=1e-4)
