"""Roles of columns, doubts about labels, and splits by name, of texts with labels."""
import random
import re

import pytest

from tasks.reading import roles, splits
from tasks.sentiment import corpora

PARTS = ("train", "validation", "test")
TEXTS = [f"{who} {what} {which}" for who in "I you we they she he Tom Mary".split()
         for what in "like hate love see want need".split()
         for which in "tea milk bread cheese jam cake pie rice fish soup".split()]
ROWS = [(text, "pos" if n % 2 else "neg") for n, text in enumerate(TEXTS)]


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def table(rows, separator="\t", head=None):
    return "".join(separator.join(map(str, row)) + "\n" for row in [*([head] if head else []), *rows])


def everything(corpus):
    return sorted(example for part in PARTS for example in getattr(corpus, part))


def load(folder, text, name="a.tsv", **options):
    return corpora.load(write(folder, name, text), **options)


# ------------------------------------------------------------------------------------------------ roles

@pytest.mark.parametrize("head, options", [
    (("v2", "v1"), {}), (("v2", "v1"), {"text_column": 1, "label_column": 2}),
    (("headline", "is_sarcastic"), {}), (("", "text", "label"), {}), (("id", "Comment", "Class"), {}),
    (("id", "what it says", "which it is"), {}), (("nr", "what", "mood"), {"label_column": "MOOD"}),
    (("Ticket No", "body", "queue"), {}), (None, {}), (("id",), {}), (("score",), {}), (("code",), {}),
])
def test_columns_are_recognised_with_a_header_and_without(tmp_path, head, options):
    first = {("score",): lambda n: f"0.{n % 7}", ("code",): lambda n: f"row-{n}"}.get(head, lambda n: n)
    rows = [(first(n), *row) for n, row in enumerate(ROWS)] if head and len(head) != 2 else ROWS
    corpus = load(tmp_path, table(rows, head=head if head and len(head) > 1 else None), **options)
    assert everything(corpus) == sorted(ROWS) and not corpus.warnings


@pytest.mark.parametrize("first", [("A day out, with tea", "mixed"), ("one two three four", "mixed")])
def test_a_first_row_with_a_label_of_its_own_is_a_row(tmp_path, first):
    assert first in everything(load(tmp_path, table([first, *ROWS])))


def test_few_values_are_the_label_however_long_they_are(tmp_path):
    rng = random.Random(0)
    names = sorted({"".join(rng.choices("aeioubdlmnrst", k=4)).title() for _ in range(632)})
    rows = [(name, f"Portuguese of {'abcdefgh'[n % 8] * 9}") for n, name in enumerate(names)]
    assert everything(load(tmp_path, table(rows))) == sorted(rows)
    assert everything(load(tmp_path, table([row[::-1] for row in rows]))) == sorted(rows)


def test_numbers_are_labels_and_no_texts(tmp_path):
    rows = [(text, str(n % 5)) for n, text in enumerate(TEXTS)]
    assert everything(load(tmp_path, table([row[::-1] for row in rows]))) == sorted(rows)


def test_roles_of_training_hold_for_every_split(tmp_path):
    long = [("AddToPlaylist" if n % 2 else "BookRestaurant", f"please do this for me now: {text}")
            for n, text in enumerate(TEXTS)]
    short = [(("AddToPlaylist", "BookRestaurant")[n % 2], f"ok {n}") for n in range(40)]
    for name, rows in (("train", long), ("valid", long), ("test", short)):
        write(tmp_path, f"{name}.tsv", table(rows))
    corpus = corpora.load(str(tmp_path))
    assert corpus.labels == ["AddToPlaylist", "BookRestaurant"]
    assert corpus.test == [(text, label) for label, text in short]


def test_a_header_may_have_another_order_in_another_split(tmp_path):
    write(tmp_path, "train.csv", table([(*row, "x") for row in ROWS], ",", ("text", "label", "by")))
    write(tmp_path, "test.csv", table([row[::-1] for row in ROWS[:9]], ",", ("label", "text")))
    assert corpora.load(str(tmp_path)).test == ROWS[:9]
    write(tmp_path, "test.csv", table([row[:1] for row in ROWS[:9]], ",", ("text",)))
    with pytest.raises(ValueError, match="test.csv: expected the columns `text` and `label` as in the"):
        corpora.load(str(tmp_path))


def test_another_number_of_columns_in_another_split_is_refused(tmp_path):
    write(tmp_path, "train.csv", table(ROWS, ","))
    write(tmp_path, "test.csv", table([(*row, "x") for row in ROWS[:9]], ","))
    with pytest.raises(ValueError, match="test.csv: expected 2 columns as in the training file, re.* 3"):
        corpora.load(str(tmp_path))


@pytest.mark.parametrize("rows, head, message", [
    ([(n, text) for n, text in enumerate(TEXTS)], None, "a label in column 1, received an index"),
    ([(text, text[::-1], "ab"[n % 2]) for n, text in enumerate(TEXTS)], None,
     "received 3 columns; set text_column and label_column"),
    ([(text, "ab"[n % 2], "xy"[n % 2]) for n, text in enumerate(TEXTS)], ("what", "one", "two"),
     "received 3 columns: what, one, two; set text_column and label_column"),
    ([(n % 2, n % 3) for n in range(60)], None, "expected a text in column 1, received numbers only"),
])
def test_what_stays_open_is_refused_with_the_flags_that_say_it(tmp_path, rows, head, message):
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path, table(rows, head=head))
    assert "\n" not in str(error.value)


def test_an_id_is_neither_text_nor_label(tmp_path):
    rows = [(text, "ab"[n % 2], "xy"[n % 2]) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows, head=("what", "one", "two")), id_column="two")
    assert corpus.labels == ["a", "b"]


def test_roles_are_shown_with_two_examples(tmp_path, capsys):
    from tasks.sentiment.options import Settings
    from tasks.sentiment.task import Sentiment
    rows = [(n, text, ("Billing", "Sales", "Sales")[n % 3]) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows, ";", ("id", "body", "queue")), "tickets.csv")
    first, *examples = corpus.description
    counts = {label: sum(e.label == label for e in corpus.train) for label in corpus.labels}
    assert first == (f"text: column `body`; label: column `queue`, 2 labels: Sales {counts['Sales']}, "
                     f"Billing {counts['Billing']}")
    assert examples == [f"  {text}  →  {label}" for text, label in corpus.train[:2]]
    Sentiment(Settings()).introduced(corpus)
    assert first in capsys.readouterr().out


@pytest.mark.parametrize("first, kind", [(["0", "1", "2"], "counts"), (["2", "7", "1"], "index"),
                                         (["a-1", "a-2", "b-2"], "code"), (["1.5", "2", "2"], "number")])
def test_kinds_of_columns(first, kind):
    assert getattr(roles.Column(first), kind) and not roles.Column(["tea", "tea", "jam"]).index


# ------------------------------------------------------------------------------------------------ doubts

@pytest.mark.parametrize("missing", ["", "NaN", "nan", " "])
def test_missing_labels_are_skipped_and_counted_and_none_is_a_label(tmp_path, missing):
    rows = [(text, (missing, "none", "some")[n % 3]) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows, head=("text", "label")))
    assert corpus.labels == ["none", "some"]
    assert corpus.warnings == ["a.tsv: 160 rows without a text or a label were skipped, the first in "
                               "line 2"]


def test_regression_skips_missing_numbers(tmp_path):
    rows = [(text, "nan" if n % 4 == 0 else n % 7) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows, head=("text", "stars")), regression=True)
    assert len(everything(corpus)) == 360 and "120 rows without" in corpus.warnings[0]


@pytest.mark.parametrize("label, options, warning", [
    (lambda n: ("Billing", "billing", "New York", "New  york")[n % 4], {},
     "labels 'Billing' and 'billing' differ by case or spaces only"),
    (lambda n: f"label {n // 2}", {}, "different labels in .* check label_column"),
    (lambda n: "rare" if n in (5, 9, 400) else "usual", {}, "99.* of the training labels are 'usual'"),
    (lambda n: ("Billing, high", "Sales, low")[n % 2], {"multi_label": True},
     "no cell has several labels between '|', but 2 labels have a ',', as 'Billing, high': set lab"),
    (lambda n: ("fast|cheap", "slow")[n % 2], {}, "1 labels have a '|', as 'fast|cheap': set multi"),
])
def test_doubts_about_labels_are_said(tmp_path, label, options, warning):
    rows = [(text, label(n)) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows, head=("text", "label")), **options)
    assert any(re.search(warning.replace("|", r"\|"), found) for found in corpus.warnings)


def test_a_separator_of_labels_may_be_named(tmp_path):
    rows = [(text, ("Billing, high", "Sales, low")[n % 2]) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows), multi_label=True, label_separator=",")
    assert corpus.labels == ["Billing", "Sales", "high", "low"] and not corpus.warnings


# ---------------------------------------------------------------------------------------- splits by name

@pytest.mark.parametrize("name, part", [
    ("train.csv", "train"), ("TrainSet.csv", "train"), ("training_data.tsv", "train"),
    ("trn.txt", "train"),
    ("train-00000-of-00001.parquet", "train"), ("X_train.csv", "train"), ("训练集.csv", "train"),
    ("dev.tsv", "validation"), ("Development.csv", "validation"), ("valid.txt", "validation"),
    ("validation_set.csv", "validation"), ("valset.csv", "validation"), ("newsdev2016.de", "validation"),
    ("held_out.csv", "validation"), ("eval.jsonl", "validation"), ("esp.testa", "validation"),
    ("验证集.csv", "validation"), ("test.csv", "test"), ("newstest2014.en", "test"), ("tst2010.de", "test"),
    ("TestData.csv", "test"), ("testing.csv", "test"), ("ptb.test.txt", "test"), ("esp.testb", "test"),
    ("测试.csv", "test"), ("README.md", None), ("train_and_test.csv", None), ("latest.csv", None),
    ("contest.csv", None), ("strain.csv", None), ("devices.csv", None)])
def test_a_name_speaks_of_its_split(name, part):
    assert splits.part(name) == part


def test_files_that_are_not_used_are_named(tmp_path):
    for name in ("train.csv", "Dev.csv", "testing.csv"):
        write(tmp_path, name, table(ROWS[:40], ","))
    for name in ("notes.tsv", "README.md", ".hidden", "LICENSE"):
        write(tmp_path, name, "about")
    corpus = corpora.load(str(tmp_path))
    assert len(corpus.validation) == len(corpus.test) == 40
    assert "left out: notes.tsv" in corpus.warnings


def test_a_folder_with_one_table_is_that_table(tmp_path):
    write(tmp_path, "tickets.csv", table(ROWS, ","))
    write(tmp_path, "README.txt.md", "about")
    assert everything(corpora.load(str(tmp_path))) == sorted(ROWS)


@pytest.mark.parametrize("names", [("train.csv", "train.tsv"), ("train.csv", "dev.csv", "valid.csv")])
def test_two_files_of_one_split_are_refused(tmp_path, names):
    for name in names:
        write(tmp_path, name, table(ROWS[:9], ","))
    with pytest.raises(ValueError, match="expected one (train|validation) file .* remove one"):
        corpora.load(str(tmp_path))
