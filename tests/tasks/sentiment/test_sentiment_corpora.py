"""Corpora: splits that never move, files as people have them, errors in one line."""
import collections
import gzip
import hashlib
import os
import random
import sys
import time
import zipfile

import pytest

from tasks.reading import nltk as nltk_corpora, splits
from tasks.sentiment import corpora, sample

SPLITS = ("train", "validation", "test")


def write(folder, name, text):
    path = folder / name
    data = text.encode("utf-8") if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(path)


def rows(count, labels=("yes", "no")):
    return [f"text number {i}\t{labels[i % len(labels)]}" for i in range(count)]


def texts(corpus, split):
    return {splits.normalised(example.text) for example in getattr(corpus, split)}


def assert_disjoint(corpus):
    assert not texts(corpus, "train") & texts(corpus, "validation")
    assert not texts(corpus, "train") & texts(corpus, "test")
    assert not texts(corpus, "validation") & texts(corpus, "test")


# -------------------------------------------------------------------------------------- splitting

def test_the_fraction_is_the_hash_of_the_normalised_text():
    digest = hashlib.blake2b("not bad é".encode(), digest_size=8).hexdigest()
    expected = int(digest, 16) / 2 ** 64
    for spelling in ("not bad é", "  Not\tBAD e\u0301\n", "ｎot bad é"):
        assert splits.fraction(spelling) == expected


def test_splits_are_about_80_10_10_and_do_not_depend_on_the_order(tmp_path):
    lines = rows(2000)
    straight = corpora.load(write(tmp_path, "a.tsv", "\n".join(lines)))
    random.Random(0).shuffle(lines)
    shuffled = corpora.load(write(tmp_path, "b.tsv", "\n".join(lines)))
    for split, size in zip(SPLITS, (1600, 200, 200)):
        assert abs(len(getattr(straight, split)) - size) < 60
        assert texts(straight, split) == texts(shuffled, split)
    assert_disjoint(straight)


def test_equal_texts_land_in_one_split(tmp_path):
    lines = [f"{' ' * (i % 3)}{'Text' if i % 2 else 'text'}  {i // 4}\t{'ab'[i % 2]}"
             for i in range(800)]
    corpus = corpora.load(write(tmp_path, "a.tsv", "\n".join(lines)))
    assert_disjoint(corpus)
    assert sum(len(getattr(corpus, split)) for split in SPLITS) == 800


def test_five_folds_cover_everything_once_and_are_stratified(tmp_path):
    path = write(tmp_path, "a.tsv", "\n".join(rows(1003, ("a", "a", "b"))))
    folds = [corpora.load(path, fold=fold) for fold in range(5)]
    tests = [text for fold in folds for text in texts(fold, "test")]
    assert len(tests) == len(set(tests)) == 1003
    for label in "ab":
        counts = [sum(e.label == label for e in fold.test) for fold in folds]
        assert max(counts) - min(counts) <= 1
    for fold in folds:
        assert_disjoint(fold)
        assert 70 < len(fold.validation) < 130         # an eighth of 802


@pytest.mark.parametrize("fold", [None, 0, 1, 2, 3, 4])
def test_a_label_with_a_single_example_is_said_and_stays_in_training(tmp_path, fold):
    names = [f"rare{i}" for i in range(40)]
    lines = rows(300) + [f"a sentence that is {name}\t{name}" for name in names]
    corpus = corpora.load(write(tmp_path, "a.tsv", "\n".join(lines)), fold=fold)
    assert set(names) <= {example.label for example in corpus.train}
    assert "label 'rare7' has a single example, kept in training" in corpus.warnings
    assert_disjoint(corpus)


def test_a_label_that_training_lacks_is_said(tmp_path):
    write(tmp_path, "train.tsv", "\n".join(rows(40)))
    write(tmp_path, "test.tsv", "\n".join(rows(10, ("yes", "maybe"))))
    corpus = corpora.load(str(tmp_path))
    assert corpus.labels == ["maybe", "no", "yes"]
    assert "label 'maybe' never occurs in training" in corpus.warnings


# ------------------------------------------------------------------------------------------ files

def everything(corpus):
    return sorted(example for split in SPLITS for example in getattr(corpus, split))


EXPECTED = sorted(corpora.Example(f"text number {i}", ("yes", "no")[i % 2]) for i in range(60))


@pytest.mark.parametrize("name, header, line, options", [
    ("a.tsv", "", "{t}\t{l}", {}),
    ("a.tsv", "text\tlabel\n", "{t}\t{l}", {}),
    ("a.tsv", "\ufefflabel\ttext\r\n", "{l}\t{t}\r", {}),
    ("a.tsv", "\ufeff", "{t}\t{l}", {}),
    ("a.tsv", "", "{l}\t{t}", {}),
    ("a.txt", "", "{t}\t{l}", {}),
    ("a.csv", "", '"{t}",{l}', {}),
    ("a.csv", "id,Sentence,Sentiment\n", "7,{t},{l}", {}),
    ("a.csv", "id,what,mood\n", "7,{t},{l}", {"text_column": "what", "label_column": "Mood"}),
    ("a.csv", "", "7,{t},{l}", {"text_column": 2, "label_column": "3"}),
    ("a.csv.gz", "text,label\n", "{t},{l}", {}),
    ("a.TSV.GZ", "", "{t}\t{l}", {}),
])
def test_files_of_many_shapes_give_the_same_examples(tmp_path, name, header, line, options):
    body = "\n".join(line.format(t=e.text, l=e.label) for e in EXPECTED)
    path = tmp_path / name
    data = (header + body + "\n").encode()
    path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
    assert everything(corpora.load(str(path), **options)) == EXPECTED


def test_a_quoted_cell_of_csv_holds_commas_quotes_and_line_ends(tmp_path):
    lines = [f'"She said ""no"",\nthen {i}",{"ab"[i % 2]}' for i in range(60)]
    corpus = corpora.load(write(tmp_path, "a.csv", "\n".join(lines)))
    assert 'She said "no",\nthen 0' in {e.text for e in everything(corpus)}


def test_quotes_mean_nothing_in_tsv(tmp_path):
    lines = rows(60) + ['"an open quote\tyes']
    corpus = corpora.load(write(tmp_path, "a.tsv", "\n".join(lines)))
    assert ('"an open quote', "yes") in everything(corpus)


def test_chinese_emoji_and_a_very_long_text_are_read(tmp_path):
    long = "字" * 400_000
    lines = rows(60) + ["不错 👍🏽\tyes", f"{long}\tno"]
    found = {e.text for e in everything(corpora.load(write(tmp_path, "a.tsv", "\n".join(lines))))}
    assert {"不错 👍🏽", long} <= found


def test_rows_without_text_or_label_are_skipped_and_counted(tmp_path):
    lines = rows(60) + ["", "\tyes", "no label\t"]
    corpus = corpora.load(write(tmp_path, "a.tsv", "\n".join(lines)))
    assert len(everything(corpus)) == 60
    assert corpus.warnings == [
        "a.tsv: 2 rows without a text or a label were skipped, the first in line 62"]


def test_a_file_in_cp1252_is_read_and_that_is_said(tmp_path):
    data = "\n".join(rows(60)).encode() + b"\ncaf\xe9\tyes"
    corpus = corpora.load(write(tmp_path, "a.tsv", data))
    assert ("café", "yes") in everything(corpus)
    assert corpus.warnings == ["a.tsv: read as cp1252, for it is not UTF-8 (café); set --encoding if the "
                               "words are wrong"]


@pytest.mark.parametrize("validation", ["validation.csv", "dev.tsv", "valid.tsv.gz", "val.txt"])
def test_an_official_split_is_kept(tmp_path, validation):
    comma = validation.endswith(".csv")
    lines = rows(30)
    write(tmp_path, "train.tsv", "\n".join(lines[:20]))
    write(tmp_path, validation, "\n".join(lines[20:24]).replace("\t", "," if comma else "\t"))
    write(tmp_path, "test.tsv", "\n".join(lines[24:]))
    write(tmp_path, "README.md", "not data")
    corpus = corpora.load(str(tmp_path))
    assert [len(getattr(corpus, split)) for split in SPLITS] == [20, 4, 6]


def test_a_missing_validation_split_is_a_tenth_of_training(tmp_path):
    write(tmp_path, "train.tsv", "\n".join(rows(1000)))
    write(tmp_path, "test.tsv", "\n".join(["other one\tyes", "text number 3\tno"]))
    corpus = corpora.load(str(tmp_path))
    assert len(corpus.test) == 2 and 70 < len(corpus.validation) < 130
    assert len(corpus.train) + len(corpus.validation) == 1000
    assert any("of the test split also occur in training" in w for w in corpus.warnings) == (
        "text number 3" in texts(corpus, "train"))


def test_multi_label_cells_become_sorted_tuples(tmp_path):
    cells = ["fast|cheap", "cheap", "", " fast | |cheap "]
    lines = [f"text {i}\t{cells[i % 4]}" for i in range(80)]
    corpus = corpora.load(write(tmp_path, "a.tsv", "text\ttags\n" + "\n".join(lines)),
                          multi_label=True)
    assert corpus.labels == ["cheap", "fast"] and corpus.multi_label
    labels = {e.text: e.label for e in everything(corpus)}
    assert [labels[f"text {i}"] for i in range(4)] == [
        ("cheap", "fast"), ("cheap",), (), ("cheap", "fast")]


def test_regression_targets_are_numbers(tmp_path):
    lines = [f"text {i}\t{i / 4}" for i in range(80)]
    corpus = corpora.load(write(tmp_path, "a.tsv", "text\tstars\n" + "\n".join(lines)),
                          regression=True)
    assert corpus.labels == [] and corpus.regression
    assert ("text 3", 0.75) in everything(corpus)


# -------------------------------------------------------------------------------------- bad input

MANY = "\n".join(rows(60))


@pytest.mark.parametrize("name, data, options, message", [
    ("a.tsv", "", {}, "received an empty file"),
    ("a.tsv", " \n\n", {}, "received an empty file"),
    ("a.tsv", "text\tlabel\n", {}, "received none"),
    ("a.tsv", MANY + "\nthree\tcolumns\there\n", {}, "line 61: expected 2 columns.*received 3"),
    ("a.csv", "a text,yes\nanother,no\n\"open,yes\nmore,no\n", {}, "line 3: .*quote"),
    ("a.tsv", "one column\nonly\n", {}, "separated by tabs, received one column"),
    ("a.csv", "a,b,c\nd,e,f\n", {}, "received 3 columns; set text_column and label_column"),
    ("a.tsv", "\n".join(rows(60, ("yes",))), {}, "at least two labels, received 'yes'"),
    ("a.tsv", "text\tlabel\n" + MANY, {"label_column": "mood"}, "no column 'mood'.*text, label"),
    ("a.tsv", MANY, {"label_column": 3}, "no column '3'.*1 to 2"),
    ("a.tsv", MANY, {"text_column": 1, "label_column": 1}, "two different columns"),
    ("a.tsv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", {}, "received a binary file"),
    ("a.tsv", "text\tlabel".encode("utf-16-le"), {}, "another encoding"),
    ("a.tsv", "text\tlabel".encode("utf-16"), {}, "received none"),
    ("a.tsv", MANY, {"regression": True}, "line 1: expected a number to regress, received 'yes'"),
    ("a.tsv", "one\tinf\ntwo\t1\n", {"regression": True}, "line 1: expected a number"),
    ("a.tsv", "one\t2\ntwo\t2\n", {"regression": True}, "received only 2.0"),
    ("a.tsv", "one\tyes\ntwo\tno\n", {}, "leave the .* split empty; give more examples"),
    ("a.tsv", MANY, {"fold": 5}, "fold from 0 to 4, received 5"),
])
def test_a_bad_file_gets_one_clear_line(tmp_path, name, data, options, message):
    path = write(tmp_path, name, data)
    with pytest.raises(ValueError, match=message) as error:
        corpora.load(path, **options)
    assert "\n" not in str(error.value)


def test_a_file_that_only_claims_to_be_gzip_is_refused(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(b"not compressed")
    with pytest.raises(ValueError, match="gzip"):
        corpora.load(str(path))
    path.write_bytes(gzip.compress(MANY.encode())[:-20])
    with pytest.raises(ValueError, match="gzip"):
        corpora.load(str(path))


@pytest.mark.parametrize("name", ["nowhere/to/be", "nowhere.csv", "nowhere.tsv.gz"])
def test_a_missing_file_is_named(name):
    with pytest.raises(FileNotFoundError, match=f"found nothing at {name}"):
        corpora.load(name)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="did you mean 'movie_reviews'.*sample.*qc"):
        corpora.load("movie_review")
    with pytest.raises(ValueError, match="unknown corpus 'zzz': expected one of"):
        corpora.load("zzz")


def test_a_folder_without_a_training_file_or_with_two_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no train file"):
        corpora.load(str(tmp_path))
    write(tmp_path, "train.tsv", MANY)
    write(tmp_path, "train.csv", MANY)
    with pytest.raises(ValueError, match="expected one train file.*train.csv and train.tsv"):
        corpora.load(str(tmp_path))


def test_options_of_files_are_refused_for_named_corpora():
    with pytest.raises(ValueError, match="received corpus 'sample'; leave those flags out"):
        corpora.load("sample", multi_label=True)
    with pytest.raises(ValueError, match="'sample' has an official split: leave fold out"):
        corpora.load("sample", fold=1)


# ---------------------------------------------------------------------------------- sample and NLTK

def test_sample_is_the_built_in_grammar():
    corpus = corpora.load("sample", seed=3)
    assert {split: getattr(corpus, split) for split in SPLITS} == sample.generate(3)
    assert corpus.labels == ["negative", "positive"] and not corpus.warnings


@pytest.fixture
def offline(monkeypatch):
    """A machine with no NLTK data and no network."""
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(nltk_corpora, "download", lambda name: False)


def test_auto_falls_back_to_the_sample_and_says_so(offline):
    corpus = corpora.load("auto")
    assert corpus.name == "sample"
    assert corpus.warnings[0].startswith("using the built-in sample instead: corpus 'sent")


def test_a_corpus_that_cannot_be_had_is_an_error_with_the_way_out(offline):
    with pytest.raises(FileNotFoundError, match="'qc'.*nltk.downloader qc.*NLTK_DATA") as error:
        corpora.load("qc")
    assert "\n" not in str(error.value)


def test_a_download_that_hangs_is_stopped(tmp_path, monkeypatch):
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(nltk_corpora, "DOWNLOAD_SECONDS", 0.3)
    start = time.monotonic()
    assert not nltk_corpora.download("qc")
    assert time.monotonic() - start < 10


def test_a_download_leaves_a_whole_archive_where_nltk_looks(tmp_path, monkeypatch):
    import nltk.data

    def child(command, **options):
        folder = os.path.join(command[command.index("-d") + 1], "corpora")
        os.makedirs(folder)
        with zipfile.ZipFile(os.path.join(folder, "qc.zip"), "w") as archive:
            archive.writestr("qc/train.txt", "HUM:ind Who ?\n")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    monkeypatch.setattr(nltk_corpora.subprocess, "run", child)
    monkeypatch.setattr("nltk.downloader.Downloader.default_download_dir",
                        lambda self: str(tmp_path / "nltk_data"))
    assert nltk_corpora.download("qc")
    assert os.listdir(tmp_path / "nltk_data" / "corpora") == ["qc.zip"]


def test_a_damaged_archive_is_named_in_one_line(tmp_path, monkeypatch):
    import nltk.corpus
    import nltk.data
    from nltk.corpus.reader import StringCategoryCorpusReader
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "qc.zip").write_bytes(b"half an arch")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(nltk.corpus, "qc", nltk.corpus.LazyCorpusLoader(
        "qc", StringCategoryCorpusReader, ["train.txt", "test.txt"]))
    with pytest.raises(ValueError, match="'qc', received a damaged copy") as error:
        corpora.load("qc")
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------ real corpora

@pytest.fixture
def nltk_data(shared, monkeypatch):
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [str(shared / "nltk_data")])


@pytest.mark.parametrize("name, size, labels", [
    ("sentence_polarity", 10662, ["neg", "pos"]), ("subjectivity", 10000, ["obj", "subj"])])
def test_sentences_of_nltk_are_all_there_and_split_by_hash(nltk_data, name, size, labels):
    corpus = corpora.load(name)
    assert sum(len(getattr(corpus, split)) for split in SPLITS) == size
    assert corpus.labels == labels and "CC BY 4.0" in corpus.terms
    assert 0.78 < len(corpus.train) / size < 0.82
    assert_disjoint(corpus)


def test_qc_keeps_its_official_test_split(nltk_data):
    corpus = corpora.load("qc")
    assert corpus.labels == ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
    assert len(corpus.test) == 500 and len(corpus.train) + len(corpus.validation) == 5452
    assert 0.08 < len(corpus.validation) / 5452 < 0.12


@pytest.mark.slow
def test_movie_reviews_folds_hold_200_of_each_label(nltk_data):
    corpus = corpora.load("movie_reviews", fold=2)
    assert collections.Counter(e.label for e in corpus.test) == {"neg": 200, "pos": 200}
    assert 150 < len(corpus.validation) < 250
    assert_disjoint(corpus)


def test_auto_takes_sentence_polarity_where_it_is_present(nltk_data):
    assert corpora.load("auto").name == "sentence_polarity"
