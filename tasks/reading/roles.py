"""Which column is what: decided once, on the first rows of the training split, used for every split.

A column has a role because the user names it, because its header is a usual name, or because its cells
leave no choice: an index counts, a score is a number, a label is one of few. What stays open is refused.
"""

import collections
import dataclasses
import re

SEEN = 10_000                         # rows of the training split
FEWEST = 4                            # rows that show what kind a column is
TEXT_NAMES = ("text", "sentence", "review", "question", "utterance", "comment", "tweet", "message",
              "document", "phrase", "content", "body")
LABEL_NAMES = ("label", "labels", "class", "category", "sentiment", "polarity", "target", "intent",
               "score", "rating", "stars", "tags", "y")
ID_NAMES = ("id", "index", "idx", "no", "nr", "number", "uuid", "guid", "unnamed: 0", "")
CODE = re.compile(r"[\w.:/#-]*\d[\w.:/#-]*", re.ASCII)
NAME = re.compile(r"[^\W\d][\w .:/()#-]{0,39}")


@dataclasses.dataclass
class Role:
    """What a column is wanted for.

    flag   the flag that names it
    asked  what the user said: a name in the header, a number from 1, or None
    names  that usually head such a column
    """
    flag: str
    asked: object = None
    names: tuple = ()

    @property
    def named(self):
        """The name that the user said, as in a header; None for a number."""
        return None if self.asked is None or str(self.asked).isdigit() else folded(self.asked)


@dataclasses.dataclass
class Roles:
    """{role: index}, the names of the training split's columns where it has any, as they are compared and
    as they are written, and how many there are."""
    columns: dict
    names: list | None
    width: int
    written: list

    def title(self, role):
        """A column as it is shown."""
        at = self.columns[role]
        return f"column `{self.written[at]}`" if self.names and self.names[at] else f"column {at + 1}"

    def of(self, table):
        """{role: index} in the table of another split; a header leaves its rows.

        Raises:  ValueError: it lacks a column
        """
        first = next(iter(table.first(1)), (0, []))[1]
        names = table.names or list(map(folded, first))
        wanted = {role: self.names and self.names[at] for role, at in self.columns.items()}
        if self.names and set(wanted.values()) <= set(map(folded, names)):
            if not table.names:
                next(table.rows)
            names = list(map(folded, names))
            return {role: names.index(name) for role, name in wanted.items()}
        if not self.names and not table.names and len(first) != self.width:
            raise ValueError(f"{table.name}: expected {self.width} columns as in the training file, "
                             f"received {len(first)}; correct the file or leave it out")
        if table.names or self.names and set(wanted.values()) & set(names) or len(first) != self.width:
            expected = " and ".join(f"`{name}`" for name in wanted.values() if name) or "without a header"
            raise ValueError(f"{table.name}: expected the columns {expected} as in the training file, "
                             f"received {', '.join(names[:8]) or 'none'}; correct the header or leave "
                             "the file out")
        if set(names) & {*TEXT_NAMES, *LABEL_NAMES} == set(names):
            next(table.rows)
        return self.columns


def folded(name):
    """A column's name as it is compared."""
    return " ".join(str(name).split()).lower()


# ---------------------------------------------------------------------------------------------- columns

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


def first_rows(table):
    """The cells of the rows that decide; there is at least one."""
    rows = [row for _, row in table.first(SEEN + 1)]
    if not rows or not rows[0]:
        raise ValueError(f"{table.name}: expected rows, received none")
    return rows


# ----------------------------------------------------------------------------------------------- header

def headed(table, rows, wanted):
    """The names of a table's columns, taken from its rows where the first one holds them; else None.

    Args:    rows    the first rows' cells
             wanted  {role: Role}
    """
    if table.names:
        return list(map(folded, table.names))
    names = list(map(folded, rows[0]))
    if not is_header(rows, wanted):
        return None
    next(table.rows)
    return names


def is_header(rows, wanted, repeats=True):
    """Whether the first row names the columns: usual names, or cells that no other row has there.

    >>> rows = [["v1", "v2"], *[["pos", "I like tea"], ["neg", "I hate jam"]] * 4]
    >>> is_header(rows, {}), is_header(rows[1:], {})
    (True, False)
    """
    first, rest = rows[0], rows[1:]
    names = list(map(folded, first))
    usual = [{role.named, *role.names} for role in wanted.values() if role.names]
    found = [any(name and name in some for name in names) for some in usual]
    by_user = any(role.named in names for role in wanted.values() if role.named)
    if by_user or found and all(found):
        return True
    new = [all(row[at] != cell for row in rest) for at, cell in enumerate(first)]
    if any(fresh and name and any(name in some for some in usual) for fresh, name in zip(new, names)):
        return True
    return all(new) and _unlike(first, rest, repeats)


def _unlike(first, rest, repeats):
    """Whether cells look like names over columns of another kind: numbers, or values that repeat."""
    named = [cell for cell in first if cell]
    if len(rest) < FEWEST or not named or len(set(named)) < len(named) or not all(
            isinstance(cell, str) and NAME.fullmatch(cell.strip()) and len(cell.split()) <= 4
            for cell in named):
        return False
    columns = columns_of(rest)
    if any(column.number and cell and not is_number(cell) for cell, column in zip(first, columns)):
        return True
    counts = [collections.Counter(column.cells) for column in columns if column.repeats and repeats]
    repeated = any(100 * list(count.values()).count(1) < len(rest) for count in counts)
    return repeated and all(column.repeats or _shorter(cell, column)
                            for cell, column in zip(first, columns))


def _shorter(cell, column):
    """Whether a cell has no more words than nine tenths of a column have."""
    words = len(cell.split())
    return 10 * sum(len(str(other).split()) < words for other in column.cells) <= len(column.cells)


# ------------------------------------------------------------------------------------------------ roles

def asked(table, wanted, names, width):
    """{role: index} of the columns that the user names, or that have a usual name."""
    found = {}
    for name, role in wanted.items():
        at = _column(table, role, names, width)
        if at is not None:
            found[name] = at
    for name, role in wanted.items():
        if name not in found and names and role.names:
            usual = [names.index(usual) for usual in role.names if usual in names]
            usual = [at for at in usual if at not in found.values()]
            found.update({name: usual[0]} if usual else {})
    return found


def _column(table, role, names, width):
    """The index of a column that the user names; None where it is left open."""
    if role.asked is None:
        return None
    if names and folded(role.asked) in names:
        return names.index(folded(role.asked))
    if str(role.asked).isdigit() and 1 <= int(role.asked) <= width:
        return int(role.asked) - 1
    columns = ", ".join(names) if names else f"1 to {width} (no header)"
    raise ValueError(f"{table.name}: no column '{role.asked}'; set {role.flag} to one of {columns}")


def of_texts(table, wanted, separator=None, regression=False):
    """The `Roles` of texts with labels; `wanted` has text, label and id.

    Raises:  ValueError: one line that names the flag
    """
    rows = first_rows(table)
    width, written = len(rows[0]), table.names or rows[0]
    if width < 2:
        raise ValueError(f"{table.name}: expected a text and a label separated by {table.delimiter}, "
                         "received one column; separate them or rename the file")
    names = headed(table, rows, wanted)
    rows = rows[1:] if names and not table.names else rows
    found = asked(table, wanted, names, width)
    if found.get("text", -1) == found.get("label", -2):
        raise ValueError(f"{table.name}: expected two different columns, received column "
                         f"{found['text'] + 1} as text and as label; set text_column and label_column")
    if not {"text", "label"} <= found.keys():
        found |= _guessed(table, columns_of(rows, separator), found, names, regression)
    found.pop("id", None)
    return Roles(found, names, width, written)


def _guessed(table, columns, found, names, regression):
    """{role: index} of text and label: what the cells leave no doubt about."""
    ids = {at for at, name in enumerate(names or []) if name in ID_NAMES} | {found.get("id")}
    free = [at for at, column in enumerate(columns) if at not in found.values() and at not in ids
            and column.cells]
    if len(columns) == 2 and len({*free, *found.values()}) == 2:
        text, label = _two(columns, found, free)
    else:
        texts = [at for at in free if not (columns[at].number or columns[at].repeats or columns[at].code)]
        labels = [at for at in free if not columns[at].constant and (
            columns[at].number and not columns[at].index if regression else
            columns[at].repeats and columns[at].number == columns[at].whole)]
        text = found.get("text", _only(texts, names, TEXT_NAMES))
        label = found.get("label", _only(labels, names, LABEL_NAMES))
    if text is None or label is None or text == label:
        among = f": {', '.join(names[:12])}" if names else ""
        raise ValueError(f"{table.name}: expected two columns or a header with 'text' and 'label', "
                         f"received {len(columns)} columns{among}; set text_column and label_column")
    if "text" not in found and columns[text].number:
        raise ValueError(f"{table.name}: expected a text in column {text + 1}, received numbers only; "
                         "set text_column and label_column")
    if "label" not in found and columns[label].index and not regression:
        raise ValueError(f"{table.name}: expected a label in column {label + 1}, received an index, "
                         "another number in each row; set label_column")
    return {"text": text, "label": label}


def _only(candidates, names, usual):
    """The candidate that is alone, or alone has a usual name as a part of its own: `review_text`."""
    if len(candidates) > 1 and names:
        candidates = [at for at in candidates if set(re.split(r"[\W_]+", names[at])) & set(usual)]
    return candidates[0] if len(candidates) == 1 else None


def _two(columns, found, free):
    """(text, label) of two columns: numbers are labels; else few values are; else the shorter ones."""
    if len(free) == 1:
        return found.get("text", free[0]), found.get("label", free[0])
    first, second = columns
    if first.number != second.number:
        return (1, 0) if first.number else (0, 1)
    for one, other in ((0, 1), (1, 0)):
        if columns[one].repeats and 2 * columns[one].distinct <= columns[other].distinct:
            return other, one
    return (0, 1) if first.length >= second.length else (1, 0)


def of_input(table, role):
    """The index of the one column that is wanted, and the names of all; a header leaves the rows.

    A column without a name is called by its number: column_1.

    Raises:  ValueError: one line that names the flag
    """
    rows = first_rows(table)
    width, written = len(rows[0]), table.names or rows[0]
    names = headed(table, rows, {"input": role})
    rows = rows[1:] if names and not table.names else rows
    found = asked(table, {"input": role}, names, width)
    texts = [at for at, column in enumerate(columns_of(rows)) if width == 1 or column.cells and not (
        column.number or column.repeats or column.code)]
    if not found and len(texts) != 1:
        among = f": {', '.join(names[:12])}" if names else ""
        raise ValueError(f"{table.name}: expected a column called {role.names[0]!r}, or a single one "
                         f"with texts, received {width} columns{among}; set {role.flag}")
    numbers = [f"column_{n + 1}" for n in range(width)]
    shown = [str(name).strip() or number for name, number in zip(written, numbers)] if names else numbers
    return found.get("input", *texts[:1]), shown


def of_pairs(table, wanted, heads):
    """The `Roles` of sentences and their translations; `wanted` has source, target and id.

    Args:    heads  what columns of sentences are usually called: two such names make a header
    Raises:  ValueError: one line that names the flag
    """
    rows = first_rows(table)
    width, written = len(rows[0]), table.names or rows[0]
    if width < 2:
        raise ValueError(f"{table.name}: expected a sentence and its translation separated by "
                         f"{table.delimiter}, received one column; separate them by {table.delimiter}")
    names = _heads(table, rows, wanted, heads)
    rows = rows[1:] if names and not table.names else rows
    found = asked(table, wanted, names, width)
    spare = {found.pop("id", None)}
    free = _sentences(columns_of(rows), names, {*found.values(), *spare}, heads)
    for role in ("source", "target"):
        if role not in found and free:
            found[role] = free.pop(0)
    if len(found) < 2:
        raise ValueError(f"{table.name}: expected a sentence and its translation in each row, received "
                         f"{width} columns with numbers or few values; set source_column and "
                         "target_column")
    if found["source"] == found["target"]:
        raise ValueError(f"{table.name}: expected two different columns, received column "
                         f"{found['source'] + 1} for both sides; set source_column and target_column")
    return Roles(found, names, width, written)


def _heads(table, rows, wanted, heads):
    """The names of a parallel table's columns, taken from its rows where the first one holds them."""
    if table.names:
        return list(map(folded, table.names))
    names = list(map(folded, rows[0]))
    usual = sum(_usual(name, heads) and all(row[at] != rows[0][at] for row in rows[1:])
                for at, name in enumerate(names))
    plain = {role: dataclasses.replace(role_of, names=()) for role, role_of in wanted.items()}
    if usual < 2 and not is_header(rows, plain, repeats=False):
        return None
    next(table.rows)
    return names


def _usual(name, heads):
    """Whether a name is usual, or ends in one after an underscore, as `text_en`."""
    start, line, end = name.rpartition("_")
    return name in heads or bool(line) and end in heads and " " not in start


def _sentences(columns, names, taken, heads):
    """The columns that hold sentences, those with usual names first."""
    ids = {at for at, name in enumerate(names or []) if name in ID_NAMES}
    free = [at for at, column in enumerate(columns) if at not in taken | ids and column.cells]
    texts = [at for at in free if not (columns[at].number or columns[at].constant or columns[at].code)]
    if len(texts) + len(taken - {None}) < 2 == len(columns):
        texts = [at for at, column in enumerate(columns) if at not in taken | ids and not column.counts]
    return sorted(texts, key=lambda at: not (names and _usual(names[at], heads)))
