"""Texts and labels from the user's own TSV and CSV files."""

import csv
import dataclasses
import io
import math
import pathlib

from tasks.reading import files
from tasks.reading.splits import Example

SEPARATOR = "|"                       # between the labels of one multi-label cell
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
TEXT_NAMES = ("text", "sentence", "review", "question", "utterance", "comment", "tweet", "message",
              "document", "phrase", "content", "body")
LABEL_NAMES = ("label", "labels", "class", "category", "sentiment", "polarity", "target", "intent",
               "score", "rating", "stars", "tags", "y")


@dataclasses.dataclass
class Format:
    """How to read the cells of a file."""
    multi_label: bool = False
    regression: bool = False
    text_column: object = None
    label_column: object = None

    def label(self, cell):
        """The label in a cell; ValueError where it is none."""
        if self.multi_label:
            return tuple(sorted({label.strip() for label in cell.split(SEPARATOR)} - {""}))
        if not self.regression:
            return cell.strip()
        number = float(cell)
        if not math.isfinite(number):
            raise ValueError("not finite")
        return number


def read(name, form):
    """{part: examples} and warnings of a file, or of a folder with one file a part."""
    path = pathlib.Path(name).expanduser()
    found = {"train": path}
    if path.is_dir():
        found = files.by_part(path, lambda file: kind(file) in DELIMITERS,
                              "train.tsv or train.csv (also .gz)")
    read = {part: _read_file(file, form) for part, file in found.items()}
    return ({part: examples for part, (examples, _) in read.items()},
            [f"{found[part].name}: {warning}" for part, (_, warnings) in read.items()
             for warning in warnings])


def kind(path):
    """The ending that says how the columns are separated."""
    name = path.name.lower().removesuffix(".gz")
    return pathlib.Path(name).suffix


def _read_file(path, form):
    """The examples of one TSV or CSV file, and what there is to say about it."""
    if kind(path) not in DELIMITERS:
        raise ValueError("expected a file ending in .tsv or .csv (also .gz), received "
                         f"{path.name}; rename it after the way its columns are separated")
    text, warnings = files.text(path, "rows with a text and a label")
    table = rows(path, text)
    text_at, label_at, header = _columns(path, [row for _, row in table], form)
    examples, skipped = [], []
    for line, row in table[header:]:
        if len(row) != len(table[0][1]):
            raise ValueError(f"{path.name}, line {line}: expected {len(table[0][1])} columns as in "
                             f"line {table[0][0]}, received {len(row)}; correct the line")
        if not row[text_at].strip() or not (form.multi_label or row[label_at].strip()):
            skipped.append(line)
            continue
        examples.append(Example(row[text_at].strip(), _label(path, line, row[label_at], form)))
    if not examples:
        raise ValueError(f"{path.name}: expected rows with a text and a label, received none")
    if skipped:
        warnings.append(f"{len(skipped)} rows without a text or a label were skipped, the first in "
                        f"line {skipped[0]}")
    return examples, warnings


def _label(path, line, cell, form):
    try:
        return form.label(cell)
    except ValueError:
        raise ValueError(f"{path.name}, line {line}: expected a number to regress, received "
                         f"'{cell[:40]}'; correct the line or check label_column") from None


def rows(path, text):
    """[(line number, cells)] without blank lines. Quotes have a meaning in CSV only."""
    delimiter = DELIMITERS[kind(path)]
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    csv.field_size_limit(2 ** 31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting,
                        strict=True)
    found, line = [], 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                found.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path.name}, line {line}: expected CSV in which each quote is closed "
                         f"and doubled inside, received a row with: {error}; correct it") from None
    return found


def _columns(path, rows, form):
    """Which column holds the text, which the label, and whether the first row is a header."""
    first, rest = rows[0], rows[1:]
    if len(first) < 2:
        separator = "commas" if kind(path) == ".csv" else "tabs"
        raise ValueError(f"{path.name}: expected a text and a label separated by {separator}, "
                         "received one column; separate them or rename the file")
    names = [cell.strip().lower() for cell in first]
    header = _is_header(first, rest, form)
    text_at = column(path, form.text_column, TEXT_NAMES, names, header, "text_column")
    label_at = column(path, form.label_column, LABEL_NAMES, names, header, "label_column")
    text_at, label_at = _guess(path, text_at, label_at, rest if header else rows)
    if text_at == label_at:
        raise ValueError(f"{path.name}: expected two different columns, received column "
                         f"{text_at + 1} as text and as label; set text_column and label_column")
    return text_at, label_at, int(header)


def _is_header(first, rest, form):
    """A row that names its columns with words no other row has there."""
    asked = [str(name).lower() for name in (form.text_column, form.label_column)
             if name is not None and not str(name).isdigit()]
    names = {*TEXT_NAMES, *LABEL_NAMES, *asked}
    return any(cell.strip().lower() in names and all(row[at:at + 1] != [cell] for row in rest)
               for at, cell in enumerate(first))


def column(path, asked, known, names, header, flag):
    """The index of a column that is asked for, or has a known name; None if neither."""
    if asked is None:
        found = [names.index(name) for name in known if header and name in names]
        return found[0] if found else None
    if header and str(asked).lower() in names:
        return names.index(str(asked).lower())
    if str(asked).isdigit() and 1 <= int(asked) <= len(names):
        return int(asked) - 1
    columns = ", ".join(names) if header else f"1 to {len(names)} (no header)"
    raise ValueError(f"{path.name}: no column '{asked}'; set {flag} to one of {columns}")


def _guess(path, text_at, label_at, rows):
    """Of two columns the longer one is the text."""
    if text_at is not None and label_at is not None:
        return text_at, label_at
    if len(rows and rows[0]) > 2:
        raise ValueError(f"{path.name}: expected two columns or a header with 'text' and 'label', "
                         f"received {len(rows[0])} columns; set text_column and label_column")
    if text_at is None and label_at is None:
        lengths = [sum(len(row[at]) for row in rows if len(row) == 2) for at in (0, 1)]
        text_at = 0 if lengths[0] >= lengths[1] else 1
    return (1 - label_at, label_at) if text_at is None else (text_at, 1 - text_at)
