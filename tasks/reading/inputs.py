"""What to predict for: the rows of a file, or the lines of standard input, with all that they hold.

    .csv .tsv .parquet .xlsx …    any table of `tasks.reading.records`; the column of the text is found
    .json .jsonl                  objects, which stay as they are
    .txt                          a text a line; a table where the column is named
    -                             standard input: a text a line, or a JSON object a line
"""

import dataclasses
import itertools
import json
import pathlib

from tasks.reading import encoding, records, roles, standard_input
from tasks.reading.objects import values

STANDARD = "-"
TABLES = {*records.ENDINGS} - {".txt"}
ROWS = 4096                           # that are predicted together


@dataclasses.dataclass
class Inputs:
    """Rows and their texts.

    names    of the columns, in order; of objects those that the first ones have
    batches  yields lists of (row, text), a row an object or a list of cells
    kind     the ending of the format: ".csv", ".tsv" or ".jsonl"
    notes    what was odd, a sentence each; complete once all is read
    paths    of objects the keys that lead to each column, where rows are objects
    """
    names: list
    batches: object
    kind: str
    notes: list = dataclasses.field(default_factory=list)
    paths: list | None = None

    def cells(self, row):
        """The cells of a row, in the order of the names."""
        return values(row, self.paths) if isinstance(row, dict) else row


def read(path, role, named=False, code=None):
    """The `Inputs` of a file, or of standard input.

    Args:    path   of the file, or "-"
             role   a `tasks.reading.roles.Role`: which column holds the text
             named  whether this very call names the column, so that there are columns
             code   the encoding of a file; None finds it
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    if path == STANDARD:
        return _piped(standard_input.lines(code), role, named)
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"input: expected a file, found nothing at {path}; check the path")
    if path.is_file() and not named and encoding.kind(path) not in TABLES:
        text, notes = encoding.text(path, "a text a line", code)
        rows = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        return Inputs(["text"], _parted(([line], line) for line in rows), ".jsonl", notes)
    return _table(records.read(path, "rows with a text", code), role, encoding.kind(path))


def _table(table, role, kind):
    at, names = roles.of_input(table, role)
    rows = ((cells, _text(table, number, cells[at], role)) for number, cells in table.rows)
    if kind in records.JSON and table.objects:
        rows = ((row, text) for row, (_, text) in zip(table.objects, rows))
        return Inputs(names, _parted(rows), ".jsonl", table.notes, table.paths)
    return Inputs(names, _parted(rows), ".tsv" if kind in (".tsv", ".tab") else ".csv", table.notes)


def _text(table, number, cell, role):
    if isinstance(cell, str):
        return cell
    raise ValueError(f"{table.where(number)}: expected one text, received a list; correct the "
                     f"{table.unit} or check {role.flag}")


def _parted(rows):
    while batch := list(itertools.islice(rows, ROWS)):
        yield batch


def _piped(batches, role, named):
    """Objects where the first line is one, else texts."""
    first = next(batches)
    batches = itertools.chain([first], batches)
    if not first[0].lstrip().startswith("{"):
        if named:
            raise ValueError(f"expected JSON objects on standard input with {role.flag}, received "
                             f"{first[0][:40]!r}; leave the flag out, or name a file")
        return Inputs(["text"], ([([line], line) for line in lines] for lines in batches), ".jsonl")
    names = list(_object(1, first[0]))
    key = roles.of_input(_of_objects([(1, _object(1, first[0]))]), role)[0]
    return Inputs(names, _objects(batches, names[key], role), ".jsonl", paths=[(name,) for name in names])


def _of_objects(numbered):
    rows = [(number, [value if isinstance(value, str) else "" for value in row.values()])
            for number, row in numbered]
    return records.Table("standard input", list(numbered[0][1]), iter(rows), [])


def _objects(batches, key, role):
    """[(object, text)] of lines; blank ones are left out."""
    number = 0
    for lines in batches:
        found = []
        for number, line in enumerate(lines, number + 1):
            if line.strip():
                row = _object(number, line)
                if not isinstance(row.get(key), str):
                    raise ValueError(f"standard input, line {number}: expected a text as {key!r}, "
                                     f"received {json.dumps(row.get(key))[:40]}; correct the line or set "
                                     f"{role.flag}")
                found.append((row, row[key]))
        if found:
            yield found


def _object(number, line):
    try:
        row = json.loads(line)
    except ValueError as error:
        row = error
    if not isinstance(row, dict):
        raise ValueError(f"standard input, line {number}: expected a JSON object, as in the first line, "
                         f"received {line[:40]!r}; correct the line")
    return row
