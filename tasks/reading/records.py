"""Rows of the files people have: a path → a `Table`, whatever the format, the delimiter and the encoding.

    .csv .tsv .txt …       cells between commas, semicolons, tabs or bars, found by reading the file
    .jsonl .json           an object or an array a line, or an array of those
    __label__x text        fastText's lines, found by reading the file
    .parquet .xlsx         by pyarrow and by openpyxl, where they are installed
    a folder               a sub-folder a label, a file a text

All but the last three may be compressed: .gz, .bz2, .xz.
"""

import csv
import dataclasses
import functools
import importlib
import io
import itertools
import json
import pathlib
import re
import zipfile

from tasks.reading import encoding as encodings, splits
from tasks.reading.encoding import kind, opened, readable

DELIMITED = (".csv", ".tsv", ".tab", ".txt")
JSON = (".json", ".jsonl", ".ndjson")
ENDINGS = (*DELIMITED, *JSON, ".parquet", ".xlsx")
EXPECTED = "a CSV, TSV, JSON, Parquet or XLSX file"
NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
LIKELY = "\t;,|"                      # which delimiter it is where several fit
SEEN = 1000                           # rows that a delimiter is found in
HEAD = 1 << 20                        # characters that hold them
PREFIX = "__label__"
UNLABELLED = ("unsup", "unlabeled", "unlabelled")       # folders of texts without a label
FASTTEXT = re.compile(rf"\s*((?:{PREFIX}\S+\s+)*{PREFIX}\S+)(.*)", re.S)
HALVES = re.compile("[\ud800-\udfff]")          # of characters, which only JSON can hold
csv.field_size_limit(2 ** 31 - 1)


@dataclasses.dataclass
class Table:
    """The rows of one file.

    names      of its columns; None where none are sure: then the first row may hold them
    rows       iterates over (number, cells), all of one width, none of them blank; a cell is a string,
               or a tuple of strings where JSON or Parquet has a list
    unit       what a number counts: a line or a row
    delimiter  between the cells, in words
    objects    the rows as JSON or Parquet has them, where they are objects
    """
    name: str
    names: list | None
    rows: object
    notes: list
    unit: str = "line"
    delimiter: str = "tabs"
    objects: list | None = None

    def where(self, number):
        """The place of a row, for a message."""
        return number if isinstance(number, str) else f"{self.name}, {self.unit} {number}"

    def first(self, count):
        """The first rows, which stay in `rows`."""
        found = list(itertools.islice(self.rows, count))
        self.rows = itertools.chain(found, self.rows)
        return found


def read(path, expected, encoding=None, separator=None):
    """The `Table` of a file, or of a folder with a sub-folder a label.

    Args:    expected   what the rows should be, for the message
             encoding   of a text file; None finds it
             separator  of labels in a cell, which delimits no columns
    Raises:  ValueError: one line that says what came and what to do
    """
    if path.is_dir():
        return _folder(path, encoding)
    if kind(path) in READERS:
        return READERS[kind(path)](path)
    data, codec, notes = encodings.data(path, expected, encoding)
    text = Text(path, data, codec)
    first = text.head.lstrip().partition("\n")[0]
    if kind(path) in JSON or first[:1] == "{" and _is_json(first):
        return _json(path.name, data.decode(codec), notes)
    return _fasttext(text, notes, separator) or _delimited(text, notes, separator)


@dataclasses.dataclass
class Text:
    """The bytes of a file and their codec: it is decoded as its lines are read, as often as need be."""
    path: pathlib.Path
    data: bytes
    codec: str

    def lines(self):
        """Of a new start; their ends are as they are."""
        return io.TextIOWrapper(io.BytesIO(self.data), self.codec, newline="")

    @functools.cached_property
    def head(self):
        """The first whole lines."""
        head = self.lines().read(HEAD)
        return head if len(head) < HEAD else head[:head.rfind("\n") + 1] or head

    @property
    def comma(self):
        return kind(self.path) == ".csv"


# ------------------------------------------------------------------------------------------- delimited

@dataclasses.dataclass(frozen=True)
class Dialect:
    """How lines are cut into cells."""
    delimiter: str
    quoted: bool = True
    skip_space: bool = False

    def reader(self, lines):
        quoting = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=True,
                          skipinitialspace=self.skip_space)

    def rows(self, lines, count=None):
        """The first rows that are not blank; an empty one at the end where a quote breaks off."""
        found = []
        try:
            found += (row for row in itertools.islice(self.reader(lines), count)
                      if any(map(str.strip, row)))
        except csv.Error:
            found.append([])
        return found

    def sample(self, head):
        """Those of the head of a file; a row that is cut off with the head is none of them."""
        found = self.rows(io.StringIO(head, newline=""), SEEN)
        return found[:-1] if found and not found[-1] and len(head) >= HEAD // 2 else found


def _delimited(text, notes, separator=None):
    named = re.match(r"sep=(.)\r?\n", text.head)         # Excel's own first line
    dialect = Dialect(named[1]) if named else dialect_of(text.head, text.comma, separator)
    if dialect.delimiter == "\t":
        dialect = dataclasses.replace(dialect, quoted=_quotes_in_tabs(text))
    rows = _cut(text, dialect, skipped=int(bool(named)))
    delimiter = NAMES.get(dialect.delimiter, dialect.delimiter)
    return Table(text.path.name, None, rows, notes, "line", delimiter)


def dialect_of(head, comma=True, separator=None):
    """The dialect in which the first rows are of one width; the usual one where several are.

    >>> dialect_of("tea, please;drink\\ncake;food\\n").delimiter
    ';'
    """
    order = [d for d in dict.fromkeys((",;" if comma else "\t") + LIKELY) if d not in (separator or "")]
    tried = {delimiter: _dialect(delimiter, head) for delimiter in order}
    widths = {delimiter: list(map(len, dialect.sample(head))) for delimiter, dialect in tried.items()}
    able = {d: found for d, found in widths.items() if found and found[0] > 1}
    constant = [d for d, found in able.items() if len(set(found)) == 1]
    if constant and (constant[0] != order[0] or min(len(able[d]) for d in constant) >= 5):
        constant.sort(key=lambda d: (_in_prose(d, head), LIKELY.index(d)))
    like_first = sorted(able, key=lambda d: (-able[d].count(able[d][0]) / len(able[d]),
                                             _in_prose(d, head)))
    return tried[(constant or like_first or order)[0]]


def _in_prose(delimiter, head):
    """Whether a sign is mostly followed by a space, as a comma is in a sentence."""
    return 2 * head.count(delimiter + " ") > head.count(delimiter)


def _dialect(delimiter, head):
    """Spaces after a delimiter are no text where quotes follow them."""
    plain, spaced = Dialect(delimiter, delimiter != "\t"), Dialect(delimiter, skip_space=True)
    if f'{delimiter} "' not in head or not _even(spaced.sample(head)):
        return plain
    rows = plain.sample(head)
    enclosed = any(cell[:1] == " " and _enclosed(cell.strip()) for row in rows for cell in row)
    return spaced if enclosed or not _even(rows) else plain


def _even(rows):
    """Whether all rows are of one width."""
    return len(set(map(len, rows))) == 1


def _quotes_in_tabs(text):
    """Whether they enclose cells: with line breaks or doubled quotes in them, or all of a column."""
    if b'"' not in text.data.replace(b"\0", b""):
        return False
    quoted = Dialect("\t").rows(text.lines())
    if not _even(quoted) or len(quoted[0]) < 2:
        return False
    plain = Dialect("\t", quoted=False).rows(text.lines())
    return not _even(plain) or any(_doubled(cell) for row in plain for cell in row) or any(
        all(map(_enclosed, column)) for column in zip(*plain))


def _enclosed(cell):
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def _doubled(cell):
    return _enclosed(cell) and '""' in cell[1:-1]


def _cut(text, dialect, skipped):
    """(line, cells) without blank lines."""
    lines, name = text.lines(), text.path.name
    for _ in range(skipped):
        next(lines)
    reader, line, first, width = dialect.reader(lines), skipped + 1, 0, 0
    try:
        for row in reader:
            if row and (row[0].strip() or any(map(str.strip, row))):
                if len(row) != width:
                    row = _fitted(name, line, row, first, width) if width else row
                    first, width = first or line, width or len(row)
                yield line, row
            line = reader.line_num + skipped + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {line}: expected CSV in which each quote is closed and doubled "
                         f"inside, received a row with: {error}; correct it") from None


def _fitted(name, number, row, first, width, unit="line"):
    """The row without empty cells beyond the width."""
    if len(row) > width and not any(map(str.strip, row[width:])):
        return row[:width]
    raise ValueError(f"{name}, {unit} {number}: expected {width} columns as in {unit} {first}, received "
                     f"{len(row)}; correct the {unit}")


# -------------------------------------------------------------------------------------------- fastText

def _fasttext(text, notes, separator):
    """The table of lines that start with their labels; None where they do not."""
    lines = [line for line in text.head.split("\n")[:SEEN] if line.strip()]
    marked = [FASTTEXT.fullmatch(line) for line in lines if line.lstrip().startswith(PREFIX)]
    table = kind(text.path) in (".csv", ".tsv", ".tab")
    if 2 * len(marked) <= len(lines) or table and _even(
            dialect_of(text.head, text.comma, separator).sample(text.head)):
        return None
    comma = all(match and match[2].lstrip().startswith(",") for match in marked)
    return Table(text.path.name, ["text", "label"], _marked(text.lines(), comma), notes)


def _marked(lines, comma):
    for number, line in enumerate(lines, 1):
        if line.strip():
            match = FASTTEXT.fullmatch(line)
            labels = tuple(match[1].replace(PREFIX, "").split()) if match else ()
            rest = (match[2] if match else line).strip()
            yield number, [rest.removeprefix(",").strip() if comma else rest, labels]


# ------------------------------------------------------------------------------------------------ JSON

def _json(name, text, notes):
    """An object or an array a line; else an array of those, perhaps in an object beside what is none."""
    if _is_json(text.lstrip().partition("\n")[0]):
        found = [(number, _loaded(name, number, line)) for number, line in enumerate(text.split("\n"), 1)
                 if line.strip()]
        rows = _rows_of(found[0][1]) if len(found) == 1 else None
        return _objects(name, enumerate(rows, 1), notes, "row") if rows else _objects(name, found, notes)
    try:
        rows = _rows_of(json.loads(text))
    except json.JSONDecodeError as error:
        raise _not_json(name, error.lineno, error) from None
    if not rows:
        raise _not_json(name, 1, "no array of objects")
    return _objects(name, enumerate(rows, 1), notes, "row")


def _rows_of(value):
    """The array of objects or of arrays that a value is or, alone among others, holds; else None."""
    if isinstance(value, dict):
        arrays = [part for part in value.values() if isinstance(part, list) and _rows_of(part)]
        return arrays[0] if len(arrays) == 1 else None
    rows = isinstance(value, list) and value and isinstance(value[0], (dict, list))
    return value if rows else None


def _is_json(line):
    try:
        return bool(json.loads(line)) or True
    except ValueError:
        return False


def _loaded(name, number, line):
    try:
        return json.loads(line)
    except ValueError as error:
        raise _not_json(name, number, error) from None


def _not_json(name, line, error):
    return ValueError(f"{name}, line {line}: expected JSON, an object a line or an array of objects, "
                      f"received: {error}; correct it")


def _objects(name, numbered, notes, unit="line"):
    """The table of objects, whose columns are all the keys there are, or of arrays of one width."""
    numbered = list(numbered)
    types = {type(row) for _, row in numbered}
    kind_of_row = type(numbered[0][1])
    if types == {dict}:
        rows = [(number, _flat(row)) for number, row in numbered]
        names = list(dict.fromkeys(key for _, row in rows for key in row))
        cells = ((number, [_cell(row.get(key)) for key in names]) for number, row in rows)
        return Table(name, names, cells, notes, unit, objects=[row for _, row in numbered])
    if types != {list}:
        number, row = next((pair for pair in numbered if type(pair[1]) is not kind_of_row
                            or kind_of_row not in (dict, list)), (1, None))
        raise ValueError(f"{name}, {unit} {number}: expected a JSON object, as in the other rows, "
                         f"received {json.dumps(row)[:40]}; correct it")
    width = len(numbered[0][1])
    cells = ((number, list(map(_cell, row if len(row) == width else
                               _fitted(name, number, list(map(str, row)), numbered[0][0], width, unit))))
             for number, row in numbered)
    return Table(name, None, cells, notes, unit)


def _flat(row):
    """An object whose objects are replaced by what is in them: {"translation": {"de": …, "en": …}}."""
    found = {}
    for key, value in row.items():
        found.update(value if isinstance(value, dict) else {key: value})
    return found


def _cell(value):
    """A value as text; a list of values as a tuple of texts; null is empty."""
    if isinstance(value, str):
        return value if value.isascii() else HALVES.sub(" ", value)
    if isinstance(value, (list, tuple)):
        return tuple(part if isinstance(part, str) else str(_cell(part)) for part in value)
    if value is None or isinstance(value, dict):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


# ------------------------------------------------------------------------------------ optional packages

def _parquet(path):
    pyarrow = _package("pyarrow.parquet", "pyarrow", path)
    with readable(path), opened(path) as file:
        try:
            rows = pyarrow.read_table(io.BytesIO(file.read())).to_pylist()
        except Exception as error:          # of ArrowInvalid, which exists only where the package does
            raise OSError(str(error).partition("\n")[0]) from None
    return _objects(path.name, enumerate(rows, 1), [], "row")


def _xlsx(path):
    """The first sheet with rows; the names of other sheets with rows are noted."""
    openpyxl = _package("openpyxl", "openpyxl", path)
    with readable(path), opened(path) as file:
        data = io.BytesIO(file.read())
        try:
            _without_entities(data)
            book = openpyxl.load_workbook(data, read_only=True, data_only=True)
            sheets = {sheet.title: _sheet(sheet) for sheet in book.worksheets}
        except (zipfile.BadZipFile, KeyError, SyntaxError) as error:
            raise OSError(error) from None
    (title, rows), *others = [pair for pair in sheets.items() if pair[1]] or [("", [])]
    width = max((len(row) for _, row in rows), default=0)
    rows = ((number, row + [""] * (width - len(row))) for number, row in rows)
    notes = [f"left out: sheet '{other}', for '{title}' is read" for other, _ in others]
    return Table(path.name, None, rows, notes, "row")


def _sheet(sheet):
    """[(row number, cells)] of the rows that are not blank, without empty cells at their ends."""
    found = []
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [_cell(value) for value in row]
        while cells and not cells[-1].strip():
            cells.pop()
        if cells:
            found.append((number, cells))
    return found


def _without_entities(data):
    """Refuse XML that declares entities: expanded, a small file fills the memory."""
    with zipfile.ZipFile(data) as book:
        for name in book.namelist():
            start = book.read(name) if name.endswith((".xml", ".rels")) else b""
            if b"<!DOCTYPE" in start.replace(b"\0", b"") or b"<!ENTITY" in start.replace(b"\0", b""):
                raise OSError(f"{name} declares XML entities, which are not expanded")


def _package(module, package, path):
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(f"{path.name}: expected the package {package}, which reads {kind(path)}, "
                         f"received none; install it: python -m pip install {package}") from None


READERS = {".parquet": _parquet, ".xlsx": _xlsx}


# ---------------------------------------------------------------------------------------------- folders

def labels_of(path):
    """The sub-folders of a folder that hold one label's texts each; none where there is but one."""
    found = [folder for folder in _visible(path) if folder.is_dir() and folder.name not in UNLABELLED
             and any(file.is_file() for file in _visible(folder))] if path.is_dir() else []
    return found if len(found) > 1 else []


def _folder(path, encoding):
    notes = splits.left_out(path, labels_of(path))
    return Table(path.name, ["text", "label"], _texts(path, encoding, notes), notes)


def _texts(path, encoding, notes):
    """(where, [text, label]) of every file; one with nothing in it has an empty text."""
    noted = []
    for folder in labels_of(path):
        for file in filter(lambda file: file.is_file(), _visible(folder)):
            place = f"{folder.name}/{file.name}"
            text, found = encodings.text(file, "a text", encoding) if file.stat().st_size else ("", [])
            noted += [f"{place}: {note}" for note in found]
            yield place, [text, folder.name]
    notes += [f"{len(noted):,} files were odd, the first {noted[0]}"] if noted else []


def _visible(path):
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
