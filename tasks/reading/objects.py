"""Rows that are objects or arrays: of JSON, or of anything that is read into those."""

import collections
import functools
import json
import re

from tasks.reading.table import Table, fitted

HALVES = re.compile("[\ud800-\udfff]")          # of characters, which only JSON can hold


def of_json(name, text, notes, lines=False):
    """An object or an array a line; else an array of those, perhaps in an object beside what is none.

    Args:    lines  a single object is one row too, whatever it holds
    """
    if is_json(text.lstrip().partition("\n")[0]):
        found = [(number, _loaded(name, number, line)) for number, line in enumerate(text.split("\n"), 1)
                 if line.strip()]
        alone = len(found) == 1 and not (lines and isinstance(found[0][1], dict))
        rows = _rows_of(found[0][1]) if alone else None
        return table(name, enumerate(rows, 1), notes, "row") if rows else table(name, found, notes)
    try:
        rows = _rows_of(json.loads(text))
    except json.JSONDecodeError as error:
        raise _not_json(name, error.lineno, error) from None
    if not rows:
        raise _not_json(name, 1, "no array of objects")
    return table(name, enumerate(rows, 1), notes, "row")


def _rows_of(value):
    """The objects or arrays that are the rows of a value, which is or holds them; None for one row.

    pandas writes an array, columns ({"text": {"0": …}}), an index ({"0": {"text": …}}) or a table
    ({"columns": ["text"], "data": [[…]]}); others, columns as arrays ({"text": […]}), or an array beside
    other things.
    """
    if isinstance(value, list):
        return value if value and isinstance(value[0], (dict, list)) else None
    if not isinstance(value, dict):
        return None
    return _of_columns(value) or _of_arrays(value)


def _of_columns(value):
    """The rows of columns that are objects with the same keys, or arrays of one length; else None."""
    columns = list(value.values())
    if len(columns) > 1 and all(isinstance(column, dict) for column in columns) and columns[0] and all(
            column.keys() == columns[0].keys() for column in columns):
        if all(map(str.isdigit, value)) and not all(map(str.isdigit, columns[0])):
            return columns
        return [{name: column[key] for name, column in value.items()} for key in columns[0]]
    flat = all(isinstance(column, list) and not _rows_of(column) for column in columns)
    if len(columns) > 1 and flat and len(set(map(len, columns))) == 1:
        return [dict(zip(value, row)) for row in zip(*columns)]
    return None


def _of_arrays(value):
    arrays = [part for part in value.values() if isinstance(part, list) and _rows_of(part)]
    rows = arrays[0] if len(arrays) == 1 else None
    names = value.get("columns")
    if rows and isinstance(names, list) and all(isinstance(row, list) and len(row) == len(names)
                                                for row in rows):
        return [dict(zip(map(str, names), row)) for row in rows]
    return rows


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
        keys = list(dict.fromkeys(key for _, row in rows for key in row))
        cells = ((number, [cell(row.get(key)) for key in keys]) for number, row in rows)
        return Table(name, _names(keys), cells, notes, unit, objects=[row for _, row in numbered],
                     paths=keys)
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


def values(row, paths):
    """What an object has at paths of keys, None where there is nothing.

    >>> values({"id": 1, "meta": {"lang": "de"}}, [("meta", "lang"), ("meta", "n")])
    ['de', None]
    """
    return [functools.reduce(lambda part, key: part.get(key) if isinstance(part, dict) else None, path,
                             row) for path in paths]


def _flat(row, *path):
    """{path of keys: value} of an object and of those in it: {"translation": {"de": …, "en": …}}."""
    found = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found.update(_flat(value, *path, key))
        else:
            found[(*path, key)] = value
    return found


def _names(paths):
    """The last keys of paths, or where they are not unique all of them.

    >>> _names([("id",), ("source", "text"), ("target", "text"), ("target", "lang")])
    ['id', 'source.text', 'target.text', 'lang']
    """
    counts = collections.Counter(str(path[-1]) for path in paths)
    return [str(path[-1]) if counts[str(path[-1])] == 1 else ".".join(map(str, path)) for path in paths]


def cell(value):
    """A value as text; a list of values as a tuple of texts; null is empty."""
    if isinstance(value, str):
        return value if value.isascii() else HALVES.sub(" ", value)
    if isinstance(value, (list, tuple)):
        return tuple(part if isinstance(part, str) else str(cell(part)) for part in value)
    if value is None or isinstance(value, dict):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
