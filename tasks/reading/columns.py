"""Sentences with a tag for every token, from the files people have.

    CoNLL columns   one token a line, its tag in the last column (or another), a blank line between
                    sentences; separated by tabs, or by spaces
    CoNLL-U         ten columns with names, the token is FORM, the tag UPOS (or another)
    seq.in, seq.out one sentence a line, its tags in the same line of the other file
"""

import collections
import dataclasses
import pathlib
import re

from tasks.reading import encoding, splits
from tasks.reading.splits import Sentence

CONLL_U = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
BORDER = "-DOCSTART-"
EXPECTED = "one token and its tag a line, or CoNLL-U, or a folder with seq.in and seq.out"


@dataclasses.dataclass
class Layout:
    """How a line is cut, and which cells hold the token and its tag."""
    delimiter: str
    width: int
    token: int
    tag: int
    conll_u: bool


def read(name, tag_column=None):
    """{part: sentences} and warnings of a file, of a pair seq.in and seq.out, or of a folder of those.

    Args:  tag_column  a number from 1 (or -1, the last), or for CoNLL-U a name such as XPOS
    """
    path = pathlib.Path(name).expanduser()
    found = {"train": path}
    if path.is_dir() and not _pair(path):
        found = splits.by_part(path, lambda entry: entry.is_file() or _pair(entry),
                               "a train file with " + EXPECTED)
    warnings = []

    def text(path, expected=EXPECTED):
        content, notes = encoding.text(path, expected)
        warnings.extend(f"{path.name}: {note}" for note in notes)
        return content

    parts, left_out = {}, collections.Counter()
    for part, entry in found.items():
        pair = _pair(entry)
        if pair and tag_column is not None:
            raise ValueError("expected columns with tag_column, received seq.in and seq.out; leave it "
                             "out")
        if pair:
            parts[part], lines = aligned(*pair, *(text(side, "one sentence a line") for side in pair))
        else:
            parts[part], lines = parse(entry.name, text(entry), tag_column)
        left_out += lines
    return parts, warnings + notes(left_out)


def notes(left_out):
    """Warnings about lines, counted by what they are, in one line each.

    >>> notes({"empty": 3})
    ['3 lines were left out: empty']
    """
    return [f"{count:,} lines were left out: {what}" for what, count in left_out.items()]


def _pair(path):
    """The paths of seq.in and seq.out, if `path` is their folder or the former; else None."""
    folder = path if path.is_dir() else path.parent
    for ending in ("", ".gz"):
        tokens, tags = (folder / f"seq.{side}{ending}" for side in ("in", "out"))
        if tokens.is_file() and path in (folder, tokens):
            return tokens, tags
    return None


def aligned(tokens_file, tags_file, tokens, tags):
    """The sentences of two texts of as many lines, and a count of lines that are blank in both."""
    tokens, tags = ([_cut(line, " ") for line in text.removesuffix("\n").split("\n")]
                    for text in (tokens, tags))
    if len(tokens) != len(tags):
        raise ValueError(f"expected as many lines in {tokens_file} and {tags_file.name}, received "
                         f"{len(tokens)} and {len(tags)}; correct the files")
    for number, (words, labels) in enumerate(zip(tokens, tags), 1):
        if len(words) != len(labels):
            raise ValueError(f"{tags_file}, line {number}: expected a tag for each of the {len(words)} "
                             f"tokens of {tokens_file.name}, received {len(labels)}; correct the line")
    rows = [Sentence(tuple(words), tuple(labels)) for words, labels in zip(tokens, tags) if words]
    return rows, collections.Counter({"empty sentences": len(tokens) - len(rows)}) - collections.Counter()


def parse(name, text, tag_column=None):
    """The sentences of columns, and a count of the lines that hold no token, by what they are.

    >>> parse("a.txt", "Boston B-place\\nis O\\n\\nYes O\\n")[0]
    [Sentence(tokens=('Boston', 'is'), tags=('B-place', 'O')), Sentence(tokens=('Yes',), tags=('O',))]
    """
    lines = text.split("\n")
    layout = _layout(name, lines, tag_column)
    sentences, pairs, left_out = [], [], collections.Counter()
    for number, line in enumerate([*lines, ""], 1):
        cells = _cut(line, layout.delimiter)
        other = _other(cells, layout)
        if other:
            left_out[other] += 1
        elif cells and not _comment(cells, layout):
            pairs.append(_token(name, number, cells, layout))
        if pairs and (not cells or other == BORDER):
            sentences.append(Sentence(*zip(*pairs)))
            pairs = []
    return sentences, left_out


def _cut(line, delimiter):
    """The cells of a line; none if it is blank."""
    if not line.strip(" \t\r"):
        return []
    if delimiter == "\t":
        return [cell.strip(" ") for cell in line.rstrip("\r").split("\t")]
    return re.findall("[^ \t\r]+", line)


def _layout(name, lines, tag_column):
    """Seen in the first line that holds a token."""
    first = next((line for line in lines if line.strip() and not line.startswith(("#", BORDER))), None)
    first = first or next((line for line in lines if line.strip() and not line.startswith(BORDER)), None)
    if first is None:
        raise ValueError(f"{name}: expected {EXPECTED}, received no token")
    delimiter = "\t" if "\t" in first.strip() else " "
    cells = _cut(first, delimiter)
    conll_u = len(cells) == len(CONLL_U) and bool(re.fullmatch(r"\d+([-.]\d+)?", cells[0]))
    if len(cells) < 2:
        raise ValueError(f"{name}: expected {EXPECTED}, received one column")
    return Layout(delimiter, len(cells), int(conll_u), _tag_at(name, tag_column, len(cells), conll_u),
                  conll_u)


def _tag_at(name, asked, width, conll_u):
    names = list(CONLL_U) if conll_u else []
    if asked is None:
        asked = "UPOS" if conll_u else -1
    if str(asked).upper() in names:
        return names.index(str(asked).upper())
    if str(asked) == "-1":
        return width - 1
    if str(asked).isdigit() and 1 <= int(asked) <= width:
        return int(asked) - 1
    raise ValueError(f"{name}: no column '{asked}'; set tag_column to a number from 1 to {width}, -1 for "
                     "the last" + f", or one of {', '.join(names)}" * conll_u)


def _comment(cells, layout):
    return layout.conll_u and cells[0].startswith("#")


def _other(cells, layout):
    """What a line is that is neither blank nor a comment nor a token; else None."""
    if not cells or not layout.conll_u:
        return BORDER if cells and cells[0].startswith(BORDER) else None
    return {"-": "multiword tokens, whose words follow", ".": "empty nodes of CoNLL-U"}.get(
        cells[0].strip("0123456789"))


def _token(name, number, cells, layout):
    """(token, tag) of a line."""
    if len(cells) != layout.width:
        raise ValueError(f"{name}, line {number}: expected {layout.width} columns as in the first line "
                         f"with a token, received {len(cells)}; correct the line")
    if not cells[layout.token] or not cells[layout.tag]:
        raise ValueError(f"{name}, line {number}: expected a token and a tag, received an empty cell; "
                         "correct the line")
    return cells[layout.token], cells[layout.tag]
