"""A corpus that was downloaded → what a task reads, for models whose corpus is not read as it is."""

import csv
import random

from tasks.reading.splits import SPLITS
from tasks.tagging import corpora as tagged

PREFIX = 8, 30          # shortest and longest start of a sentence that a language is to be told by
ENTITIES = "PER", "LOC", "ORG"


def languages(source, target):
    """Sentences with their language, three tables of both; in training half of the longer ones a second
    time, only their start."""
    choice = random.Random(0)
    for split in SPLITS:
        rows = table(source / f"{split}.tsv")[1:]
        if split == "train":
            rows += [(text[:choice.randint(*PREFIX)].strip(), label) for text, label in rows
                     if choice.random() < 0.5 and len(text) > PREFIX[1]]
        written(target / f"{split}.tsv", [("text", "label"), *rows])


def names(source, target):
    """Persons, places and organisations of tweets and of Wikipedia; `tests` holds each one's test split.

    Wikipedia's fourth type, MISC, is not marked in tweets: here it is no name anywhere.
    """
    corpora = {"broad_twitter": tagged.load(source / "broad_twitter"),
               "wikigold": tagged.load(source / "wikigold" / "wikigold.conll")}
    (target / "tests").mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        parts = {name: conll(getattr(corpus, split)) for name, corpus in corpora.items()}
        (target / f"{split}.conll").write_text("".join(parts.values()), encoding="utf-8")
    for name, part in parts.items():
        (target / "tests" / f"{name}.conll").write_text(part, encoding="utf-8")


CONVERSIONS = {"language-id": languages, "names-en": names}


def conll(sentences):
    """Sentences as lines of a token and its tag, B-X and I-X of the types in `ENTITIES`."""
    lines = []
    for sentence in sentences:
        before = "O"
        for token, tag in zip(sentence.tokens, sentence.tags):
            mark, _, kind = tag.partition("-")
            begins = mark in ("B", "S") or before[2:] != kind
            before = "O" if kind not in ENTITIES else f"B-{kind}" if begins else f"I-{kind}"
            lines.append(f"{token}\t{before}\n")
        lines.append("\n")
    return "".join(lines)


def table(path):
    """The rows of a file of tab-separated cells."""
    with open(path, encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def written(path, rows):
    """Write rows of cells, with tabs between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
