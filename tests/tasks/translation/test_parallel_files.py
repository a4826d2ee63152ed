"""Parallel files: which columns are sentences, markup, alignment, and what is said of doubts."""
import json

import pytest

from tasks.reading.splits import Pair
from tasks.translation.corpora import load

SPLITS = ("train", "validation", "test")
PAIRS = [Pair(f"I like {what} {n}.", f"Ich mag {what} {n}.") for n in range(20)
         for what in ("tea", "jam", "pie")]


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def table(rows, separator="\t"):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def everything(corpus):
    return sorted(pair for split in SPLITS for pair in getattr(corpus, split))


# ----------------------------------------------------------------------------------------------- tables

@pytest.mark.parametrize("make", [
    lambda n, a, b: (n, a, b), lambda n, a, b: (f"1.2{n:03}", a, b), lambda n, a, b: (n, a, 7 * n, b),
    lambda n, a, b: (f"doc-{n}", a, b, 0.5), lambda n, a, b: (a, 0.5, b),
    lambda n, a, b: ("eng", a, "deu", b), lambda n, a, b: (n, a, b, "CC BY, Ann & Bob"),
], ids=["index", "score", "Tatoeba", "code", "score between", "languages", "attribution"])
def test_numbers_and_codes_are_no_sentences(tmp_path, make):
    rows = [make(n, *pair) for n, pair in enumerate(PAIRS)]
    corpus = load(write(tmp_path, "a.tsv", table(rows)))
    assert everything(corpus) == sorted(PAIRS) and not corpus.warnings


@pytest.mark.parametrize("head, languages", [
    (("id", "source", "target"), ("und", "und")), (("", "en", "de"), ("en", "de")),
    (("no", "text_en", "text_de"), ("en", "de")), (("id", "English", "German"), ("en", "de")),
    (("key", "what", "translated"), ("und", "und"))])
def test_a_header_is_no_pair(tmp_path, head, languages):
    rows = [head, *((n, *pair) for n, pair in enumerate(PAIRS))]
    corpus = load(write(tmp_path, "a.csv", table(rows, ";")))
    assert everything(corpus) == sorted(PAIRS)
    assert (corpus.source_language, corpus.target_language) == languages


def test_a_header_says_which_side_is_the_source(tmp_path):
    rows = [("tgt", "src"), *(pair[::-1] for pair in PAIRS)]
    assert everything(load(write(tmp_path, "a.tsv", table(rows)))) == sorted(PAIRS)


def test_json_lines_are_pairs_also_as_nested_objects(tmp_path):
    for make in (lambda pair: {"id": "x1", "en": pair[0], "de": pair[1]},
                 lambda pair: {"translation": {"en": pair[0], "de": pair[1]}}):
        corpus = load(write(tmp_path, "a.jsonl", "\n".join(json.dumps(make(pair)) for pair in PAIRS)))
        assert everything(corpus) == sorted(PAIRS)
        assert (corpus.source_language, corpus.target_language) == ("en", "de")


def test_an_id_column_is_no_sentence(tmp_path):
    rows = [(f"page of {a}", a, b) for a, b in PAIRS]
    assert everything(load(write(tmp_path, "a.tsv", table(rows)), id_column=1)) == sorted(PAIRS)


def test_an_index_and_a_text_are_no_pairs(tmp_path):
    with pytest.raises(ValueError, match="expected a sentence and its .*set source_column and target"):
        load(write(tmp_path, "a.tsv", table((n, a) for n, (a, _) in enumerate(PAIRS))))


def test_a_side_of_numbers_and_pairs_that_are_equal_are_said(tmp_path):
    corpus = load(write(tmp_path, "a.tsv", table((n * n % 59, f"square of {n}") for n in range(60))))
    assert "column 1: the source is numbers only" in corpus.warnings
    corpus = load(write(tmp_path, "a.tsv", table((a, a) for a, _ in PAIRS)))
    assert any("have the same text on both sides" in warning for warning in corpus.warnings)


def test_the_direction_and_pairs_are_shown(tmp_path):
    path = write(tmp_path, "a.tsv", table([("en", "de"), *PAIRS]))
    corpus = load(path)
    assert corpus.description[:2] == ["en (column `en`) → de (column `de`)",
                                      "  {}  →  {}".format(*corpus.train[0])]
    assert load(path, reverse=True).description[0] == "de (column `de`) → en (column `en`)"


# -------------------------------------------------------------------------------------------- two files

def test_markup_lines_are_dropped_and_counted(tmp_path):
    for side, language in enumerate(("en", "de")):
        lines = [f"<url>http://x.org/{n}</url>\n<keywords>talks</keywords>\n{pair[side]}\n"
                 for n, pair in enumerate(PAIRS)]
        write(tmp_path, f"train.tags.en-de.{language}", "".join(lines))
    corpus = load(str(tmp_path), source_language="en")
    assert everything(corpus) == sorted(PAIRS)
    assert corpus.warnings == ["train.tags.en-de.de and train.tags.en-de.en: 120 lines of markup were "
                               "dropped, the first in line 1: <url>http://x.org/0</url>"]


def test_segments_of_xml_are_sentences_though_one_side_has_more_markup(tmp_path):
    pairs = [*PAIRS, Pair("salt & pepper <3", "Salz & Pfeffer <3")]
    for side, (language, more) in enumerate((("en", ""), ("de", "<translator>Ann</translator>\n"))):
        body = "".join(f'<seg id="{n}"> {pair[side].replace("&", "&amp;").replace("<", "&lt;")} </seg>\n'
                       for n, pair in enumerate(pairs))
        write(tmp_path, f"a.dev2010.{language}.xml",
              f'<?xml version="1.0"?>\n<refset>\n<doc docid="1">\n{more}{body}</doc>\n</refset>\n')
        write(tmp_path, f"train.{language}", "".join(pair[side] + "\n" for pair in PAIRS))
    assert load(str(tmp_path), source_language="en").validation == pairs


@pytest.mark.parametrize("line", ["<unk> is unknown", "<3 you", "<s> Hello </s>", "a < b > c",
                                  "<b>Hi</b>"])
def test_a_sentence_with_signs_of_markup_is_a_sentence(tmp_path, line):
    pairs = [*PAIRS, Pair(line, line)]
    paths = [write(tmp_path, f"a.{side}", "".join(pair[n] + "\n" for pair in pairs))
             for n, side in enumerate(("en", "de"))]
    assert Pair(line, line) in everything(load(",".join(paths)))


def test_markup_on_one_side_alone_stays_in_its_line(tmp_path):
    pairs = [*PAIRS[:9], Pair("<p>Some</p>", "Etwas"), *PAIRS[9:]]
    paths = [write(tmp_path, f"a.{side}", "".join(pair[n] + "\n" for pair in pairs))
             for n, side in enumerate(("en", "de"))]
    assert everything(load(",".join(paths))) == sorted(pairs)


@pytest.mark.parametrize("names", [("c.en-de.en", "c.en-de.de"), ("book_en.txt", "book_de.txt")])
def test_two_files_alone_in_a_folder_are_the_whole_corpus(tmp_path, names):
    for side, name in enumerate(names):
        write(tmp_path, name, "".join(pair[side] + "\n" for pair in PAIRS))
    assert everything(load(str(tmp_path), source_language="en")) == sorted(PAIRS)


def test_files_that_are_not_used_are_named(tmp_path):
    for side, language in enumerate(("en", "de")):
        write(tmp_path, f"train.{language}", "".join(pair[side] + "\n" for pair in PAIRS))
    write(tmp_path, "vocabulary.bpe", "x")
    assert load(str(tmp_path)).warnings == ["left out: vocabulary.bpe"]


def test_gbk_is_read_where_it_is_named(tmp_path):
    text = "".join(f"Number {n}.\t第{n}个句子很长。\n" for n in range(60)).encode("gbk")
    path = write(tmp_path, "a.tsv", text)
    assert load(path, encoding="gbk").target_language == "zh"
    with pytest.raises(ValueError, match="a.tsv, line 1: .*set --encoding"):
        load(path)
