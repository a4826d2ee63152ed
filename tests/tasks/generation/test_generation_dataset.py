"""What a language model reads of a corpus: every symbol once, in order, each with its end."""

import math
import types

import numpy as np
import pytest

from tasks.exporting import of_head
from tasks.generation.dataset import FEW, LabelledTexts, RunningText, encoded, lines, openings
from tasks.generation.streams import Stream
from tasks.reading.splits import Example
from zoo.models.language_model import Generator, TextGenerator
from zoo.text.subwords import Subwords

VERSE = "sing, o muse\nthe wrath 我\n\nof\n" * 40


def head_of(labels=(), tokenizer="character", **options):
    """A head with random weights."""
    text = Subwords.learn([VERSE], tokenizer)
    network = Generator(len(text), labels, units=6, embedding=4, **options)
    random = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.7))
    return TextGenerator(network, text)


def stream(text=VERSE):
    return Stream([text], 0, len(text))


def by_steps(head, ids, states):
    """log p of ids after the start, by steps alone."""
    last, found = head.text.start, []
    for wanted in ids:
        z, states = head.network.step(np.array([last], np.int32), states)
        z = np.float64(z)[0]
        found.append(z[wanted] - np.log(np.exp(z).sum()))
        last = wanted
    return np.array(found)


@pytest.mark.parametrize("pieces", [
    [VERSE], ["si", "ng\nthe", " wrath\n", "of"], ["\n", "\n\n", "o"], []])
def test_blocks_end_where_lines_end_and_lose_nothing(pieces):
    found = list(lines(pieces))
    assert "".join(found) == "".join(pieces)
    assert all(block.endswith("\n") for block in found[:-1]) and all(found)


def test_a_text_without_line_ends_is_cut_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr("tasks.generation.dataset.BLOCK", 10)
    assert list(lines(["abcdef", "ghijkl", "mn"])) == ["abcdefghijkl", "mn"]


@pytest.mark.parametrize("tokenizer", ["character", "word"])
def test_the_ids_on_disk_are_those_of_the_text(tokenizer):
    text = Subwords.learn([VERSE], tokenizer)
    ids = encoded(text, stream())
    np.testing.assert_array_equal(ids, text([VERSE]).to_list()[0])
    assert text.strings(np.int32(ids)).numpy().decode() == VERSE
    assert not len(encoded(text, []))


def test_openings_are_the_first_lines_that_say_something():
    assert openings(stream(), count=3, width=6) == ["sing, ", "the wr", "of"]
    assert openings(stream("  \n\n")) == []


def test_every_symbol_of_a_running_text_is_scored_once_after_all_before_it(monkeypatch):
    head = head_of()
    data = RunningText(head, stream(VERSE[:70]))
    expected = by_steps(head, data.ids, head.network.start({"ids": np.zeros([1, 1], np.int32)}))
    for window in (7, 70, 512):
        monkeypatch.setattr("tasks.generation.dataset.WINDOW", window)
        np.testing.assert_allclose(data.predict(of_head(head)), expected, atol=1e-4)
    assert len(data) == 1 and len(data.targets) == data.characters == 70


class StepAlone:
    """A file that has one signature, fed by a head."""

    signatures = {"step": {}}

    def __init__(self, head):
        self.run = of_head(head)

    def __call__(self, signature, **inputs):
        assert signature == "step"
        return {name: value.numpy() for name, value in self.run(signature, **inputs).items()}


def test_a_file_that_has_only_steps_gives_the_same_predictions():
    head = head_of()
    data = RunningText(head, stream(VERSE[:70]))
    np.testing.assert_allclose(data.predict(StepAlone(head)), data.predict(of_head(head)), atol=1e-4)


def test_what_calibrates_are_steps_from_the_beginning_with_their_states():
    head = head_of()
    data = RunningText(head, stream(VERSE[:70]))
    first, second, third = data.calibration(of_head(head))[:3]
    assert first["ids"] == [head.text.start] and not first["state_0"].any()
    assert [second["ids"], third["ids"]] == [*data.ids[:2, None]]
    after = of_head(head)("step", **second)
    np.testing.assert_array_equal(third["state_0"], after["state_0"])
    data.vocabulary_size = FEW + 1
    assert data.calibration(of_head(head)) is None


def test_texts_with_labels_are_scored_with_their_ends_in_their_own_order():
    head = head_of(["ode", "epic"], vector="every")
    pairs = [("o", "epic"), ("the wrath", "ode"), ("", "ode"), ("我", "epic")]
    examples = [Example(*pair) for pair in pairs]
    data = LabelledTexts(head, examples)
    expected = []
    for text, label in examples:
        given = {"ids": np.zeros([1, 1], np.int32), "label": np.array([head.labels.index(label)])}
        ids = [*head.text([text]).to_list()[0], head.text.end]
        expected.append(by_steps(head, ids, head.network.start(given)))
    for tokens in (1, 16384):
        predictions = data.predict(of_head(head), tokens)
        np.testing.assert_allclose(predictions, np.concatenate(expected), atol=1e-4)
    assert data.lengths.tolist() == [2, 10, 1, 2] and data.characters == 15
    assert data.texts == ["epic", "ode", "ode", "epic"]


def test_a_batch_of_labelled_texts_predicts_each_symbol_from_the_one_before():
    head = head_of(["ode", "epic"])
    data = LabelledTexts(head, [Example("of", "epic"), Example("", "ode")])
    batch, (o, f) = data.batch(np.array([1, 0])), head.text(["of"]).to_list()[0]
    start, end = head.text.start, head.text.end
    np.testing.assert_array_equal(batch.targets, [[end, 0, 0], [o, f, end]])
    np.testing.assert_array_equal(batch.inputs["ids"], [[start, end, 0], [start, o, f]])
    np.testing.assert_array_equal(batch.inputs["label"], [0, 1])
    assert batch.count == batch.tokens == 4


def test_metrics_count_each_symbol_and_each_character_once():
    data = RunningText(head_of(), stream("of\n"))
    data.characters = 6
    scores = data.metrics([math.log(0.5), math.log(0.25), math.log(0.5)])
    assert scores["nats_per_token"] == pytest.approx(4 / 3 * math.log(2))
    assert scores["perplexity"] == pytest.approx(2 ** (4 / 3))
    assert scores["bits_per_character"] == pytest.approx(4 / 6)
    assert scores["log_likelihood"] == -scores["nats_per_token"]


def test_bits_per_character_are_no_fewer_than_the_sources_entropy_where_words_are_unknown():
    """Words of six letters, drawn independently: no code of theirs needs fewer bits than the entropy."""
    random = np.random.default_rng(0)
    words = sorted({"".join(random.choice([*"bdfgklmn"]) + random.choice([*"aeiou"]) for _ in range(3))
                    for _ in range(500)})
    p = 1 / np.arange(1, len(words) + 1)
    p /= p.sum()
    text = " ".join(random.choice(words, 5000, p=p))
    entropy = -(p @ np.log2(p)) / 7
    for size in (20, 1000):
        network = types.SimpleNamespace(state_size=[1])
        head = types.SimpleNamespace(text=Subwords.learn([text], "word", size), network=network)
        data = RunningText(head, stream(text))
        counts = np.bincount(data.ids)
        found = data.metrics(np.log(counts[data.ids] / len(data.ids)))
        assert found["bits_per_character"] > 0.97 * entropy
        assert found["unknown_share"] == np.mean(data.ids == 1)


@pytest.mark.parametrize("labels", [(), ("ode", "epic")])
@pytest.mark.parametrize("tokenizer, unknown, size", [
    ("character", 2, 3 + 2), ("word", 2, 5 + 3), ("subword", 2, 5 + 3)])
def test_an_unknown_token_costs_its_bytes_and_an_end(labels, tokenizer, unknown, size):
    text = "sing €, é" if tokenizer == "character" else "sing éé, é"
    head = head_of(labels, tokenizer)
    data = LabelledTexts(head, [Example(text, "ode")]) if labels else RunningText(head, stream(text))
    tokens = len(data.targets)
    found = data.metrics(np.full(tokens, math.log(0.5)))
    assert found["unknown_share"] == unknown / tokens
    assert found["perplexity"] == pytest.approx(2)
    bits = tokens + math.log2(257) * (size + unknown)
    assert found["bits_per_character"] == pytest.approx(bits / (len(text) + bool(labels)))


def test_a_device_is_asked_for_one_symbol_at_a_time():
    head = head_of()
    signature, requests = RunningText(head, stream("of\n")).requests(3)
    assert signature == "step" and len(requests) == 3
    answer = of_head(head)(signature, **requests[0])
    assert answer["log_probability"].shape == (1, len(head.text))
