"""Rows of the files people have: a path → a `Table`, whatever the format, the delimiter and the encoding.

    .csv .tsv .txt …       cells between commas, semicolons, tabs or bars, found by reading the file
    .jsonl .json           an object or an array a line, or an array of those
    __label__x text        fastText's lines, found by reading the file
    .parquet .xlsx         by pyarrow and by openpyxl, where they are installed
    a folder               a sub-folder a label, a file a text; or seq.in and label, a line a text

All but the last three may be compressed: .gz, .bz2, .xz.
"""

import contextlib

from tasks.reading import delimited, encoding as encodings, objects, sheets, splits
from tasks.reading.delimited import Text
from tasks.reading.encoding import kind
from tasks.reading.table import Table

DELIMITED = (".csv", ".tsv", ".tab", ".txt")
LINES = (".jsonl", ".ndjson")
JSON = (".json", *LINES)
ENDINGS = (*DELIMITED, *JSON, *sheets.READERS)
EXPECTED = "a CSV, TSV, JSON, Parquet or XLSX file"
UNLABELLED = ("unsup", "unlabeled", "unlabelled")       # folders of texts without a label


def read(path, expected, encoding=None, separator=None):
    """The `Table` of a file, or of a folder with a sub-folder a label.

    Args:    expected   what the rows should be, for the message
             encoding   of a text file; None finds it
             separator  of labels in a cell, which delimits columns only where nothing else does
    Raises:  ValueError: one line that says what came and what to do
    """
    if path.is_dir():
        return (_lines if pair_of(path) else _folder)(path, encoding)
    if kind(path) in sheets.READERS:
        return sheets.READERS[kind(path)](path)
    data, codec, notes = encodings.data(path, expected, encoding)
    text = Text(path, data, codec)
    first = text.head.lstrip().partition("\n")[0]
    if kind(path) in JSON or first[:1] == "{" and objects.is_json(first):
        return objects.of_json(path.name, data.decode(codec), notes, kind(path) in LINES)
    return delimited.marked(text, notes, separator) or delimited.cells(text, notes, separator)


# ---------------------------------------------------------------------------------------------- folders

def labels_of(path):
    """The sub-folders of a folder that hold one label's texts each; none where there is but one."""
    found = [folder for folder in _visible(path) if folder.is_dir() and folder.name not in UNLABELLED
             and any(file.is_file() for file in _visible(folder))] if path.is_dir() else []
    return found if len(found) > 1 else []


def pair_of(path):
    """The files of a folder that hold a text a line, and its label in the same line; [] if none do."""
    files = [path / "seq.in", path / "label"]
    return files if all(file.is_file() for file in files) else []


def _lines(path, encoding):
    texts, labels = (encodings.text(file, "one a line", encoding) for file in pair_of(path))
    rows = [text.removesuffix("\n").split("\n") for text, _ in (texts, labels)]
    if len(rows[0]) != len(rows[1]):
        raise ValueError(f"expected as many lines in {path / 'seq.in'} and label, received "
                         f"{len(rows[0])} and {len(rows[1])}; correct the files")
    return Table(path.name, ["text", "label"], enumerate(map(list, zip(*rows)), 1), texts[1] + labels[1])


def _folder(path, encoding):
    notes = splits.left_out(path, labels_of(path))
    return Table(path.name, ["text", "label"], _texts(path, encoding, notes), notes)


def _texts(path, encoding, notes):
    """(where, [text, label]) of every file; one with nothing in it has an empty text."""
    noted = []
    for folder in labels_of(path):
        for file in filter(lambda file: file.is_file(), _visible(folder)):
            place = f"{folder.name}/{file.name}"
            text, found = "", []
            with contextlib.suppress(encodings.EmptyFile):
                if file.stat().st_size:
                    text, found = encodings.text(file, "a text", encoding)
            noted += [f"{place}: {note}" for note in found]
            yield place, [text, folder.name]
    notes += [f"{len(noted):,} files were odd, the first {noted[0]}"] if noted else []


def _visible(path):
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
