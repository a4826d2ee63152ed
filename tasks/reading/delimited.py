"""Rows that stand in lines of text: cells between delimiters, or fastText's labels before a text."""

import csv
import dataclasses
import functools
import io
import itertools
import pathlib
import re

from tasks.reading.encoding import kind
from tasks.reading.table import Table, fitted

NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
LIKELY = "\t;,|"                      # which delimiter it is where several fit
SEEN = 1000                           # rows that a delimiter is found in
HEAD = 1 << 20                        # characters that hold them
PREFIX = "__label__"
RULE = re.compile(r"\s*(:?-{3,}:?)?\s*")          # below the header of a table in Markdown
FASTTEXT = re.compile(rf"\s*((?:{PREFIX}\S+\s+)*{PREFIX}\S+)(.*)", re.S)
csv.field_size_limit(2 ** 31 - 1)


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


def cells(text, notes, separator=None):
    named = re.match(r"sep=(.)\r?\n", text.head)         # Excel's own first line
    dialect = Dialect(named[1]) if named else dialect_of(text.head, text.comma, separator)
    if dialect.delimiter == "\t":
        dialect = dataclasses.replace(dialect, quoted=_quotes_in_tabs(text))
    rows = _cut(text, dialect, skipped=int(bool(named)))
    if dialect.delimiter == "|":
        rows = ((number, row) for number, row in rows if not all(map(RULE.fullmatch, row)))
    delimiter = NAMES.get(dialect.delimiter, dialect.delimiter)
    return Table(text.path.name, None, rows, notes, "line", delimiter)


def dialect_of(head, comma=True, separator=None):
    """The dialect in which the first rows are of one width; the usual one where several are. What stands
    between the labels of a cell, `separator`, delimits columns only where nothing else does.

    >>> dialect_of("tea, please;drink\\ncake;food\\n").delimiter
    ';'
    """
    order = [*dict.fromkeys((",;" if comma else "\t") + LIKELY)]
    usual = [d for d in order if d not in (separator or "")]
    tried = {delimiter: _dialect(delimiter, head) for delimiter in order}
    found, even = _fitting(usual, tried, head)
    if found is None or not even and _in_prose(found, head):
        found = _fitting(order, tried, head)[0] or order[0]
    return tried[found]


def _fitting(order, tried, head):
    """(the likeliest of some delimiters {delimiter: dialect} that part the first row, or None where none
    does; whether all rows are of one width then)."""
    widths = {delimiter: list(map(len, tried[delimiter].sample(head))) for delimiter in order}
    able = {d: found for d, found in widths.items() if found and found[0] > 1}
    constant = [d for d, found in able.items() if len(set(found)) == 1]
    if constant and (constant[0] != order[0] or min(len(able[d]) for d in constant) >= 5):
        constant.sort(key=lambda d: (_in_prose(d, head), LIKELY.index(d)))
    like_first = sorted(able, key=lambda d: (-able[d].count(able[d][0]) / len(able[d]),
                                             _in_prose(d, head)))
    return next(iter(constant or like_first), None), bool(constant)


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
                    row = fitted(name, line, row, first, width) if width else row
                    first, width = first or line, width or len(row)
                yield line, row
            line = reader.line_num + skipped + 1
    except csv.Error as error:
        raise ValueError(f"{name}, line {line}: expected CSV in which each quote is closed and doubled "
                         f"inside, received a row with: {error}; correct it") from None


# -------------------------------------------------------------------------------------------- fastText

def marked(text, notes, separator):
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
