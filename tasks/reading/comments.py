"""Which lines of a file of columns that start with # are comments.

Comments stand before the first token of a sentence; what follows a token is one. At the head of a
sentence

    a token    has cells, all but the first, that other tokens have in the same columns
    a comment  has another number of cells than tokens, or a tag that no token has
    a hashtag  (no space after the #) with a tag that is known is a token too

What is none of these is what other lines are that begin with the same word, or refused. Where the first
column counts the tokens, no token can start with #.
"""

import collections
import re

Line = collections.namedtuple("Line", "number word cells")


def lines(name, text, layout, wanted=None):
    """The numbers of the lines that are comments, and notes.

    Args:    text    the lines of the file
             wanted  True or False where a user says whether such lines are comments
    Raises:  ValueError: names a line that may be either
    """
    if layout.index:
        return {number for number, line in enumerate(text, 1) if line.lstrip(" ").startswith("#")}, []
    heads, known = _heads(text, layout)
    verdicts = {line.number: _verdict(line, layout, known) if wanted is None else
                "comment" if wanted else "token" for head in heads for line in head}
    _settle(name, [line for head in heads for line in head], verdicts)
    comments = [line for head in heads for line in _before_a_token(head, verdicts)]
    return {line.number for line in comments}, [] if wanted else _notes(name, comments, layout)


def _notes(name, comments, layout):
    alike = [line.number for line in comments if len(line.cells) == layout.width]
    return alike and [f"{name}: {len(alike):,} lines that start with # have as many columns as tokens "
                      f"and are read as comments, the first in line {alike[0]}; set comments to false if "
                      "they are tokens"]


def _heads(text, layout):
    """The lines with # before each sentence, and the values that tokens have in each column."""
    if not any(line.lstrip(" ").startswith("#") for line in text):
        return [], []
    heads, known, at_head = [[]], [set() for _ in range(layout.width)], True
    for number, line in enumerate(text, 1):
        cells = layout.cut(line)
        if not cells:
            heads.append([])
            at_head = True
        elif at_head and cells[0].startswith("#"):
            word = re.sub(r"\d+", "0", re.split("[ \t=]+", line.lstrip("# \t"))[0])
            heads[-1].append(Line(number, word, cells))
        else:
            at_head = False
            for values, cell in zip(known, cells if len(cells) == layout.width else ()):
                values.add(cell)
    return heads, known


def _verdict(line, layout, known):
    """What a line at the head of a sentence is by itself: see above."""
    cells, token = line.cells, line.cells[min(layout.token, len(line.cells) - 1)]
    spaced = cells[0] == "#" or " " in cells[0] or cells[1:2] == ["="]
    if len(cells) != layout.width:
        return "comment" if spaced else "doubt"
    seen = [cell in values or cell == token for cell, values in zip(cells, known)]
    seen[layout.token] = True
    if all(seen):
        return "token"
    if seen[layout.tag]:
        return "doubt" if spaced else "hashtag"
    return "comment" if spaced else "doubt"


def _settle(name, lines, verdicts):
    """Settles doubts by other lines: comments begin alike, or stand in the file's first line."""
    sure = {line.word for line in lines if verdicts[line.number] == "comment"}
    doubts = collections.Counter(line.word for line in lines if verdicts[line.number] == "doubt")
    for line in lines:
        if verdicts[line.number] in ("doubt", "hashtag") and line.word in sure:
            verdicts[line.number] = "comment"
        elif verdicts[line.number] == "doubt":
            if doubts[line.word] < 2 and line.number > 1:
                raise ValueError(f"{name}, line {line.number}: expected a token and its tag, or a "
                                 f"comment, received '{' '.join(line.cells)[:40]}', which may be either; "
                                 "set comments to true or false")
            verdicts[line.number] = "comment"


def _before_a_token(head, verdicts):
    for line in head:
        if verdicts[line.number] != "comment":
            return
        yield line
