"""Rows of files that only optional packages read: Parquet, and the largest sheet of XLSX."""

import importlib
import io
import itertools
import zipfile

from tasks.reading import objects
from tasks.reading.encoding import kind, opened, readable
from tasks.reading.table import Table


def _parquet(path):
    pyarrow = _package("pyarrow.parquet", "pyarrow", path)
    with readable(path), opened(path) as file:
        try:
            rows = pyarrow.read_table(io.BytesIO(file.read())).to_pylist()
        except Exception as error:          # of ArrowInvalid, which exists only where the package does
            raise OSError(str(error).partition("\n")[0]) from None
    return objects.table(path.name, enumerate(rows, 1), [], "row")


def _xlsx(path):
    """The sheet with the most rows, without titles above them; what is left out is noted."""
    openpyxl = _package("openpyxl", "openpyxl", path)
    with readable(path), opened(path) as file:
        data = io.BytesIO(file.read())
        try:
            _without_entities(data)
            book = openpyxl.load_workbook(data, read_only=True, data_only=True)
            sheets = {sheet.title: _sheet(sheet) for sheet in book.worksheets}
        except (zipfile.BadZipFile, KeyError, SyntaxError) as error:
            raise OSError(error) from None
    filled = [pair for pair in sheets.items() if pair[1]] or [("", [])]
    title, rows = max(filled, key=lambda pair: len(pair[1]))
    notes = [f"left out: sheet '{other}', for '{title}' is read" for other, _ in filled if other != title]
    titles = list(itertools.takewhile(lambda row: sum(map(bool, row[1])) < 2, rows))
    if len(titles) < len(rows):
        rows = rows[len(titles):]
        notes += [f"left out: row {number}, a title: '{' '.join(filter(None, cells))[:40]}'"
                  for number, cells in titles]
    width = max((len(row) for _, row in rows), default=0)
    rows = ((number, row + [""] * (width - len(row))) for number, row in rows)
    return Table(path.name, None, rows, notes, "row")


def _sheet(sheet):
    """[(row number, cells)] of the rows that are not blank, without empty cells at their ends."""
    found = []
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = [objects.cell(value) for value in row]
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
