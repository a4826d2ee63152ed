"""What the cells of a column show: a number, an index, a label, a code."""

import re

CODE = re.compile(r"[\w.:/#-]*\d[\w.:/#-]*", re.ASCII)


class Column:
    """What the cells of a column show.

    >>> Column(["1", "2", "3"]).index, Column(["0.5", "0.5"]).number, Column(["a", "b", "a"]).distinct
    (True, True, 2)
    """

    def __init__(self, cells, separator=None):
        self.cells = [cell for cell in cells if cell]
        if separator:
            self.cells = [part.strip() for cell in self.cells
                          for part in (cell if isinstance(cell, tuple) else cell.split(separator))]
        self.distinct = len(set(self.cells))
        self.number = bool(self.cells) and all(map(is_number, self.cells))
        self.whole = self.number and all(cell.strip().lstrip("-").isdigit() for cell in self.cells)
        self.index = self.whole and self.distinct == len(self.cells) >= 3
        self.length = sum(map(len, self.cells))

    @property
    def code(self):
        """Whether it names its rows: no two cells are equal, each is one word with a digit in it."""
        return self.distinct == len(self.cells) >= 3 and all(
            isinstance(cell, str) and CODE.fullmatch(cell.strip()) for cell in self.cells)

    @property
    def counts(self):
        """Whether its numbers go up by one, from row to row."""
        numbers = [int(cell) for cell in self.cells] if self.index else []
        return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    @property
    def repeats(self):
        """Whether its values are few: half as many as its cells at the most."""
        return 0 < 2 * self.distinct <= len(self.cells)

    @property
    def constant(self):
        return self.distinct == 1 and len(self.cells) > 1


def is_number(cell):
    """Whether a cell holds a number, or NaN in the place of one."""
    try:
        return bool(float(cell)) or True
    except (ValueError, TypeError):
        return False


def columns_of(rows, separator=None):
    """The `Column` of each; cells hold several values where there is a separator."""
    return [Column(cells, separator) for cells in zip(*rows)]


def folded(name):
    """A column's name as it is compared."""
    return " ".join(str(name).split()).lower()
