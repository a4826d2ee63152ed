"""Sentences and their translations, from the files people have.

    a table         any of `tasks.reading.records`; two of its columns, the first two that hold sentences
                    unless it is said which
    aligned files   train.de and train.en: each line of one is the translation of the other's

Each may be compressed. A folder has one of them for every split: train, validation (valid, val, dev, …),
test.
"""

import collections
import html
import pathlib
import re
import textwrap

from tasks.reading import encoding as encodings, records, roles, splits
from tasks.reading.column import folded, is_number
from tasks.reading.roles import Role
from tasks.reading.splits import Pair

UNKNOWN = "und"                       # ISO 639-2: undetermined
CODE = r"[a-z]{2,3}([-_][A-Za-z]{2,4})?"
NO_CODES = {"csv", "dev", "md", "sgm", "tab", "tok", "trn", "tsv", "tst", "txt", "val", "xml", "zip"}
SOURCE, TARGET = ("source", "src"), ("target", "tgt", "trg")
LANGUAGES = {"arabic": "ar", "chinese": "zh", "czech": "cs", "english": "en", "french": "fr",
             "german": "de", "deutsch": "de", "hindi": "hi", "italian": "it", "japanese": "ja",
             "korean": "ko", "dutch": "nl", "polish": "pl", "portuguese": "pt", "russian": "ru",
             "spanish": "es", "turkish": "tr"}
# What may head a column. A sentence of two letters must not be taken for one.
CODES = set("ar cmn cs de deu en eng es fr fra hi it ja jpn ko nl pl pt ru tr zh zho".split())
HEADS = {*SOURCE, *TARGET, *CODES, *LANGUAGES}
SEGMENT = re.compile(r"\s*<seg\b[^>]*>(.*)</seg>\s*")
TAG = r"<[?!/]?[A-Za-z][^<>]*>"
MARKUP = re.compile(rf"(?=<[?!/]?([A-Za-z][\w:-]*)){TAG}(?:.*</\1>|(?:\s*{TAG})*)")
INLINE = {"a", "b", "bos", "em", "eos", "i", "num", "pad", "s", "sos", "strong", "u", "unk"}
EXPECTED = "a TSV or CSV file, two aligned files such as train.de,train.en, or a folder of those"

Texts = collections.namedtuple("Texts", "languages datasets warnings columns", defaults=[None])
Texts.__doc__ = "The languages of both sides, {split: pairs}, what there is to say, titles of columns."


def exists(name):
    """Whether a name is a file or folder, or two of them with a comma between."""
    return all(path.exists() for path in paths(name))


def read(name, languages=(None, None), columns=(None, None, None), encoding=None, whole=False):
    """The `Texts` of a file, two files or a folder.

    Args:    languages  which sides to take where there are more than two; None leaves one open
             columns    of source, target and id in a table: names in its header, numbers from 1, or None
             encoding   of text files; None finds it
             whole      all rows of a table are wanted for one thing
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    first, *second = paths(name)
    found = {"train": [first]} if not second else {}
    if first.is_dir():
        found = _parts_of_table(first)
    if found:
        notes = splits.together(found)
        notes += splits.left_out(first, sum(found.values(), [])) if first.is_dir() else []
        return _tables(found, languages, columns, encoding, notes, whole)
    if any(column is not None for column in columns):
        raise ValueError("expected a TSV or CSV file with source_column or target_column, received "
                         f"{name}; leave them out")
    if second:
        return _aligned({"train": [(first, *second)]}, (language(first), language(*second)), encoding)
    languages = _languages(first, languages)
    found = _parts_of_both(first, languages)
    used = [path for pairs in found.values() for sides in pairs for path in sides]
    notes = splits.together({split: [sides[0] for sides in pairs] for split, pairs in found.items()})
    return _aligned(found, languages, encoding, notes + splits.left_out(first, used))


def language(path):
    """The language that a file's name ends in.

    >>> [language(pathlib.Path(name)) for name in ("train.de.gz", "dev_en.txt", "train.txt")]
    ['de', 'en', 'und']
    """
    stem = re.sub(r"\.(txt|xml|sgm)$", "", encodings.bare(path))
    start, dot, ending = stem.rpartition(".")
    if dot and re.fullmatch(CODE, ending) and ending not in NO_CODES:
        return ending
    ending = re.split("[-_.]", stem)[-1]
    return ending if ending in CODES else UNKNOWN


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
    """{split: paths} of a folder's tables, of which a single one is the whole corpus; perhaps none."""
    inside = [path for path in sorted(folder.iterdir()) if path.is_file()]
    aligned = len({language(path) for path in inside} - {UNKNOWN}) > 1
    found = [path for path in inside if encodings.kind(path) in records.ENDINGS
             and not (aligned and language(path) != UNKNOWN)]
    if len(found) == 1:
        return {"train": found}
    return splits.by_split(folder, found.__contains__, EXPECTED) if found else {}


def _tables(paths, languages, columns, encoding, notes, whole_table):
    tables = {split: [_table(path, encoding) for path in group] for split, group in paths.items()}
    found = _roles(tables["train"][0], languages, columns)
    datasets, warnings = collections.defaultdict(list), []
    for split, table, at in found.placed(tables, whole_table):
        pairs, empty = whole(table.name, [(number, _pair(table, number, row, at))
                                          for number, row in table.rows])
        datasets[split] += pairs
        warnings += [f"{table.name}: {note}" for note in table.notes] + empty
    sides = tuple(_code(found.names[found.columns[side]]) if found.names else UNKNOWN
                  for side in ("source", "target"))
    titles = [found.title(side) for side in ("source", "target")]
    return Texts(sides, datasets, warnings + notes, titles)


def _table(path, encoding):
    if encodings.kind(path) not in records.ENDINGS:
        raise ValueError(f"expected {EXPECTED}, received {path.name}; name both files of a pair, or end "
                         "a table's name in .tsv or .csv")
    return records.read(path, "rows with a sentence and its translation", encoding)


def _roles(table, languages, columns):
    """The `Roles` of source and target."""
    first = next(iter(table.first(1)), (0, []))[1]
    names = list(map(folded, table.names or first))
    source, target, other = (column if column is not None or language not in names else language
                             for column, language in zip(columns, (*languages, None)))
    return roles.of_pairs(table, {"source": Role("source_column", source, SOURCE),
                                  "target": Role("target_column", target, TARGET),
                                  "id": Role("id_column", other)}, HEADS)


def _code(name):
    """The language that a column's name speaks of.

    >>> _code("de"), _code("text_en"), _code("german"), _code("source")
    ('de', 'en', 'de', 'und')
    """
    last = re.split(r"[\W_]+", name)[-1]
    if re.fullmatch(CODE, name) and name not in (*SOURCE, *TARGET):
        return name
    return LANGUAGES.get(last, last if last in CODES else UNKNOWN)


def _pair(table, number, row, at):
    try:
        return Pair(row[at["source"]].strip(), row[at["target"]].strip())
    except AttributeError:
        raise ValueError(f"{table.where(number)}: expected a sentence and its translation, received a "
                         "list; set source_column and target_column") from None


# -------------------------------------------------------------------------------------- aligned files

def _languages(folder, wanted):
    """The two languages of a folder's training files, or of the only two files."""
    files = {path: language(path) for path in folder.iterdir()}
    train = {path: code for path, code in files.items() if splits.split_of(path.name) == "train"} or files
    found = sorted(set(train.values()) - {UNKNOWN})
    if not found or train is files and len(_known(files)) != 2:
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


def _known(files):
    return [path for path, code in sorted(files.items()) if code != UNKNOWN]


def _parts_of_both(folder, languages):
    """{split: [paths of both sides]}; two files that are named for no split are the whole corpus."""
    files = _known({path: language(path) for path in folder.iterdir()})
    if len(files) == 2 and not any(splits.split_of(path.name) for path in files):
        return {"train": [tuple(sorted(files, key=lambda path: languages.index(language(path))))]}
    sides = [splits.by_split(folder, lambda path, side=side: language(path) == side, f"train.{side}")
             for side in languages]
    for split in sides[0].keys() ^ sides[1].keys():
        raise ValueError(f"expected a {split} file in {' and '.join(languages)} in {folder}, received "
                         "one of them; add the other or remove it")
    for split in sides[0]:
        numbers = [[splits.NUMBER.findall(path.name) for path in side[split]] for side in sides]
        if numbers[0] != numbers[1]:
            raise ValueError(f"expected the same {split} files in {' and '.join(languages)} in {folder}, "
                             f"received {len(numbers[0])} and {len(numbers[1])}; add what is missing")
    return {split: list(zip(sides[0][split], sides[1][split])) for split in sides[0]}


def _aligned(paths, languages, encoding=None, notes=()):
    datasets, warnings = {split: [] for split in paths}, []
    for split, sides in [(split, sides) for split, pairs in paths.items() for sides in pairs]:
        texts = [encodings.text(path, "one sentence a line", encoding) for path in sides]
        warnings += [f"{path.name}: {note}" for path, (_, found) in zip(sides, texts) for note in found]
        pairs, found = aligned(*(path.name for path in sides), *(text for text, _ in texts))
        datasets[split] += pairs
        warnings += found
    return Texts(languages, datasets, [*warnings, *notes], [path.name for path in paths["train"][0]])


def aligned(source_name, target_name, source, target):
    """The pairs of two texts of as many lines, and warnings about markup and about an empty side.

    >>> aligned("a.de", "a.en", "Hallo\\n\\n<url>x</url>\\n", "Hello\\n!\\n<url>x</url>\\n")[0]
    [Pair(source='Hallo', target='Hello')]
    """
    names = f"{source_name} and {target_name}"
    sides = [_lines(text) for text in (source, target)]
    if len(sides[0]) != len(sides[1]):         # of XML one side may have more lines of markup
        sides = [[line for line in side if not line.markup] for side in sides]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(f"expected as many lines in {source_name} and {target_name}, received "
                         f"{len(sides[0]):,} and {len(sides[1]):,}; correct the files")
    kept = [(one.number, Pair(one.text, other.text)) for one, other in zip(*sides)
            if not (one.markup and other.markup)]
    dropped = source.removesuffix("\n").count("\n") + 1 - len(kept)
    pairs, warnings = whole(names, kept)
    return pairs, [f"{names}: {dropped:,} lines of markup were dropped, the first in line {line.number}: "
                   f"{shown(line.text)}" for line in _marked(source)[:bool(dropped)]] + warnings


Line = collections.namedtuple("Line", "number text markup")


def _marked(text):
    return [line for line in _lines(text) if line.markup]


def _lines(text):
    """The lines of a text, of which those of XML hold a segment each or are markup."""
    found = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        line = line.strip()
        segment = SEGMENT.fullmatch(line) if line.startswith("<") else None
        tag = MARKUP.fullmatch(line) if line.startswith("<") and not segment else None
        found.append(Line(number, html.unescape(segment[1]).strip() if segment else line,
                          bool(tag) and tag[1].lower() not in INLINE))
    return found


# ------------------------------------------------------------------------------- doubts, what is shown

def doubts(pairs, titles=("source", "target")):
    """Warnings about pairs that are probably not what the user means.

    >>> doubts([Pair("1", "one"), Pair("2", "two")])
    ['source: the source is numbers only']
    """
    found = [f"{title}: the {side} is numbers only" for n, (side, title) in enumerate(
        zip(("source", "target"), titles)) if all(is_number(pair[n]) for pair in pairs)]
    same = sum(pair.source == pair.target for pair in pairs)
    return found + [f"{same:,} of {len(pairs):,} training pairs have the same text on both "
                    "sides"] * (2 * same > len(pairs))


def shown(text):
    """A text as it fits into a line."""
    return textwrap.shorten(text, 60, placeholder=" …")
