"""Records: every format and every habit of those who write it, against `csv`, `json` and plain lists."""
import bz2
import csv
import gzip
import io
import json
import lzma
import pathlib
import random
import zipfile

import pytest

from tasks.reading import labelled, records, sheets
from tasks.sentiment import corpora

SPLITS = ("train", "validation", "test")
ROWS = [(f"I like tea, number {n}", ("pos", "neg")[n % 2]) for n in range(30)]
HARD = [(f'She said "no; {n}",\nthen | left', ("pos", "neg")[n % 2]) for n in range(30)]
FLAT = [(f'She said "no; {n}", then', ("pos", "neg")[n % 2]) for n in range(30)]


def write(folder, name, data):
    path = folder / name
    data = data.encode() if isinstance(data, str) else data
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(path.suffix)
    path.write_bytes(pack(data) if pack else data)
    return path


def delimited(delimiter, rows, **options):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n", **options).writerows(rows)
    return text.getvalue()


def fasttext(rows):
    return "".join(f"__label__{label} {text}\n" for text, label in rows)


def lines(rows):
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)


def array(rows):
    return json.dumps([{"text": text, "label": label} for text, label in rows], indent=1)


WRITERS = {"a.csv": lambda rows: delimited(",", rows),
           "semicolons.csv": lambda rows: delimited(";", rows),
           "bars.csv": lambda rows: delimited("|", rows),
           "a.tsv": lambda rows: delimited("\t", rows),
           "a.txt": lambda rows: delimited("\t", rows),
           "commas.txt": lambda rows: delimited(",", rows),
           "fast.txt": fasttext, "a.jsonl": lines, "a.json": array}
CELLS = [name for name in WRITERS if name not in ("fast.txt", "a.jsonl", "a.json")]


def everything(corpus):
    return sorted(example for split in SPLITS for example in getattr(corpus, split))


def load(path, **options):
    return everything(corpora.load(str(path), **options))


@pytest.mark.parametrize("name", WRITERS)
def test_plain_rows_are_read(tmp_path, name):
    assert load(write(tmp_path, name, WRITERS[name](ROWS))) == sorted(ROWS)


@pytest.mark.parametrize("head", [("text", "label"), ("v1", "is_sarcastic"), ("Review Text", "class")])
@pytest.mark.parametrize("name", CELLS)
def test_a_header_is_no_row(tmp_path, name, head):
    assert load(write(tmp_path, name, WRITERS[name]([head, *ROWS]))) == sorted(ROWS)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_byte_order_mark_is_no_text(tmp_path, name, codec):
    assert load(write(tmp_path, name, WRITERS[name](ROWS).encode(codec))) == sorted(ROWS)


@pytest.mark.parametrize("name", WRITERS)
def test_lines_may_end_as_in_windows(tmp_path, name):
    assert load(write(tmp_path, name, WRITERS[name](ROWS).replace("\n", "\r\n"))) == sorted(ROWS)


@pytest.mark.parametrize("name", WRITERS)
def test_quotes_hold_delimiters_quotes_and_line_breaks(tmp_path, name):
    rows = FLAT if name == "fast.txt" else HARD
    assert load(write(tmp_path, name, WRITERS[name](rows))) == sorted(rows)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_may_be_quoted(tmp_path, name):
    delimiter = {"a": ",", "semicolons": ";", "bars": "|", "commas": ","}[name.split(".")[0]]
    delimiter = delimiter if name.endswith(".csv") or "commas" in name else "\t"
    text = delimited(delimiter, ROWS, quoting=csv.QUOTE_ALL)
    assert load(write(tmp_path, name, text)) == sorted(ROWS)


@pytest.mark.parametrize("name", WRITERS)
def test_empty_lines_are_passed_over(tmp_path, name):
    text = "\n \n" + WRITERS[name](ROWS[:15]) + "\n\n" + WRITERS[name](ROWS[15:]) + "\n \n"
    if name == "a.json":
        text = "\n \n" + WRITERS[name](ROWS).replace("\n", "\n\n \n") + "\n \n"
    assert load(write(tmp_path, name, text)) == sorted(ROWS)


@pytest.mark.parametrize("name", ["fast.txt", "a.jsonl", "a.json"])
def test_formats_with_names_of_their_own_need_no_header(tmp_path, name):
    assert records.read(write(tmp_path, name, WRITERS[name](ROWS)), "rows").names == ["text", "label"]


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_compressed_file_is_read(tmp_path, name, ending):
    assert load(write(tmp_path, name + ending, WRITERS[name](ROWS))) == sorted(ROWS)


@pytest.mark.parametrize("name", CELLS)
def test_a_row_of_another_width_is_refused_with_its_line(tmp_path, name):
    text = WRITERS[name](ROWS[:20]) + "alone\n" + WRITERS[name](ROWS[20:])
    with pytest.raises(ValueError, match="line 21: expected 2 columns as in line 1, received 1; correct"):
        load(write(tmp_path, name, text))


@pytest.mark.parametrize("name, text, message", [
    ("a.jsonl", lines(ROWS) + '{"text": \n', "a.jsonl, line 31: expected JSON, an object a line"),
    ("a.jsonl", lines(ROWS) + '"text"\n', "a.jsonl, line 31: expected a JSON object.*received \"text\""),
    ("a.jsonl", '["a tea", "x"]\n["b tea"]\n', "a.jsonl, line 2: expected 2 columns .* received 1"),
    ("a.json", array(ROWS)[:-9], "a.json, line 1\\d\\d: expected JSON"),
    ("a.json", '[{"text": "a"}, 3]', "a.json, row 2: expected a JSON object.* received 3"),
    ("a.json", '[{"text": ["a", "b"], "label": "x"}]', "row 1: expected one text, not a list"),
    ("a.json", '[{"text": "a", "label": ["x", "y"]}]', "row 1: expected one label.*; set multi_label"),
    ("fast.txt", fasttext(ROWS) + "__label__a __label__b tea\n", "line 31: expected one label"),
    ("a.csv", delimited(",", HARD) + 'open,"quote\n', "line 61: expected CSV .* quote is closed"),
    ("a.csv", "just one column\nand another\n", "separated by commas, received one column"),
    ("a.xlsx", b"PK", "expected .*xlsx|expected a readable file"),
])
def test_a_bad_row_is_refused_with_its_place(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(tmp_path, name, text))
    assert "\n" not in str(error.value)


def test_a_line_of_fasttext_without_a_label_is_skipped_and_counted(tmp_path):
    corpus = corpora.load(str(write(tmp_path, "a.txt", fasttext(ROWS) + "no label here\n")))
    assert everything(corpus) == sorted(ROWS)
    assert corpus.warnings == ["a.txt: 1 rows without a text or a label were skipped, the first in "
                               "line 31"]


def test_labels_of_fasttext_and_lists_of_json_are_several_labels(tmp_path):
    expected = sorted((f"tea {n}", (("a", "b"), ("b",))[n % 2]) for n in range(30))
    marks = [("".join(f"__label__{label} " for label in labels), text) for text, labels in expected]
    text = "".join(mark + text + "\n" for mark, text in marks)
    assert load(write(tmp_path, "a.txt", text), multi_label=True) == expected
    text = "".join(json.dumps({"text": text, "label": labels}) + "\n" for text, labels in expected)
    assert load(write(tmp_path, "a.jsonl", text), multi_label=True) == expected


def test_the_prefix_of_fasttext_is_no_part_of_a_label_in_a_table(tmp_path):
    spaced = "".join(f"__label__{label} , {text.replace(',', '')}\n" for text, label in ROWS)
    expected = sorted((text.replace(",", ""), label) for text, label in ROWS)
    assert load(write(tmp_path, "a.csv", spaced)) == expected
    assert load(write(tmp_path, "a.txt", spaced)) == expected


@pytest.mark.parametrize("make", [lambda row: list(row), lambda row: {"label": row[1], "text": row[0]}])
def test_arrays_and_objects_of_json_are_rows(tmp_path, make):
    rows = [make(row) for row in ROWS]
    assert load(write(tmp_path, "a.json", json.dumps(rows))) == sorted(ROWS)
    assert load(write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))) == sorted(ROWS)


def test_values_of_json_are_as_they_are_written(tmp_path):
    values = ["a", 1, 2.5, True, None, float("nan")]
    text = "".join(json.dumps({"text": f"tea {n}", "label": values[n % 6]}) + "\n" for n in range(60))
    corpus = corpora.load(str(write(tmp_path, "a.jsonl", text)))
    assert corpus.labels == ["1", "2.5", "a", "true"]
    assert corpus.warnings[0].startswith("a.jsonl: 20 rows without a text or a label were skipped")


def test_a_header_that_comes_again_is_no_row(tmp_path):
    for again in ("", "\ufeff"):
        text = delimited(",", [("body", "mood"), *ROWS[:15]]) + again + delimited(
            ",", [("body", "mood"), *ROWS[15:]])
        corpus = corpora.load(str(write(tmp_path, "a.csv", text)))
        assert everything(corpus) == sorted(ROWS)
        assert corpus.warnings[-1] == ("a.csv: 1 rows repeat the header and were skipped, the first in "
                                       "line 17")


def test_a_header_may_have_empty_cells_over_empty_columns(tmp_path):
    text = "v1,v2,,,\n" + "".join(f'{label},"{text}",,,\n' for text, label in ROWS)
    assert load(write(tmp_path, "a.csv", text)) == sorted(ROWS)


def test_a_table_of_markdown_is_read(tmp_path):
    text = "| text | label |\n|:---|---|\n" + "".join(f"| {text} | {label} |\n" for text, label in ROWS)
    assert load(write(tmp_path, "a.md", text)) == sorted(ROWS)


@pytest.mark.parametrize("text, message", [
    ("text,label\n", "a.csv: expected rows with a text and a label, received none"),
    ("# exported\n" + delimited(",", ROWS), "line 2: expected 1 columns as in line 1, received 2"),
    (delimited(",", ROWS) + "\x1a", "line 31: expected 2 columns as in line 1, received 1"),
    (delimited(",", ROWS).replace("\n", ",\n", 20) + "a,b,c\n", "line 21: expected 3 columns"),
    ('a "tea"",x\n' * 9 + '"open,x\n', "line 10: expected CSV .* quote is closed"),
    ("<!doctype html>\n<p>a,b</p>\n", "received an HTML page; save it as text"),
    (delimited(",", ROWS).replace("tea", "te\0a", 1), "line 1: expected UTF-8 text, received a binary")])
def test_odd_files_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(tmp_path, "a.csv", text))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("codec, option", [("utf-16-le", "utf-16-le"), ("utf-16", None)])
def test_utf16_without_a_mark_must_be_named(tmp_path, codec, option):
    path = write(tmp_path, "a.csv", delimited(";", ROWS).encode(codec))
    assert load(path, encoding=option) == sorted(ROWS)
    if option:
        with pytest.raises(ValueError, match="line 1: expected UTF-8 .*for instance utf-16-le"):
            load(path)


def test_a_cr_alone_ends_a_line(tmp_path):
    for name, writer in WRITERS.items():
        assert load(write(tmp_path, name, writer(ROWS).replace("\n", "\r"))) == sorted(ROWS), name


def test_half_a_surrogate_in_json_is_no_character(tmp_path):
    text = lines(ROWS) + '{"text": "tea \\ud83d cup", "label": "pos"}\n'
    assert ("tea   cup", "pos") in load(write(tmp_path, "a.jsonl", text))


def test_bars_between_labels_delimit_no_columns(tmp_path):
    text = "".join(f"tea {n},fast|cheap\n" for n in range(30))
    assert {label for _, label in load(write(tmp_path, "a.csv", text), multi_label=True)} == {
        ("cheap", "fast")}


def test_the_first_line_of_excel_names_the_delimiter(tmp_path):
    text = "sep=;\r\n" + delimited(";", ROWS).replace("\n", "\r\n") + "alone\r\n"
    with pytest.raises(ValueError, match="line 32: expected 2 columns as in line 2, received 1"):
        load(write(tmp_path, "a.csv", text))
    assert load(write(tmp_path, "a.csv", text.removesuffix("alone\r\n"))) == sorted(ROWS)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "reviews"])
def test_objects_of_json_are_known_by_their_first_line(tmp_path, name):
    assert load(write(tmp_path, name, lines(ROWS))) == sorted(ROWS)


def test_spaces_before_quotes_are_no_text(tmp_path):
    text = "".join(f'"{text}", "{label}"\n' for text, label in ROWS)
    assert load(write(tmp_path, "a.csv", text)) == sorted(ROWS)


@pytest.mark.parametrize("text", ["", "[]", "{}\n{}\n", "[]\n", "null", '{"text": "a"}', "[[]]"])
def test_json_without_rows_is_refused(tmp_path, text):
    for name in ("a.json", "a.jsonl"):
        with pytest.raises(ValueError, match=f"{name}.*expected"):
            load(write(tmp_path, name, text))


def test_rows_of_json_may_stand_beside_other_things(tmp_path):
    text = json.dumps({"version": 1, "data": json.loads(array(ROWS))}, indent=1)
    assert load(write(tmp_path, "a.json", text)) == sorted(ROWS)


@pytest.mark.parametrize("name, rows", [("a.jsonl", 1), ("a.jsonl.gz", 1), ("a.json", 2)])
def test_a_line_of_json_lines_is_a_row_whatever_it_holds(tmp_path, name, rows):
    text = json.dumps({"text": "Ada lives in Oslo", "spans": [{"text": "Ada"}, {"text": "Oslo"}]})
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    table = records.read(path, "rows")
    assert len(list(table.rows)) == rows and table.names == (["text", "spans"] if rows == 1 else ["text"])


FRAME = {"text": [text for text, _ in HARD], "label": [label for _, label in HARD], "id": list(range(30))}


@pytest.mark.parametrize("orient", ["records", "columns", "index", "split", "table", "lists"])
def test_json_of_pandas_is_read_in_every_orientation(tmp_path, orient):
    pandas = pytest.importorskip("pandas")
    text = json.dumps(FRAME) if orient == "lists" else pandas.DataFrame(FRAME).to_json(orient=orient)
    assert load(write(tmp_path, "a.json", text)) == sorted(HARD)
    assert load(write(tmp_path, "a.json", json.dumps(json.loads(text), indent=1))) == sorted(HARD)


COLUMNS = {f"r{n}": row for n, row in enumerate(ROWS)}


@pytest.mark.parametrize("value", [
    {"text": {key: text for key, (text, _) in COLUMNS.items()},
     "label": {key: label for key, (_, label) in COLUMNS.items()}},
    {"columns": ["text", "label"], "index": list(range(30)), "data": ROWS}])
def test_json_by_columns_is_read(tmp_path, value):
    assert load(write(tmp_path, "a.json", json.dumps(value))) == sorted(ROWS)


def test_objects_in_objects_have_columns_of_their_own(tmp_path):
    rows = [{"a": {"text": text, "more": {"x": 1}}, "b": {"text": f"other {n}", "label": label}}
            for n, (text, label) in enumerate(ROWS)]
    path = write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert records.read(path, "rows").names == ["a.text", "x", "b.text", "label"]
    assert load(path, text_column="a.text") == sorted(ROWS)


def test_excel_writes_a_decimal_comma_beside_semicolons(tmp_path):
    rows = [(text, f"{n},5") for n, (text, _) in enumerate(ROWS)]
    text = delimited(";", [("text", "score"), *rows])
    assert load(write(tmp_path, "a.csv", text), regression=True) == sorted(
        (text, n + 0.5) for n, (text, _) in enumerate(ROWS))


def test_notes_on_the_files_of_a_folder_are_one(tmp_path):
    for label in ("pos", "neg"):
        (tmp_path / label).mkdir()
        for n in range(30):
            write(tmp_path / label, f"{n}.txt", f"Müller {label} {n}".encode("cp1252"))
    (note,) = corpora.load(str(tmp_path)).warnings
    assert "60 files were odd, the first neg/0.txt: read as cp1252" in note


def test_files_in_which_nothing_stands_are_skipped_and_counted(tmp_path):
    for label in ("pos", "neg"):
        (tmp_path / label).mkdir()
        for n in range(30):
            write(tmp_path / label, f"{n}.txt", f"{label} {n}")
    for name, data in (("a.txt", b""), ("b.txt", b"\n"), ("c.txt", b"\xef\xbb\xbf"),
                       ("d.txt.gz", b""), ("e.txt.bz2", b"\n")):
        write(tmp_path / "pos", name, data)
    (note,) = corpora.load(str(tmp_path)).warnings
    assert "5 rows without a text or a label were skipped, the first in pos/a.txt" in note


def test_folders_of_texts_without_labels_are_left_out(tmp_path):
    for label in ("pos", "neg", "unsup"):
        (tmp_path / label).mkdir()
        for n in range(30):
            write(tmp_path / label, f"{n}.txt", f"{label} {n}")
    corpus = corpora.load(str(tmp_path))
    assert corpus.labels == ["neg", "pos"] and any("left out: unsup" in note for note in corpus.warnings)


def test_empty_cells_beyond_the_last_column_are_no_columns(tmp_path):
    text = delimited(";", ROWS) + "tea for two;pos;;\n"
    assert ("tea for two", "pos") in load(write(tmp_path, "a.csv", text))


def test_a_folder_may_have_a_folder_for_each_label(tmp_path):
    for n, (text, label) in enumerate(HARD):
        (tmp_path / label).mkdir(exist_ok=True)
        write(tmp_path / label, f"{n}.txt", text)
    assert load(tmp_path) == sorted(HARD)
    for split in ("train", "test"):
        for label in ("pos", "neg"):
            (tmp_path / "split" / split / label).mkdir(parents=True)
            for n in range(30):
                write(tmp_path / "split" / split / label, f"{n}.txt", f"{split} {label} {n}")
    test = corpora.load(str(tmp_path / "split")).test
    assert sorted(test) == sorted((f"test {label} {n}", label) for label in ("pos", "neg")
                                  for n in range(30))


# ------------------------------------------------------------------------------------ optional packages

@pytest.mark.parametrize("package, name", [("pyarrow", "a.parquet"), ("openpyxl", "a.xlsx")])
def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch, package, name):
    def none(module):
        raise ImportError(module)
    monkeypatch.setattr(sheets.importlib, "import_module", none)
    with pytest.raises(ValueError, match=f"{name}: .*python -m pip install {package}"):
        load(write(tmp_path, name, b"PK\3\4"))


def test_parquet_is_read(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"id": list(range(30)), "text": [text for text, _ in HARD],
               "label": [n % 2 for n in range(30)]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet") == sorted((text, str(n % 2)) for n, (text, _) in enumerate(HARD))
    with pytest.raises(ValueError, match="b.parquet: expected a readable file"):
        load(write(tmp_path, "b.parquet", b"PAR1 nothing"))


def test_xlsx_is_read_and_other_sheets_are_named(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("Text", "Queue"), *HARD]:
        book.active.append(row)
    book.create_sheet("Notes").append(["left out"])
    book.save(tmp_path / "a.xlsx")
    corpus = corpora.load(str(tmp_path / "a.xlsx"))
    assert everything(corpus) == sorted(HARD)
    assert corpus.warnings == ["a.xlsx: left out: sheet 'Notes', for 'Sheet' is read"]


def test_the_largest_sheet_is_read_without_titles_and_empty_columns(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["made", "by me"])
    sheet = book.create_sheet("Data")
    for row in [["My tickets"], [], [None, "Text", None, "Label"]]:
        sheet.append(row)
    for text, label in ROWS:
        sheet.append([None, text, None, label, None])
    book.save(tmp_path / "a.xlsx")
    corpus = corpora.load(str(tmp_path / "a.xlsx"))
    assert everything(corpus) == sorted(ROWS)
    assert corpus.warnings == ["a.xlsx: left out: sheet 'Sheet', for 'Data' is read",
                               "a.xlsx: left out: row 1, a title: 'My tickets'"]


def test_parquet_of_categories_and_lists_is_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(ROWS, columns=["text", "label"]).astype({"label": "category"})
    frame["tokens"] = [text.split() for text in frame["text"]]
    frame.to_parquet(tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet") == sorted(ROWS)
    with pytest.raises(ValueError, match="a.parquet, row 1: expected one text, not a list"):
        load(tmp_path / "a.parquet", text_column="tokens")


def test_entities_in_xlsx_are_not_expanded(tmp_path):
    pytest.importorskip("openpyxl")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", '<!DOCTYPE a [<!ENTITY b "tea">]><a>&b;</a>')
    with pytest.raises(ValueError, match="xl/workbook.xml declares XML entities"):
        load(tmp_path / "a.xlsx")


# ------------------------------------------------------------------------------------------- at random

def printable(rng, length, without=""):
    """A string of printable characters from all over Unicode, neither starting nor ending in a space."""
    found = []
    while len("".join(found).strip()) < length:
        sign = chr(rng.choice([rng.randrange(32, 127), rng.randrange(160, 0x3000),
                               rng.randrange(0x20000)]))
        found.append(sign if sign.isprintable() and sign not in without else "")
    return "".join(found).strip()


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read_back(tmp_path, name):
    rng = random.Random(0)
    for case in range(12):
        without = " " if name == "fast.txt" else ""
        labels = {printable(rng, rng.randrange(1, 12), without).casefold()
                  for _ in range(rng.randrange(2, 6))}
        labels = [label for label in labels if label != "nan"] * 2
        if len(labels) < 4:
            continue
        rows = [(printable(rng, rng.randrange(1, 60)), rng.choice(labels)) for _ in range(150)]
        rows += [(printable(rng, 9) + str(n), label) for n, label in enumerate(labels)]
        head = [("text", "label")] * (name in CELLS)
        path = write(tmp_path, name, WRITERS[name](head + rows))
        table = records.read(path, "rows")
        found = [tuple(row) for _, row in table.rows]
        if name == "fast.txt":
            found = [(text, *label) for text, label in found]
        assert found == head + rows, case
        assert load(path) == sorted(rows), case


def test_what_is_written_into_folders_is_read_back(tmp_path):
    rng = random.Random(1)
    for case in range(8):
        labels = {printable(rng, rng.randrange(1, 12), "/").casefold() for _ in range(4)}
        labels = [label for label in labels if label.lower() not in ("nan", *records.UNLABELLED)
                  and label[0] not in "." and not label.startswith("__label__")]
        rows = [(printable(rng, rng.randrange(1, 60)), label) for _ in range(20) for label in labels]
        for n, (text, label) in enumerate(rows):
            (tmp_path / f"{case}" / label).mkdir(parents=True, exist_ok=True)
            write(tmp_path / f"{case}" / label, f"{n}.txt", text)
        assert load(tmp_path / f"{case}") == sorted(rows), case


def test_memory_is_bounded_by_the_data(tmp_path):
    import tracemalloc
    path = pathlib.Path(write(tmp_path, "a.csv", delimited(",", ROWS * 2_000)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in records.read(path, "rows").rows) == 60_000
        assert tracemalloc.get_traced_memory()[1] < 5 * path.stat().st_size
    finally:
        tracemalloc.stop()


def test_texts_and_labels_may_stand_in_the_same_lines_of_two_files(tmp_path):
    for split, texts, labels in (("train", "play a song\n\nstop it now\n", "play\nstop\nstop\n"),
                                 ("test", "stop\n", "stop\n")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "seq.in").write_text(texts)
        (tmp_path / split / "label").write_text(labels)
    tables = {split: records.read(tmp_path / split, "rows") for split in ("train", "test")}
    assert list(tables["train"].rows) == [(1, ["play a song", "play"]), (2, ["", "stop"]),
                                          (3, ["stop it now", "stop"])]
    assert labelled.files(tmp_path)[0] == {"train": [tmp_path / "train"], "test": [tmp_path / "test"]}
    (tmp_path / "test" / "label").write_text("stop\nplay\n")
    with pytest.raises(ValueError, match="as many lines in .*seq.in and label, received 1 and 2"):
        records.read(tmp_path / "test", "rows")
