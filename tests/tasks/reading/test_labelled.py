"""Roles of columns, doubts about labels, and splits by name, of texts with labels."""
import random
import re

import pytest

from tasks.reading import splits
from tasks.reading.column import Column
from tasks.sentiment import corpora

SPLITS = ("train", "validation", "test")
TEXTS = [f"{who} {what} {which}" for who in "I you we they she he Tom Mary".split()
         for what in "like hate love see want need".split()
         for which in "tea milk bread cheese jam cake pie rice fish soup".split()]
HEAD = ("v1", "v2")
ROWS = [(text, "pos" if n % 2 else "neg") for n, text in enumerate(TEXTS)]


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def table(rows, separator="\t", head=None):
    return "".join(separator.join(map(str, row)) + "\n" for row in [*([head] if head else []), *rows])


def everything(corpus):
    return sorted(example for split in SPLITS for example in getattr(corpus, split))


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


def test_a_first_row_that_may_be_a_header_is_refused_until_a_flag_says_it(tmp_path):
    """Its cells never occur again; but many labels occur once, so that one more says nothing."""
    rows = [(f"{text} and more of it", f"topic {n if n < 40 else n % 9}") for n, text in enumerate(TEXTS)]
    text = table([("headline", "theme"), *rows], ",")
    with pytest.raises(ValueError, match="a.csv, line 1: expected a header or a row, received 'headline "
                                         ". theme', which may be either; set text_column to its name"):
        load(tmp_path, text, "a.csv")
    assert everything(load(tmp_path, text, "a.csv", text_column="headline")) == sorted(rows)
    assert ("headline", "theme") in everything(load(tmp_path, text, "a.csv", text_column=1))
    assert everything(load(tmp_path, table(rows, ","), "a.csv")) == sorted(rows)


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
    assert getattr(Column(first), kind) and not Column(["tea", "tea", "jam"]).index


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


def test_a_separator_that_fits_every_row_is_no_delimiter_where_another_is(tmp_path):
    rows = ["a good tea,fast|cheap", "a cup of tea, please,slow|cheap", "b tea,slow|dear"]
    with pytest.raises(ValueError, match="a.csv, line 2: expected 2 columns"):
        load(tmp_path, "\n".join(rows), "a.csv", multi_label=True, text_column=1, label_column=2)


def test_a_separator_delimits_where_commas_stand_in_prose(tmp_path):
    labels = ["bad", "good"]
    rows = [f"{text}{', of course' * (n % 3)}|{labels[n % 2]}" for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, "\n".join(rows), "a.csv", multi_label=True)
    assert corpus.labels == labels and len(everything(corpus)) == len(TEXTS)


def test_texts_without_any_of_several_labels_are_counted(tmp_path):
    rows = [(text, ("a|b", "b", "", "NaN")[n % 4]) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows, head=HEAD), multi_label=True, text_column="v1", label_column="v2")
    assert {label for _, label in everything(corpus)} == {("a", "b"), ("b",), ()}
    without = sum(not label for _, label in corpus.train)
    assert any(f"{without} of {len(corpus.train)} texts of training have no label" in note
               for note in corpus.warnings)
    assert any("120 rows without a text or a label were skipped" in note for note in corpus.warnings)


def test_a_separator_of_labels_may_be_named(tmp_path):
    rows = [(text, ("Billing, high", "Sales, low")[n % 2]) for n, text in enumerate(TEXTS)]
    corpus = load(tmp_path, table(rows), multi_label=True, label_separator=",")
    assert corpus.labels == ["Billing", "Sales", "high", "low"] and not corpus.warnings


@pytest.mark.parametrize("delimiter, sign", [(",", ","), (";", ";"), (";", ","), (",", ";")])
def test_a_separator_of_labels_may_delimit_the_columns_too(tmp_path, delimiter, sign):
    cells = [(f"{text}{delimiter} {n}", f"Billing{sign}high") for n, text in enumerate(TEXTS)]
    rows = [["text", "label"], *cells]
    content = "".join(f'"{text}"{delimiter}"{label}"\n' for text, label in rows)
    corpus = load(tmp_path, content, "a.csv", multi_label=True, label_separator=sign)
    assert everything(corpus) == sorted((text, ("Billing", "high")) for text, _ in cells)


# ---------------------------------------------------------------------------------------- splits by name

@pytest.mark.parametrize("name, split", [
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
def test_a_name_speaks_of_its_split(name, split):
    assert splits.split_of(name) == split


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


def test_all_rows_of_one_split_may_be_wanted(tmp_path):
    rows = [("test", *row) for row in ROWS]
    corpus = load(tmp_path, table(rows, ",", ("split", "body", "mood")), "a.csv", held_out=splits.WHOLE)
    assert corpus.test == ROWS and "test 480" in corpus.warnings[0]
    rows[7] = ("train", *ROWS[7])
    with pytest.raises(ValueError, match="one split in column `split`, received train 1, test 479"):
        load(tmp_path, table(rows, ",", ("split", "body", "mood")), "b.csv", held_out=splits.WHOLE)


@pytest.mark.parametrize("name, values", [
    ("split", ("train", "dev", "test")), ("Set", ("Train", "Validation", "Test")),
    ("partition", ("training", "valid", "testing"))])
def test_a_column_may_name_the_split_of_each_row(tmp_path, name, values):
    rows = [(n, values[min(n % 8, 2)] if n % 8 < 2 else values[0], *row) for n, row in enumerate(ROWS)]
    rows = [(n, values[2] if n % 8 == 5 else split, *row) for n, split, *row in rows]
    corpus = load(tmp_path, table(rows, ",", ("id", name, "body", "mood")), "a.csv")
    assert [len(getattr(corpus, split)) for split in SPLITS] == [360, 60, 60]
    assert corpus.test == ROWS[5::8] and corpus.validation == ROWS[1::8]
    assert corpus.warnings == [f"a.csv: the split of each row is in column `{name}`: train 360, "
                               "validation 60, test 60"]


@pytest.mark.parametrize("value, message", [
    ("tset", "a.csv, line 12: expected train, validation or test in column `split`, received 'tset'"),
    ("", "line 12: expected train.* received ''")])
def test_a_row_of_no_split_is_refused(tmp_path, value, message):
    rows = [("train" if n != 10 else value, *row) for n, row in enumerate(ROWS)]
    with pytest.raises(ValueError, match=message):
        load(tmp_path, table(rows, ",", ("split", "text", "label")), "a.csv")
    with pytest.raises(ValueError, match="expected rows of training in column `split`, received only t"):
        load(tmp_path, table([("test", *row) for row in ROWS], ",", ("split", "text", "label")), "a.csv")


def test_a_column_with_another_meaning_names_no_split(tmp_path):
    rows = [(("chess", "draughts", "train")[n % 3], *row) for n, row in enumerate(ROWS)]
    assert load(tmp_path, table(rows, ",", ("set", "text", "label")), "a.csv").warnings == []
    rows = [(("train", "test")[n % 2], row[0]) for n, row in enumerate(ROWS)]
    corpus = load(tmp_path, table(rows, ",", ("split", "text")), "b.csv", label_column="split")
    assert corpus.labels == ["test", "train"]


def test_files_of_one_split_that_numbers_tell_apart_are_read_together(tmp_path):
    for n in range(3):
        write(tmp_path, f"train-{n:05}-of-00003.csv", table(ROWS[100 * n:100 * (n + 1)], ",", HEAD))
    write(tmp_path, "test.csv", table(ROWS[300:400], ",", HEAD))
    corpus = corpora.load(str(tmp_path))
    assert sorted(corpus.train + corpus.validation) == sorted(ROWS[:300]) and corpus.test == ROWS[300:400]
    assert ("train: 3 files are read together, train-00000-of-00003.csv to train-00002-of-00003.csv"
            in corpus.warnings)
    write(tmp_path, "train-00003-of-00003.csv", table(ROWS[400:], ",", ("other", "names")))
    with pytest.raises(ValueError, match="train-00003.*expected the columns `v1` and `v2`"):
        corpora.load(str(tmp_path))
