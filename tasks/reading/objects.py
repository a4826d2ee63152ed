"""Rows that are objects or arrays: of JSON, or of anything that is read into those."""

import json
import re

from tasks.reading.table import Table, fitted

HALVES = re.compile("[\ud800-\udfff]")          # of characters, which only JSON can hold


def of_json(name, text, notes):
    """An object or an array a line; else an array of those, perhaps in an object beside what is none."""
    if is_json(text.lstrip().partition("\n")[0]):
        found = [(number, _loaded(name, number, line)) for number, line in enumerate(text.split("\n"), 1)
                 if line.strip()]
        rows = _rows_of(found[0][1]) if len(found) == 1 else None
        return table(name, enumerate(rows, 1), notes, "row") if rows else table(name, found, notes)
    try:
        rows = _rows_of(json.loads(text))
    except json.JSONDecodeError as error:
        raise _not_json(name, error.lineno, error) from None
    if not rows:
        raise _not_json(name, 1, "no array of objects")
    return table(name, enumerate(rows, 1), notes, "row")


def _rows_of(value):
    """The array of objects or of arrays that a value is or, alone among others, holds; else None."""
    if isinstance(value, dict):
        arrays = [part for part in value.values() if isinstance(part, list) and _rows_of(part)]
        return arrays[0] if len(arrays) == 1 else None
    rows = isinstance(value, list) and value and isinstance(value[0], (dict, list))
    return value if rows else None


def is_json(line):
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


def table(name, numbered, notes, unit="line"):
    """The table of objects, whose columns are all the keys there are, or of arrays of one width."""
    numbered = list(numbered)
    types = {type(row) for _, row in numbered}
    kind_of_row = type(numbered[0][1])
    if types == {dict}:
        rows = [(number, _flat(row)) for number, row in numbered]
        names = list(dict.fromkeys(key for _, row in rows for key in row))
        cells = ((number, [cell(row.get(key)) for key in names]) for number, row in rows)
        return Table(name, names, cells, notes, unit)
    if types != {list}:
        number, row = next((pair for pair in numbered if type(pair[1]) is not kind_of_row
                            or kind_of_row not in (dict, list)), (1, None))
        raise ValueError(f"{name}, {unit} {number}: expected a JSON object, as in the other rows, "
                         f"received {json.dumps(row)[:40]}; correct it")
    width = len(numbered[0][1])
    cells = ((number, list(map(cell, row if len(row) == width else
                               fitted(name, number, list(map(str, row)), numbered[0][0], width, unit))))
             for number, row in numbered)
    return Table(name, None, cells, notes, unit)


def _flat(row):
    """An object whose objects are replaced by what is in them: {"translation": {"de": …, "en": …}}."""
    found = {}
    for key, value in row.items():
        found.update(value if isinstance(value, dict) else {key: value})
    return found


def cell(value):
    """A value as text; a list of values as a tuple of texts; null is empty."""
    if isinstance(value, str):
        return value if value.isascii() else HALVES.sub(" ", value)
    if isinstance(value, (list, tuple)):
        return tuple(part if isinstance(part, str) else str(cell(part)) for part in value)
    if value is None or isinstance(value, dict):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
