"""Texts with character spans as doccano, Label Studio and spaCy write them; all records by hand."""
import json
import random

import pytest

from tasks.reading import columns
from tasks.reading.columns import Form
from tasks.reading.splits import Sentence
from zoo.text import spans

TEXTS = [("Ada lives in Oslo.", [(0, 3, "PER"), (13, 17, "LOC")]), ("It rains", []),
         ("Łódź 很大, Zoé!", [(0, 4, "LOC"), (9, 12, "PER")])]
SENTENCES = [Sentence(("Ada", "lives", "in", "Oslo", "."), ("B-PER", "O", "O", "B-LOC", "O")),
             Sentence(("It", "rains"), ("O", "O")),
             Sentence(("Łódź", "很", "大", ",", "Zoé", "!"), ("B-LOC", "O", "O", "O", "B-PER", "O"))]


def spacy(found, label="label", start="start", end="end"):
    return [{start: a, end: b, label: kind} for a, b, kind in found]


def studio(text, found, **others):
    """A task of Label Studio; a span quotes its text."""
    result = [{"value": {"start": a, "end": b, "text": text[a:b], "labels": [kind]}, "type": "labels"}
              for a, b, kind in found]
    choice = {"value": {"choices": ["news"]}, "type": "choices"}
    return {"id": 7, "data": {"text": text}, "annotations": [{"result": [*result, choice]}], **others}


RECORDS = {
    "doccano": lambda text, found: {"id": 1, "text": text, "label": found},
    "doccano, labels": lambda text, found: {"text": text, "labels": found, "Comments": []},
    "doccano, relations": lambda text, found: {
        "text": text, "entities": spacy(found, start="start_offset", end="end_offset"), "relations": []},
    "Label Studio": studio,
    "Label Studio, small": lambda text, found: {
        "text": text, "annotator": 1,
        "label": [{"start": a, "end": b, "text": text[a:b], "labels": [kind]} for a, b, kind in found]},
    "spaCy, ents": lambda text, found: {"text": text, "ents": spacy(found), "tokens": [{"id": 0}]},
    "spaCy, spans": lambda text, found: {"text": text, "spans": spacy(found), "answer": "accept"},
    "spaCy, entities": lambda text, found: {"text": text, "entities": found},
    "spaCy, pairs": lambda text, found: [text, {"entities": found}],
}
FILES = {
    "lines": lambda rows: "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n",
    "escaped lines": lambda rows: "\n\n".join(map(json.dumps, rows)),
    "CRLF": lambda rows: "\r\n".join(map(json.dumps, rows)) + "\r\n",
    "array": lambda rows: json.dumps(rows),
    "indented array": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False) + "\n\n",
    "BOM": lambda rows: "\ufeff" + json.dumps(rows),
}


def read(tmp_path, text, form=Form(), name="a.jsonl"):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    datasets, warnings, _ = columns.read(str(tmp_path / name), form)
    return datasets["train"], warnings


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("record", RECORDS)
def test_every_form_gives_the_sentences(tmp_path, record, file, name):
    rows = [RECORDS[record](*row) for row in TEXTS]
    assert read(tmp_path, FILES[file](rows), name=name) == (SENTENCES, [
        "texts with spans are cut into tokens as the exported model cuts them: tokenizer=word"])


def test_a_span_that_cuts_a_token_splits_it(tmp_path):
    rows = [{"text": "Adas cat", "label": [[0, 3, "PER"]]},
            {"text": "preOslo12", "label": [[3, 7, "LOC"]]}]
    found, warnings = read(tmp_path, FILES["lines"](rows))
    assert found == [Sentence(("Ada", "s", "cat"), ("B-PER", "O", "O")),
                     Sentence(("pre", "Oslo", "12"), ("O", "B-LOC", "O"))]
    assert warnings[1] == ("a.jsonl: 2 tokens are split where a span begins or ends, the first in line 1:"
                           " 'Adas'; the exported model will not split such")


def test_spans_side_by_side_of_one_type_stay_two(tmp_path):
    found, _ = read(tmp_path, '{"text": "很大Ada", "label": [[0, 2, "X"], [2, 5, "X"]]}')
    assert found == [Sentence(("很", "大", "Ada"), ("B-X", "I-X", "B-X"))]


def test_spaces_at_the_ends_of_a_span_and_spans_twice_change_nothing(tmp_path):
    found, _ = read(tmp_path, '{"text": "to Oslo now", "label": [[2, 8, "X"], [2, 8, "X"]]}')
    assert found == [Sentence(("to", "Oslo", "now"), ("O", "B-X", "O"))]


@pytest.mark.parametrize("tokenizer, tokens", [
    ("word", ("don't", "(", "3.14", ")")), ("space", ("don't", "(3.14)")),
    ("character", tuple("don't(3.14)"))])
def test_the_tokenizer_is_the_models(tmp_path, tokenizer, tokens):
    found, warnings = read(tmp_path, '{"text": "don\'t (3.14)", "label": []}', Form(tokenizer=tokenizer))
    assert found[0].tokens == tokens and warnings[0].endswith(f"tokenizer={tokenizer}")


def test_offsets_of_browsers_are_told_by_the_quoted_text(tmp_path):
    """Label Studio counts UTF-16 units: an emoji is two."""
    task = studio("🙂 Ada", [(2, 5, "PER")])
    task["annotations"][0]["result"][0]["value"].update(start=3, end=6)
    assert read(tmp_path, json.dumps([task]))[0] == [Sentence(("🙂", "Ada"), ("O", "B-PER"))]
    task["annotations"][0]["result"][0]["value"].update(start=1, end=4)
    with pytest.raises(ValueError, match=r"line 1: expected 'Ada' at \[1, 4, PER\], received ' Ad'"):
        read(tmp_path, json.dumps([task]))


def test_records_without_annotations_are_left_out_and_counted(tmp_path):
    rows = [studio("Ada sings", [(0, 3, "PER")]), studio("Bob", [], annotations=[]),
            studio("Bob", [], annotations=[{"was_cancelled": True, "result": []}])]
    found, warnings = read(tmp_path, json.dumps(rows))
    assert len(found) == 1 and "2 lines were left out: texts without annotations" in warnings
    rows = [{"text": "Ada", "spans": spacy([(0, 3, "PER")]), "answer": answer}
            for answer in ("accept", "reject", "ignore")] + [{"text": " ", "spans": []}]
    found, warnings = read(tmp_path, FILES["lines"](rows))
    assert len(found) == 1 and warnings[1:] == [
        "2 lines were left out: texts that the annotator rejected",
        "1 lines were left out: texts without a token"]


def test_annotators_must_agree(tmp_path):
    one, two = studio("Ada sings", [(0, 3, "PER")]), studio("Ada sings", [(0, 3, "ORG")])
    same = {**one, "annotations": one["annotations"] * 2}
    assert len(read(tmp_path, json.dumps([same]))[0]) == 1
    both = {**one, "annotations": one["annotations"] + two["annotations"]}
    with pytest.raises(ValueError, match="line 1: expected annotations that agree, received 2 that dif"):
        read(tmp_path, json.dumps([both]))


def test_keys_of_other_names_can_be_given(tmp_path):
    row = '{"title": "News", "body": "Ada", "marks": [[0, 3, "PER"]], "labels": [[0, 1, "X"]]}'
    assert read(tmp_path, row, Form("body", "marks"))[0] == [Sentence(("Ada",), ("B-PER",))]


GOOD = '{"text": "Ada in Oslo", "label": [[0, 3, "PER"]]}\n'


@pytest.mark.parametrize("line, message", [
    ('{"text": "Ada Byron", "label": [[0, 6, "PER"], [4, 9, "ORG"]]}',
     r"do not overlap, received 'Ada By' \[0, 6, PER\] and 'Byron' \[4, 9, ORG\]; keep one"),
    ('{"text": "Ada Byron", "label": [[0, 9, "PER"], [0, 3, "PER"]]}', "'Ada' .* and 'Ada Byron'"),
    ('{"text": "Ada", "label": [[0, 4, "PER"]]}', r"inside the 3 characters.*received \[0, 4, PER\]"),
    ('{"text": "Ada", "label": [[2, 2, "PER"]]}', r"received \[2, 2, PER\]"),
    ('{"text": "A  a", "label": [[1, 3, "PER"]]}', r"received \[1, 3, PER\]"),
    ('{"text": "Ada", "label": [[-1, 2, "PER"]]}', r"received \[-1, 2, PER\]"),
    ('{"text": "Ada", "label": [[0, 2]]}', r"start, end and one label, received \[0, 2\]"),
    ('{"text": "Ada", "label": [["0", "3", "PER"]]}', "start, end and one label"),
    ('{"text": "Ada", "label": [[0, 3, ""]]}', "start, end and one label"),
    ('{"text": "Ada", "label": [{"start": 0, "end": 3, "labels": ["A", "B"]}]}', "start, end and one"),
    ('{"text": "Ada", "label": ["PER"]}', "start, end and one label"),
    ('{"text": "Ada", "label": "PER"}', "a text and its spans"),
    ('{"text": 3, "label": []}', "a text and its spans"),
    ('{"text": "Ada", "label": [[0, 3, "PER"]]', "a JSON object a line, or one array"),
    ("Ada PER", "a JSON object a line, or one array"),
])
def test_a_bad_record_is_named_by_its_line(tmp_path, line, message):
    with pytest.raises(ValueError, match=rf"a\.jsonl, line 3: expected .*{message}") as error:
        read(tmp_path, GOOD * 2 + line + "\n" + GOOD)
    assert "\n" not in str(error.value)


def test_a_bad_element_of_an_array_is_named_by_its_line(tmp_path):
    for bad in ('{"text": "Ada", "label": [[0, 9, "PER"]]}', '{"text" "Ada"}', "null"):
        with pytest.raises(ValueError, match="a.json, line 3: expected"):
            read(tmp_path, f"[\n{GOOD.strip()},\n{bad}]\n", name="a.json")
    for end in ("", ",", "] []"):
        with pytest.raises(ValueError, match=r"a.json, line \d+: expected one array"):
            read(tmp_path, f"[\n{GOOD}{end}\n", name="a.json")


@pytest.mark.parametrize("row, message", [
    ('{"text": "Ada", "label": "pos"}', "no key for the spans, of the keys text, label; set tag_column"),
    ('{"x": "Ada", "label": [[0, 1, "y"]]}', "no key for the text, of the keys x, label; set token_col"),
    ('{"text": "Ada", "label": [[0, 1, "y"]], "spans": [[0, 2, "y"]]}', "label and spans for the sp"),
    ('{"text": "Ada", "label": null}', "no key for the spans"),
])
def test_records_without_texts_or_spans_are_refused(tmp_path, row, message):
    with pytest.raises(ValueError, match=f"a.jsonl: expected a text and its spans.*{message}"):
        read(tmp_path, row + "\n")


def test_one_record_alone_is_read(tmp_path):
    for record in RECORDS.values():
        assert read(tmp_path, json.dumps(record(*TEXTS[0])))[0] == SENTENCES[:1]


@pytest.mark.parametrize("name, text", [("a.txt", "[ O\n{ O\n\n[ O\n"), ("a.conll", "{\tO\n\"\tO\n")])
def test_brackets_are_tokens_in_columns(tmp_path, name, text):
    assert read(tmp_path, text, name=name)[0][0].tags == ("O", "O")


@pytest.mark.parametrize("record", RECORDS)
def test_random_spans_are_read_back(tmp_path, record):
    """Spans of whole words: each is read with its words and its label."""
    rng, rows, expected = random.Random(4), [], []
    for _ in range(100):
        words = rng.choices(["Ada", "很", "naïve", "👍🏽", "3.14", "don't", ",", "O", "(", "Ærø"],
                            k=rng.randint(1, 9))
        starts = [sum(len(word) + 1 for word in words[:n]) for n in range(len(words))]
        found, at = [], rng.randint(0, 2)
        while at < len(words):
            end = min(len(words), at + rng.randint(1, 3))
            found.append((at, end, rng.choice(["PER", "a label", "X-Y"])))
            at = end + rng.randint(0, 2)
        expected.append((tuple(words), found))
        rows.append((" ".join(words), [(starts[a], starts[b - 1] + len(words[b - 1]), kind)
                                       for a, b, kind in found]))
    sentences, _ = read(tmp_path, FILES["indented array"]([RECORDS[record](*row) for row in rows]))
    assert [(tokens, spans.spans(tags)) for tokens, tags, _ in sentences] == expected
