"""Sentences and their translations, from the files people have.

    a table         TSV or CSV; two of its columns, the first two unless it is said which
    aligned files   train.de and train.en: each line of one is the translation of the other's

Each may be gzipped. A folder has one of them for every part: train, validation (valid, val, dev), test.
"""

import collections
import pathlib
import re

from tasks.reading import files, tables
from tasks.reading.splits import Pair

UNKNOWN = "und"                       # ISO 639-2: undetermined
CODE = r"[a-z]{2,3}([-_][A-Za-z]{2,4})?"
NO_CODES = {"csv", "md", "tab", "tok", "tsv", "txt", "xml", "zip"}
# What may head a column. A sentence of two letters must not be taken for one.
SIDES = ("source", "target", "src", "tgt", "trg")
HEADS = {*SIDES, *"ar cmn cs de deu en eng es fr fra hi it ja jpn ko nl pl pt ru zh zho".split()}
EXPECTED = "a TSV or CSV file, two aligned files such as train.de,train.en, or a folder of those"

Texts = collections.namedtuple("Texts", "languages parts warnings")
Texts.__doc__ = "The languages of both sides, {part: pairs}, and what there is to say."


def exists(name):
    """Whether a name is a file or folder, or two of them with a comma between."""
    return all(path.exists() for path in paths(name))


def read(name, languages=(None, None), columns=(None, None)):
    """The `Texts` of a file, two files or a folder.

    Args:    languages  which sides to take where there are more than two; None leaves one open
             columns    which columns of a table: names in its header or numbers from 1, or None
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    first, *second = paths(name)
    found = {"train": first} if not second else {}
    if first.is_dir():
        found = _parts_of_table(first)
    if found:
        return _tables(found, languages, columns)
    if any(column is not None for column in columns):
        raise ValueError("expected a TSV or CSV file with source_column or target_column, received "
                         f"{name}; leave them out")
    if second:
        return _aligned({"train": (first, *second)}, (language(first), language(*second)))
    languages = _languages(first, languages)
    return _aligned(_parts_of_both(first, languages), languages)


def language(path):
    """The language that a file's name ends in.

    >>> language(pathlib.Path("train.de.gz")), language(pathlib.Path("train.txt"))
    ('de', 'und')
    """
    ending = path.name.removesuffix(".gz").rpartition(".")[2]
    return ending if re.fullmatch(CODE, ending) and ending not in NO_CODES else UNKNOWN


def whole(name, numbered):
    """The pairs of (line, pair) that have both sides, and a warning about the others."""
    lacking = [line for line, pair in numbered if not all(pair)]
    pairs = [pair for _, pair in numbered if all(pair)]
    if not pairs:
        raise ValueError(f"{name}: expected sentences and their translations, received none")
    if not lacking:
        return pairs, []
    return pairs, [f"{name}: {len(lacking):,} pairs with an empty side were skipped, the first in line "
                   f"{lacking[0]}"]


def paths(name):
    """The paths in a name: two where a comma separates them, and is not part of the name of one."""
    names = name.split(",")
    if len(names) != 2 or pathlib.Path(name).expanduser().exists():
        names = [name]
    return [pathlib.Path(part.strip()).expanduser() for part in names]


# --------------------------------------------------------------------------------------------- tables

def _parts_of_table(folder):
    """{part: path} of a folder's tables, of which a single one is the whole corpus; perhaps none."""
    found = [path for path in sorted(folder.iterdir()) if tables.kind(path) in tables.DELIMITERS]
    if len(found) == 1:
        return {"train": found[0]}
    return files.by_part(folder, found.__contains__, EXPECTED) if found else {}


def _tables(paths, languages, columns):
    read = {part: _table(path, languages, columns) for part, path in paths.items()}
    sides = read["train"][0]
    for part, (others, _, _) in read.items():
        if others != sides:
            raise ValueError(f"{paths[part].name}: expected the columns {' and '.join(sides)} as in the "
                             f"training file, received {' and '.join(others)}; correct the header")
    return Texts(sides, {part: pairs for part, (_, pairs, _) in read.items()},
                 [warning for _, _, warnings in read.values() for warning in warnings])


def _table(path, languages, columns):
    """Languages, pairs and warnings of one file."""
    if tables.kind(path) not in tables.DELIMITERS:
        raise ValueError(f"expected {EXPECTED}, received {path.name}; name both files of a pair, or end "
                         "a table's name in .tsv or .csv")
    text, warnings = files.text(path, "rows with a sentence and its translation")
    rows = tables.rows(path, text)
    head = [cell.strip().lower() for cell in rows[0][1]]
    asked = [column if column is not None or name not in head else name
             for column, name in zip(columns, languages)]
    header = _is_header(head, asked)
    at = _columns(path, head, header, asked)
    pairs, empty = whole(path.name, [(line, _pair(path, line, row, at)) for line, row in rows[header:]])
    named = (head[column] if header else UNKNOWN for column in at)
    sides = tuple(name if re.fullmatch(CODE, name) and name not in SIDES else UNKNOWN for name in named)
    return sides, pairs, [f"{path.name}: {warning}" for warning in warnings] + empty


def _is_header(head, asked):
    """Whether a row names its columns as the user does, or the first two by their languages."""
    names = [str(column).lower() for column in asked if column is not None]
    return (any(name in head and not name.isdigit() for name in names)
            or len(head) > 1 and HEADS.issuperset(head[:2]))


def _columns(path, head, header, asked):
    """The indices of both columns; of one that is not asked for, the first that is left."""
    at = [tables.column(path, column, (), head, header, flag)
          for column, flag in zip(asked, ("source_column", "target_column"))]
    left = [column for column in (0, 1) if column not in at]
    at = [left.pop(0) if column is None else column for column in at]
    if at[0] == at[1]:
        raise ValueError(f"{path.name}: expected two different columns, received column {at[0] + 1} for "
                         "both sides; set source_column and target_column")
    return at


def _pair(path, line, row, at):
    if len(row) <= max(at):
        raise ValueError(f"{path.name}, line {line}: expected a sentence in column {at[0] + 1} and its "
                         f"translation in column {at[1] + 1}, received {len(row)} of them; separate them "
                         f"by {'commas' if tables.kind(path) == '.csv' else 'tabs'}")
    return Pair(*(row[column].strip() for column in at))


# -------------------------------------------------------------------------------------- aligned files

def _languages(folder, wanted):
    """The two languages of a folder's training files."""
    found = sorted({language(path) for path in folder.iterdir() if files.part(path.name) == "train"}
                   - {UNKNOWN})
    if not found:
        raise FileNotFoundError("expected train.tsv, or aligned files such as train.de and train.en, in "
                                f"{folder}, and if there are any validation and test files; found no "
                                "train file")
    if set(wanted) <= set(found) and wanted[0] != wanted[1]:
        return tuple(wanted)
    if len(found) != 2 or not set(wanted) <= {*found, None}:
        asked = " and ".join(filter(None, wanted)) or "no choice"
        raise ValueError(f"expected two languages of {', '.join(found)} in {folder}, received {asked}; "
                         "set source_language and target_language")
    return tuple(found)


def _parts_of_both(folder, languages):
    """{part: paths of both sides}."""
    sides = [files.by_part(folder, lambda path, side=side: language(path) == side, f"train.{side}")
             for side in languages]
    for part in sides[0].keys() ^ sides[1].keys():
        raise ValueError(f"expected a {part} file in {' and '.join(languages)} in {folder}, received one "
                         "of them; add the other or remove it")
    return {part: (sides[0][part], sides[1][part]) for part in sides[0]}


def _aligned(paths, languages):
    parts, warnings = {}, []
    for part, sides in paths.items():
        texts = [files.text(path, "one sentence a line") for path in sides]
        warnings += [f"{path.name}: {note}" for path, (_, notes) in zip(sides, texts) for note in notes]
        parts[part], empty = aligned(*(path.name for path in sides), *(text for text, _ in texts))
        warnings += empty
    return Texts(languages, parts, warnings)


def aligned(source_name, target_name, source, target):
    """The pairs of two texts of as many lines, and a warning about those with an empty side.

    >>> aligned("a.de", "a.en", "Hallo\\n\\n", "Hello\\n!\\n")[0]
    [Pair(source='Hallo', target='Hello')]
    """
    lines = [[line.strip() for line in text.removesuffix("\n").split("\n")] for text in (source, target)]
    if len(lines[0]) != len(lines[1]):
        raise ValueError(f"expected as many lines in {source_name} and {target_name}, received "
                         f"{len(lines[0]):,} and {len(lines[1]):,}; correct the files")
    return whole(f"{source_name} and {target_name}", list(enumerate(map(Pair, *lines), 1)))
