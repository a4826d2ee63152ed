"""Intents of sentences: how they are read, learnt with the tags, measured and predicted."""

import json
import re

import numpy as np
import pytest

import zoo
from conftest import exports_here
from export import run as device
from tasks import prediction, tagging
from tasks.reading.splits import WHOLE, Sentence
from tasks.tagging import corpora, dataset, metrics
from tasks.tagging.dataset import Sentences, Tagged
from tasks.tagging.options import Settings
from tasks.tagging.prediction import line
from tasks.tagging.task import Tagging
from tasks.training.run_directory import Run

PLACES, SONGS = ("Lima", "Oslo", "Quito", "Bergen", "Dakar"), ("Rain", "Goodbye", "Sunday", "Rivers")
SMALL = {"model": "bilstm", "units": 8, "embedding": 8, "epochs": 3, "learning_rate": 0.03,
         "average": 0.9}


def requests(count=120):
    """Distinct sentences of two intents, each with one slot."""
    rows = []
    for n in range(count):
        words = [("is", "it", "cold", "in"), ("play", "me", "now")][n % 2] + ("please",) * (n // 2 % 3)
        name = f"{(PLACES, SONGS)[n % 2][n % 4]}{n}"
        rows.append(Sentence((*words, name), ("O",) * len(words) + (("B-place", "B-song")[n % 2],),
                             ("weather", "music")[n % 2]))
    return rows


def columns(rows):
    return tuple(list(map(list, one)) if n < 2 else list(one) for n, one in enumerate(zip(*rows)))


def folder(path, labels=True, rows=None):
    """A folder of seq.in, seq.out and label."""
    path.mkdir(exist_ok=True)
    rows = rows or requests()
    (path / "seq.in").write_text("".join(" ".join(row.tokens) + "\n" for row in rows))
    (path / "seq.out").write_text("".join(" ".join(row.tags) + "\n" for row in rows))
    if labels:
        (path / "label").write_text("".join(f"{row.intent}\n" for row in rows))
    return str(path)


def intents(corpus):
    """{text: intent} of all splits."""
    return {row.text: row.intent for row in [*corpus.train, *corpus.validation, *corpus.test]}


EXPECTED = {row.text: row.intent for row in requests()}


# ---------------------------------------------------------------------------------------------- reading

def as_json(rows, **names):
    keys = {"tokens": "tokens", "tags": "tags", "intent": "intent", **names}
    return "".join(json.dumps({keys["tokens"]: row.tokens, keys["tags"]: row.tags,
                               keys["intent"]: row.intent}) + "\n" for row in rows)


def as_spans(rows):
    return "".join(json.dumps({"text": row.text, "intent": row.intent, "label": [
        [len(row.text) - len(row.tokens[-1]), len(row.text), row.tags[-1][2:]]]}) + "\n" for row in rows)


def as_columns(rows):
    return "\n".join(f"# intent: {row.intent}\n" + "".join(
        f"{token}\t{tag}\n" for token, tag in zip(row.tokens, row.tags)) for row in rows)


def as_table(rows, form="{sentence},{token},{tag},{intent}\n"):
    return re.sub("[{}]", "", form) + "".join(
        form.format(sentence=n, token=token, tag=tag, intent=row.intent) for n, row in enumerate(rows)
        for token, tag in zip(row.tokens, row.tags))


@pytest.mark.parametrize("name, text, options", [
    ("a.jsonl", as_json(requests()), {}),
    ("a.jsonl", as_json(requests(), intent="label"), {}),
    ("a.jsonl", as_json(requests(), intent="goal"), {"intent_column": "goal"}),
    ("a.jsonl", as_spans(requests()), {}),
    ("a.conll", as_columns(requests()), {}),
    ("a.csv", as_table(requests()), {}),
    ("a.csv", as_table(requests(), "{intent},{sentence},{token},{tag}\n"), {}),
    ("a.csv", as_table(requests()).replace("intent", "goal", 1), {"intent_column": "goal"})])
def test_the_label_of_a_sentence_is_read_from_every_format(tmp_path, name, text, options):
    (tmp_path / name).write_text(text)
    corpus = corpora.load(str(tmp_path / name), **options)
    assert intents(corpus) == EXPECTED and corpus.intents == ["music", "weather"]
    alone = corpora.load(str(tmp_path / name), intent=False)
    assert set(intents(alone).values()) == {None} and not alone.intents


def test_the_labels_of_seq_in_are_read_but_where_none_are_wanted(tmp_path):
    path = folder(tmp_path / "a")
    assert intents(corpora.load(path)) == EXPECTED
    assert set(intents(corpora.load(path, intent=False)).values()) == {None}
    without = corpora.load(folder(tmp_path / "b", labels=False))
    assert not without.intents
    assert without.fingerprint == corpora.load(path, intent=False).fingerprint
    assert without.fingerprint != corpora.load(path).fingerprint


def test_a_column_of_strings_that_seldom_repeat_is_no_intent(tmp_path):
    rows = [row._replace(intent=f"request {n}") for n, row in enumerate(requests())]
    (tmp_path / "a.jsonl").write_text(as_json(rows, intent="label"))
    assert not corpora.load(str(tmp_path / "a.jsonl")).intents


def test_the_key_intent_is_read_however_many_there_are(tmp_path):
    rows = [row._replace(intent=f"request {n}") for n, row in enumerate(requests())]
    (tmp_path / "a.jsonl").write_text(as_json(rows))
    assert intents(corpora.load(str(tmp_path / "a.jsonl"), held_out=WHOLE)) == {
        row.text: row.intent for row in rows}


def test_a_row_without_an_intent_s_column_is_named(tmp_path):
    lines = as_table(requests()).splitlines()
    lines[1] = lines[1].rpartition(",")[0]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="line 2: expected 4 columns .*, received 3"):
        corpora.load(str(tmp_path / "a.csv"))


@pytest.mark.parametrize("change, message", [
    (lambda text: text[:-6], "expected as many lines in .*seq.in and label, received 120 and 119"),
    (lambda text: "\n" + text.partition("\n")[2], "label, line 1: expected a label")])
def test_labels_that_do_not_fit_are_refused(tmp_path, change, message):
    path = folder(tmp_path / "a")
    text = (tmp_path / "a" / "label").read_text()
    (tmp_path / "a" / "label").write_text(change(text))
    with pytest.raises(ValueError, match=message):
        corpora.load(path)
    assert corpora.load(path, intent=False).labels


def test_a_split_without_labels_beside_one_with_them_is_refused(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", labels=False, rows=requests(140)[120:])
    with pytest.raises(ValueError, match="a label of every sentence, received 20 of 140 without"):
        corpora.load(str(tmp_path))
    assert len(corpora.load(str(tmp_path), intent=False).test) == 20


def test_labels_that_are_demanded_or_all_the_same_are_spoken_of(tmp_path):
    with pytest.raises(ValueError, match="expected a label of every sentence, received 120 of 120"):
        corpora.load(folder(tmp_path / "a", labels=False), intent=True)
    same = [row._replace(intent="one") for row in requests()]
    corpus = corpora.load(folder(tmp_path / "b", rows=same))
    assert not corpus.intents and "all sentences have the label 'one'" in corpus.warnings[0]


def test_an_intent_that_training_lacks_is_named(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", rows=[row._replace(intent="new") for row in requests(140)[120:]])
    assert "intent 'new' never occurs in training, 20 times in validation and test" in corpora.load(
        str(tmp_path)).warnings


# ------------------------------------------------------------------------------------------- measuring

def test_intents_are_measured_and_so_is_what_is_right_altogether():
    gold = [["O", "B-x"], ["O"], ["B-x"]]
    found = metrics.both(gold, [["O", "B-x"], ["O"], ["O"]], ["a", "b", "a"], ["a", "a", "a"])
    assert found == {"both_right": pytest.approx(1 / 3)}
    p = [[0.75, 0.25], [0.75, 0.25], [0.75, 0.25]]
    assert metrics.intents(["a", "b", "new"], p, ["a", "b"])["intent_accuracy"] == pytest.approx(1 / 3)
    found = metrics.intents(["a", "b", "a"], p, ["a", "b"])
    assert found["expected_calibration_error"] == pytest.approx(0.75 - 2 / 3)


@pytest.fixture(scope="module")
def model():
    train, validation = requests(160)[:120], requests(160)[120:]
    tokens, tags, labels = columns(train)
    return tagging.fit(tokens, tags, intents=labels, validation=columns(validation), verbose=False,
                       seed=1, **SMALL)


def test_fit_learns_both_and_evaluate_measures_what_is_known(model):
    tokens, tags, labels = columns(requests(160)[120:])
    report = tagging.evaluate(model, tokens, tags, labels)
    assert report.intent_accuracy == 1 and report.both_right > 0.9
    assert report.mean_score == pytest.approx((report.span_f1 + report.intent_accuracy) / 2)
    assert report.per_intent["music"] == {"precision": 1, "recall": 1, "f1": 1, "support": 20}
    alone = tagging.evaluate(model, tokens, tags)
    assert alone.span_f1 == report.span_f1 and "intent_accuracy" not in alone.metrics
    swapped = tagging.evaluate(model, tokens, tags, ["music", "weather"] * 20)
    assert swapped.intent_accuracy == 0 and swapped.both_right == 0
    assert swapped.errors[0]["intent"] != swapped.errors[0]["predicted_intent"]


def test_the_temperature_is_fitted_on_validation(model):
    validation = Sentences(model, requests(160)[120:])
    validation.intents[20:] = ["music", "weather"] * 10     # half of them wrong: a guess
    task = Tagging(Settings.of(corpus="sample"))
    before = model.temperature
    task.calibrate(model, validation)
    assert model.temperature > 10 > before
    task.calibrate(model, Sentences(model, requests(160)[120:]))
    assert model.temperature == pytest.approx(before, rel=1e-3)


def test_rows_of_predictions_hold_both(model):
    data = Sentences(model, requests(4))
    predictions = data.of_baseline(intents=[[0.25, 0.75]] * 4)
    found = data.metrics(predictions)
    assert found["intent_accuracy"] == 0.5 and "span_f1" not in found
    predictions = [Tagged(row.tags, one.intent, one.probabilities)
                   for row, one in zip(requests(4), predictions)]
    rows = list(data.rows(predictions))
    assert rows[0]["intent"] == rows[0]["predicted_intent"] == "weather"
    assert (rows[1]["intent"], rows[1]["predicted_intent"], rows[1]["confidence"]) == (
        "music", "weather", 0.75)
    assert [dataset.badness(dataset.error(row)) for row in rows[:2]] == [(False, 0), (True, 0)]


def test_two_predictions_are_the_same_whatever_their_probabilities():
    assert Tagged(["O"], "a", np.array([0.6, 0.4])) == Tagged(["O"], "a", np.array([0.7, 0.3]))
    assert Tagged(["O"], "a") != Tagged(["O"], "b")


# ------------------------------------------------------------------------------------------ predicting

def test_a_line_and_a_row_of_a_file_name_the_intent(model, tmp_path):
    row = model.predict("play me now Rain1")[0]
    assert line(row, "play me now Rain1").startswith("music  ")
    settings = Settings.of(output_dir=trained(tmp_path), input="-")
    wanted = prediction.of("tagging", settings, lambda run: model)
    added = wanted.added(row, "play me now Rain1")
    assert list(added) == ["intent", "confidence", "spans"] and added["intent"] == "music"


def trained(path):
    """The folder of a run that knows its settings alone."""
    Run.open(path / "run", "tagging", {"corpus": "sample"})
    return str(path / "run")


def test_a_run_of_an_earlier_version_is_read_without_intents(tmp_path):
    run = Run.existing(trained(tmp_path), "tagging")
    assert Settings.of().resumed(run.settings).intent is False
    assert Settings.of().resumed({**run.settings, "intent": None}).intent is None
    assert Settings.of(intent=True).resumed(run.settings).intent is True


@pytest.mark.slow
def test_a_whole_run_exports_both_and_every_file_predicts_them(tmp_path):
    path = folder(tmp_path / "corpus", rows=requests(400))
    output = tmp_path / "run"
    with exports_here():
        Tagging(Settings.of(corpus=path, output_dir=str(output), **SMALL)).main()
    found = json.loads((output / "metrics.json").read_text())
    assert found["test"]["intent_accuracy"] == 1 and found["temperature"] > 0
    assert {"majority, intents", "multinomial naive Bayes, intents"} <= set(found["baselines"])
    assert "intent_accuracy" not in found["baselines"]["most frequent tag"]
    card = (output / "MODEL_CARD.md").read_text()
    assert "intents: music, weather" in card and "| both |" in card
    first = json.loads((output / "test_predictions.jsonl").read_text().splitlines()[0])
    assert first["intent"] == first["predicted_intent"] and 0 < first["confidence"] <= 1
    texts = ["play me now Rain1", "is it cold in Lima7"]
    wanted = zoo.load(output).predict(texts)
    for variant in ("float32", "float16", "int8", "static"):
        entry = found["exports"]["tflite"][variant]
        assert entry["test"]["intent_accuracy"] == 1 and entry["test"]["both_right"] > 0.9
        rows = device.load(output / "tflite" / entry["file"]).predict(texts)
        assert [row["intent"] for row in rows] == ["music", "weather"]
        assert rows[0]["confidence"] == pytest.approx(wanted[0]["confidence"], abs=0.05)
    assert found["exports"]["saved_model"]["same"] == {"validation": 1.0, "test": 1.0}
