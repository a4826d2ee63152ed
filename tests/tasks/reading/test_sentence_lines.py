"""Tokens in tables with headers, in lists of JSON and with their tags behind a slash; all by hand."""
import csv
import io
import json

import pytest

from tasks.reading import columns
from tasks.reading.columns import Form
from tasks.reading.splits import Sentence

ROWS = [[("Ada", "NNP", "B-PER"), (",", ",", "O"), ("wrote", "VBD", "O")],
        [('"', "X", "O"), ("New York", "NNP", "B-LOC")], [("1,000", "CD", "O")]]
SENTENCES = [Sentence(tuple(row[0] for row in rows), tuple(row[-1] for row in rows)) for rows in ROWS]


def read(tmp_path, name, text, form=Form()):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    datasets, warnings, first = columns.read(str(tmp_path / name), form)
    return datasets["train"], warnings, first


def cells(rows, delimiter=","):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def numbered(number):
    return [(number(n, at), *row) for n, rows in enumerate(ROWS, 1) for at, row in enumerate(rows)]


TABLES = {
    "first row alone": ("Sentence #,Word,POS,Tag\n", lambda n, at: "" if at else f"Sentence: {n}"),
    "every row": ("sentence_id,token,pos,ner\n", lambda n, at: n),
    "from 0": ("sent_id,word,pos,label\n", lambda n, at: n - 1),
    "names": ("Sentence ID,Tokens,pos,Tags\n", lambda n, at: f"doc1-s{n}")}


@pytest.mark.parametrize("delimiter", ",;\t")
@pytest.mark.parametrize("name", TABLES)
def test_a_column_numbers_the_sentences(tmp_path, name, delimiter):
    head, number = TABLES[name]
    rows = numbered(number)
    text = head.replace(",", delimiter) + cells(rows, delimiter)
    if delimiter == "\t":
        text = text.replace('""""', '"')           # quotes mean nothing between tabs
    found, (note,), first = read(tmp_path, "a.csv", text)
    assert found == SENTENCES and note.startswith("a.csv, line 1 names the columns: the token is `")
    assert first["B-LOC"] == "a.csv, line 6"


def test_an_index_before_the_number_of_the_sentence_is_no_token(tmp_path):
    rows = [(n, *row) for n, row in enumerate(numbered(lambda n, at: n))]
    assert read(tmp_path, "a.csv", ",sentence_id,word,pos,tag\n" + cells(rows))[0] == SENTENCES


@pytest.mark.parametrize("blank", ["\n", ",,\n"])
def test_blank_rows_end_sentences_where_no_column_numbers_them(tmp_path, blank):
    assert read(tmp_path, "a.csv", "token,pos,tag\n" + blank.join(map(cells, ROWS)))[0] == SENTENCES
    one = [[row for row in rows if " " not in row[0]] for rows in ROWS]
    found = read(tmp_path, "b.csv", blank.join(map(cells, one * 20)))[0]
    assert found[0] == SENTENCES[0] and len(found) == 60


def test_a_short_row_of_a_table_is_refused_with_its_line(tmp_path):
    text = "sentence_id,token,tag\n1,Ada,B-PER\n1,sings\n"
    with pytest.raises(ValueError, match="a.csv, line 3: expected 3 columns .* received 2"):
        read(tmp_path, "a.csv", text)


def test_one_endless_sentence_is_said(tmp_path):
    _, warnings, _ = read(tmp_path, "a.csv", "token,tag\n" + "Ada,B-PER\nsings,O\n" * 150)
    assert any("one sentence of 300 tokens; a blank line" in note for note in warnings)


def test_lists_of_python_in_cells_are_named(tmp_path):
    rows = [(n, "Ada sings", "['B-PER', 'O']") for n in range(9)]
    with pytest.raises(ValueError, match="a.csv: expected .*received lists in cells; write JSON Lines"):
        read(tmp_path, "a.csv", "Sentence #,Sentence,Tag\n" + cells(rows))


# ----------------------------------------------------------------------------------------- lists in JSON

LISTS = [{"id": n, "tokens": [row[0] for row in rows], "pos_tags": [row[1] for row in rows],
          "ner_tags": [row[2] for row in rows]} for n, rows in enumerate(ROWS)]


@pytest.mark.parametrize("write", [lambda rows: "\n".join(map(json.dumps, rows)), json.dumps,
                                   lambda rows: json.dumps(rows, indent=2)])
@pytest.mark.parametrize("names", [("tokens", "ner_tags"), ("words", "labels"), ("text", "tags")])
def test_lists_of_tokens_and_tags_are_sentences(tmp_path, write, names):
    rows = [{names[0]: row["tokens"], names[1]: row["ner_tags"]} for row in LISTS]
    found, warnings, _ = read(tmp_path, "a.json", write(rows))
    assert found == SENTENCES
    assert warnings == [f"the tokens are in `{names[0]}`, the tags in `{names[1]}`"]


def test_the_tags_of_several_layers_may_be_chosen(tmp_path):
    text = "\n".join(map(json.dumps, LISTS))
    assert read(tmp_path, "a.jsonl", text)[0] == SENTENCES
    assert read(tmp_path, "a.jsonl", text, Form(tag_column="pos_tags"))[0][0].tags == ("NNP", ",", "VBD")


@pytest.mark.parametrize("row, message", [
    ({"tokens": ["a"], "tags": [3]}, "names of their tags, received 3 in tags; write the name of each"),
    ({"tokens": ["a"], "tags": ["O", "O"]}, "as many tags in tags as tokens in tokens"),
    ({"tokens": "a b", "tags": ["O", "O"]}, "as many tags"), ({"tokens": ["a"]}, "as many tags"),
    ({"tokens": [" "], "tags": ["O"]}, "received an empty token"), ([1], "as many tags")])
def test_a_list_that_is_no_sentence_is_refused_with_its_line(tmp_path, row, message):
    rows = [{"tokens": ["a", "b"], "tags": ["O", "B-X"]}, row]
    with pytest.raises(ValueError, match=f"a.jsonl, line 2: expected .*{message}") as error:
        read(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert "\n" not in str(error.value)


def test_numbers_in_all_rows_are_no_names_of_tags(tmp_path):
    with pytest.raises(ValueError, match="a.jsonl, line 1: expected .*received 0 in ner_tags; write the"):
        read(tmp_path, "a.jsonl", '{"tokens": ["a", "b"], "ner_tags": [0, 1]}\n' * 9)


def test_empty_lists_are_counted(tmp_path):
    text = '{"tokens": ["a", "b"], "tags": ["O", "X"]}\n{"tokens": [], "tags": []}\n'
    found, warnings, _ = read(tmp_path, "a.jsonl", text)
    assert len(found) == 1 and warnings[1] == "1 lines were left out: sentences without a token"


# ------------------------------------------------------------------------------------------- word/TAG

WORDS = [Sentence(("Ada", "1/2", "."), ("NNP", "CD", ".")),
         Sentence(("Oslo", "rains"), ("NNP", "VBZ"))] * 9


@pytest.mark.parametrize("between, mark", [(" ", "/"), (" ", "_"), ("\n", "/")])
def test_words_and_their_tags_are_read(tmp_path, between, mark):
    text = ("\n\n" if between == "\n" else "\n").join(between.join(
        f"{word.replace('/', chr(92) + '/') if mark == '/' else word}{mark}{tag}"
        for word, tag in zip(*sentence[:2])) for sentence in WORDS)
    assert read(tmp_path, "a.txt", text)[0] == WORDS
    with pytest.raises(ValueError, match=f"a.txt, line .*: expected word{mark}TAG, received 'tea'"):
        read(tmp_path, "a.txt", text + "\ntea\n")
