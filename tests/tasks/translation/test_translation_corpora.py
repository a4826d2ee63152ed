"""Corpora of sentences and their translations: formats, directions, splits, and bad input."""
import gzip
import random
import zipfile

import pytest

from tasks.reading import nltk as nltk_corpora
from tasks.reading.splits import Pair, normalised
from tasks.translation import corpora, parallel_files, sample
from tasks.translation.corpora import load

SPLITS = ("train", "validation", "test")
PAIRS = [Pair(f"Satz Nummer {i}", f"Sentence number {i}") for i in range(60)]


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(path)


def table(pairs, separator="\t", more=""):
    return "".join(separator.join(pair) + more + "\n" for pair in pairs)


def both(folder, pairs, name="train", languages=("de", "en"), ending=""):
    return [write(folder, f"{name}.{language}{ending}", "".join(pair[side] + "\n" for pair in pairs))
            for side, language in enumerate(languages)]


def everything(corpus):
    return sorted(pair for split in SPLITS for pair in getattr(corpus, split))


def sizes(corpus):
    return [len(getattr(corpus, split)) for split in SPLITS]


def languages(corpus):
    return corpus.source_language, corpus.target_language


# ---------------------------------------------------------------------------------------------- formats

@pytest.mark.parametrize("name, text", [
    ("a.tsv", table(PAIRS)),
    ("a.txt", table(PAIRS, more="\tCC BY 2.0, Ann & Bob")),
    ("a.txt.gz", table(PAIRS).replace("\n", "\r\n")),
    ("a.csv", table(PAIRS, '","').replace("Satz", '"Satz').replace("\n", '"\n')),
    ("a.tsv", "\ufeff" + table(PAIRS)),
    ("a.tsv", "source\ttarget\n" + table(PAIRS)),
])
def test_tables_of_many_shapes_give_the_same_pairs(tmp_path, name, text):
    corpus = load(write(tmp_path, name, text))
    assert everything(corpus) == sorted(PAIRS) and not corpus.warnings
    assert corpus.terms.startswith("your own file") and corpus.name == name
    assert languages(corpus) == ("und", "und")


def test_quotes_are_quotes_in_tsv(tmp_path):
    pair = Pair('"Ja", sagte er', 'He said "yes')
    assert pair in everything(load(write(tmp_path, "a.tsv", table([*PAIRS, pair]))))


@pytest.mark.parametrize("options, expected, found", [
    ({}, PAIRS, ("de", "en")),
    ({"source_language": "en"}, [pair[::-1] for pair in PAIRS], ("en", "de")),
    ({"source_column": "EN"}, [pair[::-1] for pair in PAIRS], ("en", "de")),
    ({"target_column": 3}, [(pair[0], "x" + pair[0]) for pair in PAIRS], ("de", "fr")),
    ({"target_language": "fr", "source_language": "en"}, [(b, "x" + a) for a, b in PAIRS], ("en", "fr")),
    ({"source_column": "fr", "target_column": 2}, [("x" + a, b) for a, b in PAIRS], ("fr", "en")),
])
def test_a_header_names_the_columns(tmp_path, options, expected, found):
    rows = "".join(f"{a}\t{b}\tx{a}\n" for a, b in PAIRS)
    corpus = load(write(tmp_path, "a.tsv", "de\tEN\tfr\n" + rows), **options)
    assert everything(corpus) == sorted(expected) and languages(corpus) == found


def test_a_first_row_of_short_sentences_is_no_header(tmp_path):
    corpus = load(write(tmp_path, "a.tsv", "no\tnein\n" + table(PAIRS)))
    assert Pair("no", "nein") in everything(corpus)


def test_a_first_row_that_may_be_a_header_is_refused_until_a_flag_says_it(tmp_path):
    path = write(tmp_path, "a.tsv", table([Pair("Satz", "Übersetzung"), *PAIRS]))
    with pytest.raises(ValueError, match="a.tsv, line 1: expected a header or a row, received 'Satz | Üb"
                       .replace("|", r"\|")):
        load(path)
    assert everything(load(path, source_column="Satz")) == sorted(PAIRS)
    assert Pair("Satz", "Übersetzung") in everything(load(path, source_column=1))
    short = [Pair("ja", "yes"), Pair("gut", "good"), Pair("alt", "old"), *PAIRS]
    assert everything(load(write(tmp_path, "a.tsv", table(short)))) == sorted(short)


def test_columns_without_a_header_have_numbers(tmp_path):
    path = write(tmp_path, "a.tsv", "".join(f"{n}\t{a}\t{n}\t{b}\n" for n, (a, b) in enumerate(PAIRS)))
    assert everything(load(path, source_column="2", target_column=4)) == sorted(PAIRS)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_two_files_are_one_corpus(tmp_path, ending):
    corpus = load(",".join(both(tmp_path, PAIRS, ending=ending)))
    assert everything(corpus) == sorted(PAIRS) and languages(corpus) == ("de", "en")
    assert corpus.name == "train.de" + ending


def test_only_line_feeds_end_a_line(tmp_path):
    pairs = [*PAIRS, Pair("a\u2028b \x85 c", "d\x0be"), Pair("x", "y")]
    assert everything(load(",".join(both(tmp_path, pairs)))) == sorted(pairs)


def test_a_folder_keeps_its_split(tmp_path):
    for split, rows in (("train", PAIRS[:40]), ("val", PAIRS[40:50]), ("test_2016_flickr", PAIRS[50:])):
        both(tmp_path, rows, split, ending=".gz")
    write(tmp_path, "README.md", "about val and train")
    corpus = load(str(tmp_path))
    assert (corpus.train, corpus.validation, corpus.test) == (PAIRS[:40], PAIRS[40:50], PAIRS[50:])
    assert languages(corpus) == ("de", "en") and corpus.name == tmp_path.name
    turned = load(str(tmp_path), reverse=True)
    assert turned.test == [pair[::-1] for pair in PAIRS[50:]] and languages(turned) == ("en", "de")


def test_test_sets_of_several_years_are_read_together(tmp_path):
    both(tmp_path, PAIRS[:40], "train.tags.de-en")
    for year in range(2010, 2012):
        both(tmp_path, PAIRS[10 * (year - 2006):10 * (year - 2005)], f"tst{year}.de-en")
    write(tmp_path, "notes.txt.old", "about")
    corpus = load(str(tmp_path))
    assert corpus.test == PAIRS[40:]
    assert corpus.warnings == ["test: 2 files are read together, tst2010.de-en.de to tst2011.de-en.de",
                               "left out: notes.txt.old"]
    (tmp_path / "tst2010.de-en.en").rename(tmp_path / "tst2012.de-en.en")
    with pytest.raises(ValueError, match="expected the same test files in de and en"):
        load(str(tmp_path))


def test_a_column_may_name_the_split_of_each_pair(tmp_path):
    rows = [(*pair, ("train", "train", "dev", "test")[n % 4]) for n, pair in enumerate(PAIRS)]
    corpus = load(write(tmp_path, "a.csv", "de,en,split\n" + table(rows, ",")))
    assert (corpus.validation, corpus.test) == (PAIRS[2::4], PAIRS[3::4])
    assert corpus.warnings == ["a.csv: the split of each row is in column `split`: train 30, validation "
                               "15, test 15"]


def test_a_folder_of_tables_keeps_its_split(tmp_path):
    for split, rows in (("train", PAIRS[:40]), ("dev", PAIRS[40:50]), ("test", PAIRS[50:])):
        write(tmp_path, f"{split}.tsv", "de\ten\n" + table(rows))
    corpus = load(str(tmp_path), target_language="de")
    assert corpus.validation == [pair[::-1] for pair in PAIRS[40:50]]
    write(tmp_path, "test.tsv", table(PAIRS[50:]))
    assert load(str(tmp_path)).test == PAIRS[50:]
    write(tmp_path, "test.tsv", "en\tde\n" + table([pair[::-1] for pair in PAIRS[50:]]))
    assert load(str(tmp_path)).test == PAIRS[50:]
    write(tmp_path, "test.tsv", "de\tfr\n" + table(PAIRS[50:]))
    with pytest.raises(ValueError, match="test.tsv: expected the columns `de` and `en` .* de, fr"):
        load(str(tmp_path))


def test_a_folder_with_one_table_is_that_table(tmp_path):
    write(tmp_path, "pairs.txt", table(PAIRS))
    corpus = load(str(tmp_path))
    assert everything(corpus) == sorted(PAIRS) and corpus.name == tmp_path.name


def test_what_a_folder_lacks_is_split_off(tmp_path):
    both(tmp_path, PAIRS)
    both(tmp_path, [Pair("Prüfung", "exam")], "test")
    corpus = load(str(tmp_path))
    assert corpus.test == [Pair("Prüfung", "exam")]
    assert sorted(corpus.train + corpus.validation) == sorted(PAIRS) and corpus.validation


def test_of_three_languages_two_are_chosen(tmp_path):
    both(tmp_path, PAIRS)
    both(tmp_path, PAIRS, languages=("fr", "cs"))
    with pytest.raises(ValueError, match="two languages of cs, de, en, fr in .*received fr; set"):
        load(str(tmp_path), source_language="fr")
    corpus = load(str(tmp_path), source_language="en", target_language="de")
    assert everything(corpus) == sorted(pair[::-1] for pair in PAIRS)


# -------------------------------------------------------------------------------------------- direction

CHINESE = [Pair(f"Number {i}.", f"第{i}个句子很长。") for i in range(60)]


@pytest.mark.parametrize("options, first, found", [
    ({}, 0, ("und", "zh")),
    ({"reverse": True}, 1, ("zh", "und")),
    ({"source_language": "zh"}, 1, ("zh", "und")),
    ({"source_language": "zh", "target_language": "en"}, 1, ("zh", "en")),
    ({"source_language": "en"}, 0, ("en", "zh")),
    ({"target_language": "en", "reverse": True}, 1, ("zh", "en")),
    ({"target_language": "zh", "reverse": True}, 0, ("und", "zh")),
])
def test_chinese_is_known_by_its_characters(tmp_path, options, first, found):
    corpus = load(write(tmp_path, "a.tsv", table(CHINESE)), **options)
    assert {pair[0] for pair in everything(corpus)} == {pair[first] for pair in CHINESE}
    assert languages(corpus) == found


def test_names_for_unknown_sides_follow_their_order(tmp_path):
    path = write(tmp_path, "a.tsv", table(PAIRS))
    assert languages(load(path, source_language="de", target_language="en")) == ("de", "en")
    turned = load(path, source_language="en", target_language="de", reverse=True)
    assert languages(turned) == ("en", "de") and turned.train[0].source.startswith("Sentence")


def test_scripts_are_told_apart():
    assert corpora.written_in("") == "und"
    assert corpora.written_in("これはペンです") == "ja"
    assert corpora.written_in("漢字とかな") == "ja"
    assert corpora.written_in("很 OK，我们走吧") == "zh"
    assert corpora.written_in("The word 爱 means love") == "und"
    assert corpora.written_in("한국어 문장") == "und"


def test_languages_that_are_not_there_are_refused(tmp_path):
    path = ",".join(both(tmp_path, PAIRS))
    with pytest.raises(ValueError, match="expected the languages de and en, received fr; correct"):
        load(path, source_language="fr")
    with pytest.raises(ValueError, match="expected the languages de and en, received de"):
        load(path, source_language="de", target_language="fr")
    with pytest.raises(ValueError, match="expected two languages, received de twice"):
        load(path, source_language="de", target_language="de")


# ------------------------------------------------------------------------------------------------ split

def shuffled(items):
    return random.Random(3).sample(items, len(items))


def many():
    """Translations of translations: each English sentence has three German ones, each third is shared."""
    return [Pair(f"Wort {i // 2 if i % 3 else i}", f"Word {i // 3}") for i in range(3000)]


def test_no_sentence_is_in_two_splits_on_either_side(tmp_path):
    pairs = many() + [Pair("WORT  8", "word 2 ")]
    corpus = load(write(tmp_path, "a.tsv", table(pairs)))
    for side in (0, 1):
        seen = [{normalised(pair[side]) for pair in getattr(corpus, split)} for split in SPLITS]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert len(everything(corpus)) == len(pairs)


def test_splits_are_8_to_1_to_1():
    pairs = [Pair(f"a{i}", f"b{i // 2}") for i in range(20000)]
    datasets = corpora.divided("a", {"train": pairs})
    shares = [len(datasets[split]) / len(pairs) for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.012)


def test_the_split_depends_on_neither_order_nor_direction():
    datasets = corpora.divided("a", {"train": many()})
    others = corpora.divided("a", {"train": shuffled(many())})
    turned = corpora.divided("a", {"train": [Pair(*pair[::-1]) for pair in many()]})
    for split in SPLITS:
        assert sorted(datasets[split]) == sorted(others[split])
        assert sorted(datasets[split]) == sorted(Pair(*pair[::-1]) for pair in turned[split])


def test_the_fingerprint_knows_pairs_splits_and_direction(tmp_path):
    path = write(tmp_path, "a.tsv", table(PAIRS))
    marks = {load(path).fingerprint, load(path, reverse=True).fingerprint,
             load(write(tmp_path, "b.tsv", table(PAIRS[:-1]))).fingerprint}
    assert len(marks) == 3 and load(path).fingerprint in marks


def test_sentences_of_training_in_an_official_test_split_are_counted(tmp_path):
    for split, rows in (("train", PAIRS[:40]), ("val", PAIRS[40:50]), ("test", PAIRS[38:])):
        both(tmp_path, rows, split)
    assert load(str(tmp_path)).warnings == ["2 texts of the test split also occur in training"]


def test_references_are_all_translations_of_a_source():
    pairs = [Pair("a", "1"), Pair("b", "2"), Pair("a", "3"), Pair("a", "1")]
    assert list(corpora.references(pairs).items()) == [("a", ["1", "3"]), ("b", ["2"])]


# --------------------------------------------------------------------------------------------- by name

def comtrans(folder, encoding, blocks):
    """A package as NLTK keeps it: two sentences and their alignment, one a line."""
    (folder / "corpora").mkdir()
    with zipfile.ZipFile(folder / "corpora" / "comtrans.zip", "w") as package:
        for name, rows in blocks.items():
            text = "".join(f"{a}\n{b}\n0-0 1-1\n" for a, b in rows)
            package.writestr(f"comtrans/alignment-{name}.txt", text.encode(encoding))


@pytest.fixture(params=["latin-1", "utf-8"])
def nltk_folder(request, tmp_path, monkeypatch):
    import nltk
    from nltk.corpus import LazyCorpusLoader
    from nltk.corpus.reader import AlignedCorpusReader
    blocks = {"de-en": [Pair(f"Schönes à Haus {i} .", f"Nice house {i} .") for i in range(60)],
              "en-fr": [Pair(f"House {i} .", f"Maison élégante {i} .") for i in range(60)]}
    comtrans(tmp_path, request.param, blocks)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(nltk.corpus, "comtrans", LazyCorpusLoader(
        "comtrans", AlignedCorpusReader, r"(?!\.).*\.txt"))
    return blocks


@pytest.mark.parametrize("options, file, turned", [
    ({}, "de-en", False),
    ({"reverse": True}, "de-en", True),
    ({"target_language": "de"}, "de-en", True),
    ({"target_language": "fr", "source_language": "en"}, "en-fr", False),
    ({"source_language": "fr"}, "en-fr", True),
])
def test_comtrans_is_read_in_both_directions(nltk_folder, options, file, turned):
    corpus = load("comtrans", **options)
    step = -1 if turned else 1
    assert everything(corpus) == sorted(Pair(*pair[::step]) for pair in nltk_folder[file])
    assert languages(corpus) == tuple(file.split("-")[::step])
    assert "ComTrans" in corpus.terms and corpus.name == "comtrans"


def test_a_language_that_comtrans_lacks_is_refused(nltk_folder):
    with pytest.raises(ValueError, match="expected the languages de-en or en-fr, received de-it; set"):
        load("comtrans", target_language="it")


def test_auto_is_comtrans_or_says_why_not(nltk_folder, monkeypatch):
    assert load("auto").name == "comtrans"
    monkeypatch.setattr(nltk_corpora, "present", lambda name: False)
    monkeypatch.setattr(nltk_corpora, "download", lambda name: False)
    corpus = load()
    assert corpus.name == "sample" and languages(corpus) == ("zh", "en")
    assert corpus.warnings[0].startswith("using the built-in sample instead: corpus 'comtrans' is not on")


def test_the_sample_goes_both_ways():
    corpus, turned = load("sample"), load("sample", source_language="en")
    assert [list(pair) for pair in corpus.test] == [list(pair[::-1]) for pair in turned.test]
    assert languages(turned) == ("en", "zh") and turned.terms == sample.TERMS
    assert sizes(corpus) == list(sample.SIZES.values()) and not corpus.warnings
    assert load("sample", seed=1).fingerprint != corpus.fingerprint


# -------------------------------------------------------------------------------------------- bad input

def test_files_of_different_length_are_refused_with_their_lengths(tmp_path):
    paths = both(tmp_path, PAIRS)
    write(tmp_path, "train.en", "only one\n")
    with pytest.raises(ValueError, match="as many lines in train.de and train.en, received 60 and 1;"):
        load(",".join(paths))


def test_pairs_with_an_empty_side_are_skipped_and_counted(tmp_path):
    pairs = [*PAIRS[:5], Pair("leer", ""), Pair("", ""), *PAIRS[5:], Pair(" ", "empty")]
    corpus = load(",".join(both(tmp_path, pairs)))
    assert everything(corpus) == sorted(PAIRS)
    assert corpus.warnings == ["train.de and train.en: 3 pairs with an empty side were skipped, the "
                               "first in line 6"]
    corpus = load(write(tmp_path, "a.tsv", table(pairs)))
    assert everything(corpus) == sorted(PAIRS)
    assert corpus.warnings == ["a.tsv: 2 pairs with an empty side were skipped, the first in line 6"]


def test_a_side_in_cp1252_is_read_and_that_is_said(tmp_path):
    paths = both(tmp_path, PAIRS)
    write(tmp_path, "train.de", "".join(f"{a}\n" for a, _ in PAIRS).encode())
    data = (tmp_path / "train.de").read_bytes().replace(b"Satz", b"S\xe4tz", 1)
    (tmp_path / "train.de").write_bytes(data)
    corpus = load(",".join(paths))
    assert "Sätz Nummer 0" in {pair.source for pair in everything(corpus)}
    assert corpus.warnings == ["train.de: read as cp1252, for it is not UTF-8 (Sätz); set --encoding if "
                               "the words are wrong"]


@pytest.mark.parametrize("name, text, message", [
    ("a.tsv", table(PAIRS) + "alone\n", "a.tsv, line 61: expected 2 columns as in line 1, "
     "received 1; correct the line"),
    ("a.csv", "alone\n", "a.csv: .* received one column; separate them by commas"),
    ("a.tsv", "a\t\n", "a.tsv: expected sentences and their translations, received none"),
    ("a.tsv", "", "a.tsv: expected rows with a sentence and its translation, received an empty file"),
    ("a.tsv", b"\x00\x01\x02" * 50, "expected UTF-8 text, received a binary file"),
    ("a.docx", "a\tb\n", "a TSV or CSV file, two aligned files such as .*, received a.docx; name"),
    ("a.tsv", "a\tb\n", "its 1 pairs leave the (validation|test|train) split empty; give more"),
])
def test_a_bad_table_is_refused_in_one_line(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(tmp_path, name, text))
    assert "\n" not in str(error.value)


def test_what_is_not_gzip_is_refused(tmp_path):
    (tmp_path / "a.tsv.gz").write_bytes(b"a\tb\n")
    with pytest.raises(ValueError, match="a.tsv.gz: expected a readable file"):
        load(str(tmp_path / "a.tsv.gz"))


@pytest.mark.parametrize("options, message", [
    ({"source_column": "it"}, "no column 'it'; set source_column to one of 1 to 2"),
    ({"target_column": 3}, "no column '3'; set target_column to one of 1 to 2"),
    ({"target_column": 1, "source_column": 1}, "two different columns, received column 1 for both"),
])
def test_columns_that_are_not_there_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        load(write(tmp_path, "a.tsv", table(PAIRS)), **options)


def test_columns_belong_to_tables(tmp_path):
    paths = both(tmp_path, PAIRS)
    for name in (",".join(paths), str(tmp_path), "sample", "auto"):
        with pytest.raises(ValueError, match="file.* with source_column.*, rec"):
            load(name, source_column=1)


def test_a_split_in_one_language_only_is_refused(tmp_path):
    both(tmp_path, PAIRS)
    write(tmp_path, "test.de", "Satz\n")
    with pytest.raises(ValueError, match="a test file in de and en in .*, received one of them"):
        load(str(tmp_path))


@pytest.mark.parametrize("name, error, message", [
    ("comtranz", ValueError, "unknown corpus 'comtranz': did you mean 'comtrans'"),
    ("no/such.tsv", FileNotFoundError, "found nothing at no/such.tsv; check the path"),
    ("no.de,no.en", FileNotFoundError, "two aligned files, found nothing at no.de; check the path"),
])
def test_what_is_not_there_is_said(name, error, message):
    with pytest.raises(error, match=message):
        load(name)


def test_a_folder_without_training_files_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="such as train.de and train.en, in .*no train file"):
        load(str(tmp_path))


def test_a_comma_may_be_part_of_a_name(tmp_path):
    assert everything(load(write(tmp_path, "de,en.tsv", table(PAIRS)))) == sorted(PAIRS)
    assert len(parallel_files.paths("a,b,c")) == 1


# ------------------------------------------------------------------------------------------ real corpora

def test_multi30k_is_read_as_it_is(shared):
    corpus = load(str(shared / "corpora" / "multi30k"))
    assert sizes(corpus) == [29000, 1014, 1000] and languages(corpus) == ("de", "en")


@pytest.mark.slow
def test_tatoeba_is_split_by_sentence(shared):
    folder = shared / "corpora" / "tatoeba_cmn_eng"
    corpus = load(str(folder), source_language="zh", target_language="en")
    assert sum(sizes(corpus)) == 28447 and languages(corpus) == ("zh", "en")
    english = [{normalised(pair.target) for pair in getattr(corpus, split)} for split in SPLITS]
    assert not english[0] & english[1] and not english[0] & english[2] and not english[1] & english[2]
    assert all(0.09 < size / 28447 < 0.11 for size in sizes(corpus)[1:])
