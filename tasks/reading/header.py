"""Whether the first row of a table names its columns, or nobody can tell."""

import collections
import re

from tasks.reading.column import columns_of, folded, is_number

FEWEST = 4                            # rows that show what kind a column is
NAME = re.compile(r"[^\W\d][\w .:/()#-]{0,39}")


def headed(table, rows, wanted):
    """The names of a table's columns, taken from its rows where the first one holds them; else None.

    Args:    rows    the first rows' cells
             wanted  {role: Role}
    """
    if table.names:
        return list(map(folded, table.names))
    names = list(map(folded, rows[0]))
    if not is_header(rows, wanted):
        return no_header(table, rows, wanted)
    next(table.rows)
    return names


def no_header(table, rows, wanted):
    """None, unless nobody can tell: the first cells are short, over longer ones, and never occur again.

    Raises:  ValueError: names the flag that says it, where no flag names a column
    """
    first, rest = rows[0], _rest(rows)
    if _are_names(first) and len(rest) >= FEWEST and all(role.given is None for role in wanted.values()):
        new = all(row[at] != cell for row in rest for at, cell in enumerate(first) if cell)
        longer = [_longer(cell, column) for cell, column in zip(first, zip(*rest))]
        if new and any(longer) and all(more or column.repeats for more, column in
                                       zip(longer, columns_of(rest))):
            flag = next(iter(wanted.values())).flag
            raise ValueError(f"{table.name}, {table.unit} 1: expected a header or a row, received "
                             f"'{' | '.join(first)[:60]}', which may be either; set {flag} to its name "
                             "in the header if it is one, to a number if it is a row")
    return None


def _longer(cell, column):
    """Whether nine tenths of a column, and its first cells, have more words or ideographs than a cell,
    which is no sentence."""
    sizes = [len(str(other).split()) + sum(sign >= "\u2e80" for sign in str(other))
             for other in (cell, *column)]
    more = [size > sizes[0] for size in sizes[1:]]
    sentence = len(cell) < 3 or cell[-1] in ".!?"
    return not sentence and all(more[:FEWEST]) and 10 * sum(more) >= 9 * len(more)


def _are_names(first):
    """Whether cells look like names of columns: short, different, without a sentence's signs."""
    named = [cell for cell in first if cell]
    return bool(named) and len(set(named)) == len(named) and all(
        isinstance(cell, str) and NAME.fullmatch(cell.strip()) and len(cell.split()) <= 4
        for cell in named)


def is_header(rows, wanted, repeats=True):
    """Whether the first row names the columns: usual names, or cells that no other row has there.

    >>> rows = [["v1", "v2"], *[["pos", "I like tea"], ["neg", "I hate jam"]] * 4]
    >>> is_header(rows, {}), is_header(rows[1:], {})
    (True, False)
    """
    first, rest = rows[0], _rest(rows)
    names = list(map(folded, first))
    usual = [{role.named, *role.names} for role in wanted.values() if role.names]
    found = [any(name and name in some for name in names) for some in usual]
    by_user = any(role.named in names for role in wanted.values() if role.named)
    if by_user or found and all(found):
        return True
    new = [not cell or all(row[at] != cell for row in rest) for at, cell in enumerate(first)]
    if any(fresh and name and any(name in some for some in usual) for fresh, name in zip(new, names)):
        return True
    return all(new) and _unlike(first, rest, repeats)


def _rest(rows):
    """The rows below the first, without the few that are the same once more: files were joined."""
    few = 20 * (rows.count(rows[0]) - 1) <= len(rows)
    return [row for row in rows[1:] if row != rows[0]] if few else rows[1:]


def _unlike(first, rest, repeats):
    """Whether cells look like names over columns of another kind: numbers, or values that repeat."""
    if len(rest) < FEWEST or not _are_names(first):
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
