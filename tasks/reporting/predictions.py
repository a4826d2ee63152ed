"""Predictions beside the rows that they are for: CSV, TSV or JSON Lines, as they come.

In CSV and TSV a list or an object is JSON in its cell.
"""

import contextlib
import csv
import json
import pathlib
import re
import sys

DELIMITERS = {".csv": ",", ".tsv": "\t"}
KINDS = (*DELIMITERS, ".jsonl")
HALVES = re.compile("[\ud800-\udfff]")          # of characters, which UTF-8 cannot hold


def kind_of(output, of_input):
    """The format of an output: by its ending, of standard output that of the input.

    Raises:  ValueError: another ending

    >>> kind_of("a.tsv", ".csv"), kind_of("-", ".csv")
    ('.tsv', '.csv')
    """
    kind = of_input if output == "-" else pathlib.Path(output).suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"output: expected a name that ends in .csv, .tsv or .jsonl, or -, received "
                         f"{output!r}")
    return kind


class Writer:
    """Writes rows with what is added to them.

    Args:    file   a text file;  kind  ".csv", ".tsv" or ".jsonl"
             names  of the rows' columns, to which added ones must not be equal: such a one is called
                    `predicted_label`; `renamed` says which
    """

    def __init__(self, file, kind, names):
        self.file, self.kind, self.names, self.renamed = file, kind, names, None
        self.table = None if kind == ".jsonl" else csv.writer(
            file, delimiter=DELIMITERS[kind], lineterminator="\n")
        if self.table is None and len(set(names)) < len(names):
            raise ValueError("expected columns with different names where JSON is written, received "
                             f"{', '.join(names)}; rename them, or write .csv")

    def write(self, rows, added):
        """Write a batch of rows, lists of cells or for JSON objects, and of {column: value} to add."""
        if self.renamed is None:
            self._begin(added[0])
        for row, more in zip(rows, added):
            more = {self.renamed[name]: value for name, value in more.items()}
            if self.table:
                self.table.writerow([*map(cell, row), *map(cell, more.values())])
            else:
                print(self._line(row if isinstance(row, dict) else dict(zip(self.names, row)), more),
                      file=self.file)
        self.file.flush()

    def _begin(self, added):
        taken = set(self.names)
        self.renamed = {name: name if name not in taken else f"predicted_{name}" for name in added}
        both = taken & set(self.renamed.values())
        if both:
            raise ValueError(f"expected input without a column {both.pop()!r}, which is added; rename it")
        if self.table:
            self.table.writerow([*self.names, *self.renamed.values()])

    def _line(self, row, more):
        if row.keys() & more.keys():
            raise ValueError(f"expected objects with the keys of the first one, received another with "
                             f"{', '.join(row.keys() & more.keys())}, which is added; rename it")
        line = json.dumps({**row, **more}, ensure_ascii=False, default=str)
        return json.dumps({**row, **more}, default=str) if HALVES.search(line) else line


def cell(value):
    """A value as a cell has it.

    >>> cell("a"), cell(None), cell(0.25), cell([{"type": "place"}])
    ('a', '', 0.25, '[{"type": "place"}]')
    """
    if isinstance(value, (list, tuple, dict, bool)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else HALVES.sub("\ufffd", value) if isinstance(value, str) else value


def opened(output):
    """The file of an output, UTF-8, or standard output."""
    if output == "-":
        sys.stdout.reconfigure(encoding="utf-8", newline="")
        return contextlib.nullcontext(sys.stdout)
    return open(output, "w", encoding="utf-8", newline="")
