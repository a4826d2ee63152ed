"""The model card says all that it must, plainly, and says so when something is missing."""
import os

import pytest

from export import ExportError, model_card

FACTS = {
    "title": "sentiment on sample",
    "summary": "A GRU that tells good from bad.",
    "data": "Sentences from a small grammar, 800 to train on.",
    "terms": "Apache-2.0",
    "sizes": {"parameters": 1234567, "vocabulary": "900 words"},
    "variants": {"float32": {"bytes": 48000, "accuracy": .8125},
                 "int8": {"refused": "score 0.7 | too low"}},
    "seed": 3,
    "command": "python -m tasks.sentiment --seed=3",
    "signatures": {"ids": {"takes": "ids: int32 [?, ?]", "returns": "label: string [?]"}},
    "limits": ["English only.", "No sarcasm."],
}


def test_card_says_every_fact(tmp_path):
    model_card.write(tmp_path / "MODEL_CARD.md", FACTS)
    text = (tmp_path / "MODEL_CARD.md").read_text()
    for said in ["# sentiment on sample", "A GRU that", "800 to train", "Terms: Apache-2.0",
                 "parameters: 1,234,567", "vocabulary: 900 words", "Seed 3.",
                 "```\npython -m tasks.sentiment --seed=3\n```", "ids: int32 [?, ?]",
                 "label: string [?]", "* English only.\n* No sarcasm."]:
        assert said in text
    assert os.listdir(tmp_path) == ["MODEL_CARD.md"]


def test_variants_are_a_table_with_every_column_and_no_broken_cell():
    lines = model_card.card(FACTS).splitlines()
    start = lines.index("| variant | bytes | accuracy | refused |")
    assert lines[start:start + 4] == [
        "| variant | bytes | accuracy | refused |", "|---|---|---|---|",
        "| float32 | 48,000 | 0.8125 | – |", "| int8 | – | – | score 0.7 \\| too low |"]


@pytest.mark.parametrize("change, message", [
    ({"terms": None}, "missing: terms; unknown: none"),
    ({"accuracy": .9}, "missing: none; unknown: accuracy")])
def test_missing_and_unknown_facts_are_named(change, message):
    facts = {key: value for key, value in {**FACTS, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        model_card.card(facts)


def test_card_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot write the export to .*/file"):
        model_card.write(tmp_path / "file" / "MODEL_CARD.md", FACTS)


def test_the_card_counts_labels_and_says_how_the_model_is_called():
    text = model_card.card({**FACTS, "labels": {"good": 1200}, "use": ["python -m a"]})
    assert "Labels in training: good 1,200." in text and "## Use\n\n```\npython -m a\n```" in text
    assert "## Use" not in model_card.card(FACTS) and "Labels in training" not in model_card.card(FACTS)
