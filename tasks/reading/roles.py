"""Which column is what: decided once, on the first rows of the training split, used for every split.

A column has a role because the user names it, because its header is a usual name, or because its cells
leave no choice: an index counts, a score is a number, a label is one of few. What stays open is refused.
"""

import collections
import dataclasses
import re

from tasks.reading import splits
from tasks.reading.column import columns_of, folded
from tasks.reading.header import headed, is_header, no_header

SEEN = 10_000                         # rows of the training split
TEXT_NAMES = ("text", "sentence", "review", "question", "utterance", "comment", "tweet", "message",
              "document", "phrase", "content", "body")
LABEL_NAMES = ("label", "labels", "class", "category", "sentiment", "polarity", "target", "intent",
               "score", "rating", "stars", "tags", "y")
ID_NAMES = ("id", "index", "idx", "no", "nr", "number", "uuid", "guid", "unnamed: 0", "")
SPLIT_NAMES = ("split", "set", "partition", "subset", "fold", "data_split", "dataset_split")


@dataclasses.dataclass
class Role:
    """What a column is wanted for.

    flag   the flag that names it
    given  the user's setting: a name in the header, a number from 1, or None
    names  that usually head such a column
    """
    flag: str
    given: object = None
    names: tuple = ()

    @property
    def named(self):
        """The name that the user gave, as in a header; None for a number."""
        return None if self.given is None or str(self.given).isdigit() else folded(self.given)


@dataclasses.dataclass
class Roles:
    """{role: index}, the names of the training split's columns where it has any, as they are compared and
    as they are written, how many there are, and which of them names the split of each row, if any."""
    columns: dict
    names: list | None
    width: int
    written: list
    split: int | None = None

    def title(self, role):
        """A column as it is shown."""
        return self._titled(self.columns[role])

    def _titled(self, at):
        return f"column `{self.written[at]}`" if self.names and self.names[at] else f"column {at + 1}"

    def placed(self, tables, whole=False):
        """[(split, `Table`, {role: index})] of {split: tables}; a single one is divided by its column of
        splits.

        Args:    whole  all rows are wanted for one thing: where they are of several splits, which of
                        them is open
        Raises:  ValueError: columns that are missing, a row of no split, rows of several where all are
                 wanted
        """
        train = tables["train"][0]
        found = [(split, table, self.columns if table is train else self._of(table))
                 for split, group in tables.items() for table in group]
        for _, table, _ in found:
            table.rows = table.rows if table.names else self._without_heads(table, table.rows)
        if len(found) == 1 and self.split is not None:
            return [(split, table, self.columns) for split, table in self._divided(train, whole).items()]
        return found

    def _without_heads(self, table, rows):
        """The rows that are not the header once more, as where files were joined."""
        heads = []
        for number, row in rows:
            if self.names and row == self.written:
                heads.append(number)
            else:
                yield number, row
        if heads:
            table.notes.append(f"{len(heads):,} rows repeat the header and were skipped, the first in "
                               f"{table.unit} {heads[0]}")

    def _divided(self, table, whole):
        title, found = self._titled(self.split), collections.defaultdict(list)
        for number, row in table.rows:
            split = splits.split_of(str(row[self.split]))
            if split is None:
                raise ValueError(f"{table.where(number)}: expected train, validation or test in {title}, "
                                 f"received '{str(row[self.split])[:40]}'; correct the {table.unit} or "
                                 "rename the column")
            found[split].append((number, row))
        if "train" not in found and not whole:
            raise ValueError(f"{table.name}: expected rows of training in {title}, received only "
                             f"{' and '.join(found)}; add some or rename the column")
        sizes = ", ".join(f"{split} {len(found[split]):,}" for split in splits.SPLITS if split in found)
        if whole and len(found) > 1:
            raise ValueError(f"{table.name}: expected rows of one split in {title}, received {sizes}; "
                             "keep those that are wanted or rename the column")
        notes = [*table.notes, f"the split of each row is in {title}: {sizes}"]
        return {split: dataclasses.replace(table, rows=iter(found[split]), notes=[] if n else notes)
                for n, split in enumerate(split for split in splits.SPLITS if split in found)}

    def _of(self, table):
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
        heading = not table.names and (set(names) & {*TEXT_NAMES, *LABEL_NAMES} == set(names) or
                                       is_header([row for _, row in table.first(SEEN)], {}))
        if table.names or len(first) != self.width or self.names and (
                heading or set(wanted.values()) & set(names)):
            expected = " and ".join(f"`{name}`" for name in wanted.values() if name) or "without a header"
            raise ValueError(f"{table.name}: expected the columns {expected} as in the training file, "
                             f"received {', '.join(names[:8]) or 'none'}; correct the header or leave "
                             "the file out")
        if heading:
            next(table.rows)
        return self.columns


def first_rows(table):
    """The cells of the rows that decide; there is at least one."""
    rows = [row for _, row in table.first(SEEN + 1)]
    if not rows or not rows[0]:
        raise ValueError(f"{table.name}: expected rows, received none")
    return rows


# ------------------------------------------------------------------------------------------------ roles

def named_columns(table, wanted, names, width):
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
    if role.given is None:
        return None
    if names and folded(role.given) in names:
        return names.index(folded(role.given))
    if str(role.given).isdigit() and 1 <= int(role.given) <= width:
        return int(role.given) - 1
    columns = ", ".join(names) if names else f"1 to {width} (no header)"
    raise ValueError(f"{table.name}: no column '{role.given}'; set {role.flag} to one of {columns}")


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
    found = named_columns(table, wanted, names, width)
    split = _split(rows, names, found.values())
    if found.get("text", -1) == found.get("label", -2):
        raise ValueError(f"{table.name}: expected two different columns, received column "
                         f"{found['text'] + 1} as text and as label; set text_column and label_column")
    if not {"text", "label"} <= found.keys():
        found |= _guessed(table, columns_of(rows, separator), found, names, split,
                          regression)
    found.pop("id", None)
    return Roles(found, names, width, written, split)


def _split(rows, names, taken):
    """The index of a column with a usual name whose cells are mostly names of splits."""
    return next((at for at, name in enumerate(names or []) if name in SPLIT_NAMES and at not in taken and
                 2 * sum(splits.split_of(str(row[at])) is not None for row in rows) > len(rows)), None)


def _guessed(table, columns, found, names, split, regression):
    """{role: index} of text and label: what the cells leave no doubt about."""
    ids = {at for at, name in enumerate(names or []) if name in ID_NAMES} | {found.get("id"), split}
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
    found = named_columns(table, {"input": role}, names, width)
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
    found = named_columns(table, wanted, names, width)
    split = _split(rows, names, found.values())
    spare = {found.pop("id", None), split}
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
    return Roles(found, names, width, written, split)


def _heads(table, rows, wanted, heads):
    """The names of a parallel table's columns, taken from its rows where the first one holds them."""
    if table.names:
        return list(map(folded, table.names))
    names = list(map(folded, rows[0]))
    usual = sum(_usual(name, heads) and all(row[at] != rows[0][at] for row in rows[1:])
                for at, name in enumerate(names))
    plain = {role: dataclasses.replace(role_of, names=()) for role, role_of in wanted.items()}
    if usual < 2 and not is_header(rows, plain, repeats=False):
        return no_header(table, rows, wanted)
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
