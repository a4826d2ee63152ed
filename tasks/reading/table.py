"""The rows of one file, whatever its format."""

import dataclasses
import itertools


@dataclasses.dataclass
class Table:
    """The rows of one file.

    names      of its columns; None where none are sure: then the first row may hold them
    rows       iterates over (number, cells), all of one width, none of them blank; a cell is a string,
               or a tuple of strings where JSON or Parquet has a list
    unit       what a number counts: a line or a row
    delimiter  between the cells, in words
    objects    the rows as they were read, where they are objects
    paths      of objects the keys that lead to each column
    """
    name: str
    names: list | None
    rows: object
    notes: list
    unit: str = "line"
    delimiter: str = "tabs"
    objects: list | None = None
    paths: list | None = None

    def where(self, number):
        """The place of a row, for a message."""
        return number if isinstance(number, str) else f"{self.name}, {self.unit} {number}"

    def first(self, count):
        """The first rows, which stay in `rows`."""
        found = list(itertools.islice(self.rows, count))
        self.rows = itertools.chain(found, self.rows)
        return found


def fitted(name, number, row, first, width, unit="line"):
    """The row without empty cells beyond the width."""
    if len(row) > width and not any(map(str.strip, row[width:])):
        return row[:width]
    raise ValueError(f"{name}, {unit} {number}: expected {width} columns as in {unit} {first}, received "
                     f"{len(row)}; correct the {unit}")
