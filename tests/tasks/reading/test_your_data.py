"""The examples of docs/your_data.md and docs/your_data_tagging.md are read as the pages say."""
import json
import re

import pytest

from conftest import ROOT
from tasks.reading import columns, records
from tasks.reading.splits import Sentence
from tasks.translation import parallel_files

DOCS = ROOT / "docs"
GOOD = ("Warm, and on time.", "good")
NAMES = {"CSV": "a.csv", "JSON Lines": "a.jsonl", "JSON": "a.json", "JSON by": "b.json",
         "fastText": "a.txt", "a table with a": "a.tsv", "a table without": "b.tsv"}


def examples(page, heading):
    """{the name of a format: its example} of the table below a heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    section = text.partition(f"## {heading}")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \| (.+) \|$", section, re.M)
    return {name: "\n".join(re.findall("`([^`]+)`", cell.partition(" (")[0])).replace("⇥", "\t")
            for name, cell in rows}


@pytest.mark.parametrize("start", ["CSV", "JSON Lines", "JSON", "JSON by", "fastText"])
def test_the_examples_of_texts_with_labels_are_read(tmp_path, start):
    found = examples("your_data.md", "Classification")
    text = next(found[name] for name in found if re.match(rf"{start}\b(?! (Lines|by))", name))
    (tmp_path / NAMES[start]).write_text(text, encoding="utf-8")
    table = records.read(tmp_path / NAMES[start], "rows")
    rows = [tuple(row) for _, row in table.rows]
    if start == "CSV":
        assert rows == [("text", "label"), GOOD, ('The "new" one broke.', "bad")]
    else:
        assert table.names == ["text", "label"]
        assert rows[0] == ((GOOD[0], ("good",)) if start == "fastText" else GOOD)


@pytest.mark.parametrize("start", ["a table with a", "a table without", "JSON Lines"])
def test_the_examples_of_pairs_are_read(tmp_path, start):
    found = examples("your_data.md", "Translation")
    text = next(found[name] for name in found if name.startswith(start))
    (tmp_path / NAMES[start]).write_text(text, encoding="utf-8")
    texts = parallel_files.read(str(tmp_path / NAMES[start]))
    assert texts.datasets["train"] == [("Guten Morgen.", "Good morning.")]


def blocks():
    return re.findall(r"^```\n(.*?)^```", (DOCS / "your_data_tagging.md").read_text(encoding="utf-8"),
                      re.M | re.S)


@pytest.mark.parametrize("start, expected", [
    ("Ada NNP", [Sentence(("Ada", "Byron", "wrote"), ("B-PER", "I-PER", "O")),
                 Sentence(("Rain", "in", "Lima"), ("O", "O", "B-LOC"))]),
    ("sentence_id", [Sentence(("Ada", "wrote"), ("B-PER", "O")), Sentence(("Rain",), ("O",))]),
    ('{"tokens": ["Ada"', [Sentence(("Ada", "wrote"), ("B-PER", "O"))]),
    ("Ada/NNP", [Sentence(("Ada", "wrote", "."), ("NNP", "VBD", ".")),
                 Sentence(("Rain", "fell", "."), ("NN", "VBD", "."))]),
    ('{"text": "Ada lives in Oslo.", "label"',
     [Sentence(("Ada", "lives", "in", "Oslo", "."), ("B-PER", "O", "O", "B-LOC", "O"))]),
    ('[{"data"', [Sentence(("Ada", "lives", "in", "Oslo", "."), ("B-PER", "O", "O", "O", "O"))]),
    ('{"text": "Ada lives in Oslo.", "spans"',
     [Sentence(("Ada", "lives", "in", "Oslo", "."), ("B-PER", "O", "O", "O", "O"))])])
def test_the_examples_of_tokens_and_tags_are_read(tmp_path, start, expected):
    (text,) = [block for block in blocks() if block.startswith(start)]
    if "spans" in start:                # the pair in its second line is another form
        text, pair = text.splitlines()
        assert json.loads(pair)[1] == {"entities": [[0, 3, "PER"]]}
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    datasets, _, _ = columns.read(str(tmp_path / "a.txt"))
    assert datasets["train"] == expected
