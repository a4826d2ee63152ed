"""How the lines of a file of columns are cut, and which column holds the token, which the tag.

    CoNLL         the token is the first column, the tag the last
    with an index the first column counts the tokens of a sentence, the token is the second
    CoNLL-U       ten columns with names: the token is FORM, the tag UPOS
    CoNLL-U Plus  the first line names the columns: # global.columns = ID FORM …
    a header      the first line names the columns: token, tag, …; one of them may number the sentences
    CSV           cells between commas, semicolons or bars, with a header or without
"""

import collections
import csv
import dataclasses
import itertools
import re

from zoo.text import spans

CONLL_U = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
BORDER = "-DOCSTART-"
EXPECTED = "one token and its tag a line, or CoNLL-U, or a folder with seq.in and seq.out"
TOKEN_NAMES = ("form", "token", "tokens", "word", "words")
TAG_NAMES = ("upos", "tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "pos_tag",
             "pos_tags", "xpos", "chunk", "chunk_tags", "slot", "slots", "entity", "iob", "bio")
SENTENCE = re.compile(r"sent(ence)?[\W_]*(id|idx|index|no|nr|num|number)?[\W_]*")
INTENT_NAMES = ("intent", "intents", "label", "category", "class")
LISTS = re.compile(r"""\[\s*(['"]).*\1\s*\]""")      # Python's, in a cell
INDEX = r"\d+([-.]\d+)?"
LOOKED_AT = 10_000  # lines of the training file


@dataclasses.dataclass
class Form:
    """What a user says about the files of a corpus; None is found out."""
    token_column: object = None
    tag_column: object = None
    comments: bool | None = None
    tokenizer: str = "word"
    encoding: str | None = None
    intent_column: object = None
    intents: bool | None = None


@dataclasses.dataclass
class Layout:
    """How a line is cut, and which cells hold the token and its tag.

    index    whether the first column counts tokens
    heading  the number of the line that names the columns; 0 for none
    sentence the column that numbers the sentences, perhaps in the first row of each alone; None without
    intent   the column of the sentences' labels, in the row of their first token; None without
    """
    delimiter: str
    width: int
    token: int
    tag: int
    index: bool
    names: tuple
    heading: int
    notes: list
    sentence: int | None = None
    intent: int | None = None

    def cut(self, line):
        return cut(line, self.delimiter)

    def of_file(self, name, lines):
        """The same columns in another file of the corpus, which may have a heading of its own."""
        rows = [row for row in _rows(lines, _delimiter(lines)) if len(row.cells) == self.width]
        given = Form(self.names[self.token], self.names[self.tag]) if self.heading else Form()
        heading = self.heading and rows and _is_header(rows, given)
        names = _declared(lines) or (rows[0].cells if heading else ())
        if names and self.names and _folded(names) != _folded(self.names):
            raise ValueError(f"{name}: expected the columns {' '.join(self.names)} as in the training "
                             f"file, received {' '.join(names)}; reorder them")
        return dataclasses.replace(self, delimiter=_delimiter(lines), notes=[],
                                   heading=rows[0].number if heading else 0)


Row = collections.namedtuple("Row", "sentence number cells")


def cut(line, delimiter):
    """The cells of a line; none if it is blank."""
    if not line.strip(" \t\r"):
        return []
    if delimiter == "\t" or delimiter != " " and line.count('"') % 2:
        return [cell.strip(" ") for cell in line.rstrip("\r").split(delimiter)]
    if delimiter != " ":
        cells = [cell.strip(" ") for cell in next(csv.reader([line.rstrip("\r")], delimiter=delimiter))]
        return cells if any(cells) else []
    return re.findall("[^ \t\r]+", line)


def found(name, lines, form):
    """The layout of a training file.

    Raises:  ValueError: no token, no tag, a column that is not there
    """
    lists = sum(bool(LISTS.search(line)) for *_, line in _looked_at(lines))
    if lists * 2 > len(_looked_at(lines)):
        raise ValueError(f"{name}: expected {EXPECTED}, received lists in cells; write JSON Lines with "
                         "tokens and tags")
    rows = _rows(lines, _delimiter(lines))
    if not rows:
        raise ValueError(f"{name}: expected {EXPECTED}, received no token")
    names = _declared(lines)
    widths = collections.Counter(len(row.cells) for row in rows)
    width = len(names) or widths.most_common(1)[0][0]
    if width < 2:
        raise ValueError(f"{name}: expected {EXPECTED}, received one column")
    rows = [row for row in rows if len(row.cells) == width] or rows[:1]
    heading = 0
    if not names and _is_header(rows, form):
        names, heading, rows = tuple(rows[0].cells), rows[0].number, rows[1:]
    index = _counts(rows)
    if not names and width == len(CONLL_U) and (index or re.fullmatch(INDEX, rows[0].cells[0])):
        names, index = CONLL_U, True
    sentence = next((at for at, column in enumerate(_folded(names)) if SENTENCE.fullmatch(column)), None)
    index = index and sentence != 0
    layout = Layout(_delimiter(lines), width, 0, 0, index, names, heading, [], sentence)
    return _with_roles(name, layout, rows, form)


def _with_roles(name, layout, rows, form):
    """The layout with its token and tag columns, and what there is to say about them."""
    layout.token = _token_at(name, layout, form.token_column)
    layout.index = layout.index and layout.token > 0
    others = []
    if form.tag_column is None:
        layout.tag, others = _tag_by_default(name, layout, rows)
        _check_values(name, layout, rows)
    else:
        layout.tag = _given(name, layout, form.tag_column, "tag_column")
    if form.intent_column is not None:
        layout.intent = _given(name, layout, form.intent_column, "intent_column")
    elif form.intents is not False and "intent" in _folded(layout.names):
        layout.intent = _folded(layout.names).index("intent")
    if layout.tag == layout.token:
        raise ValueError(f"{name}: expected two columns, received column {layout.tag + 1} as token and "
                         "as tag; set token_column and tag_column")
    if layout.heading:
        layout.notes.append(f"{name}, line {layout.heading} names the columns: {_role(layout, 'token')}, "
                            f"{_role(layout, 'tag')}")
    elif layout.names not in ((), CONLL_U) or (layout.index and not layout.names) or others:
        layout.notes.append(f"{name}: {_role(layout, 'token')}, {_role(layout, 'tag')}")
    layout.notes += [f"{name}: column {at + 1} holds another layer of tags; tag_column={at + 1} takes it"
                     for at in others]
    return layout


def _role(layout, role):
    at = getattr(layout, role)
    return f"the {role} is " + (f"`{layout.names[at]}`" if layout.names else f"column {at + 1}")


# -------------------------------------------------------------------------------- what lines look like

def _plain(lines):
    """[(sentence, line number, line)] of lines that are neither blank, comments nor borders."""
    sentence = 0
    for number, line in enumerate(lines, 1):
        sentence += not line.strip(" \t\r")
        if line.strip(" \t\r") and not line.lstrip(" ").startswith(("#", BORDER)):
            yield sentence, number, line


def _looked_at(lines):
    """The first of those, or if all begin with #, these."""
    plain = list(itertools.islice(_plain(lines), LOOKED_AT))
    return plain or [(0, number, line) for number, line in enumerate(lines[:LOOKED_AT], 1)
                     if line.strip() and not line.startswith(BORDER)]


def _delimiter(lines):
    """A tab if at least half of the lines have one; a comma or its like where it stands in nearly all of
    them and a space in few, or between usual names; else a space."""
    plain = [line for *_, line in _looked_at(lines)]
    if sum("\t" in line.strip() for line in plain) * 2 >= max(1, len(plain)):
        return "\t"
    spaced = sum(" " in line.strip() for line in plain) * 2 >= len(plain)
    return next((sign for sign in ",;|" if plain and (
        _are_usual(_folded(cut(plain[0], sign))) or
        not spaced and sum(sign in line for line in plain) * 10 >= 9 * len(plain))), " ")


def _are_usual(names):
    return bool(set(names) & set(TOKEN_NAMES) and set(names) & set(TAG_NAMES))


def _rows(lines, delimiter):
    return [Row(sentence, number, cut(line, delimiter)) for sentence, number, line in _looked_at(lines)]


def _declared(lines):
    """The names that CoNLL-U Plus gives its columns; () without."""
    for line in itertools.takewhile(lambda line: line.startswith("#") or not line.strip(), lines):
        if match := re.match(r"#\s*global\.columns\s*=\s*(.*\S)", line):
            return tuple(match[1].split())
    return ()


def _folded(names):
    return [name.casefold() for name in names]


def _counts(rows):
    """Whether the first cells number the tokens of each sentence, all tokens, or the sentences."""
    numbers = [[int(row.cells[0]) for row in group if row.cells[0].isdecimal()]
               for _, group in itertools.groupby(rows, lambda row: row.sentence)]
    read = sum(bool(re.fullmatch(INDEX, row.cells[0])) for row in rows)
    steps = collections.Counter(b - a for some in numbers for a, b in itertools.pairwise(some))
    if read < 0.9 * len(rows) or steps.total() < 2:
        return len(rows) > 1 and {row.cells[0] for row in rows} in ({"0"}, {"1"})
    firsts = [some[0] for some in numbers if some]
    sentences = steps[0] >= 0.9 * steps.total() and len(set(firsts)) > max(1, 0.9 * len(firsts))
    return steps[1] >= 0.9 * steps.total() or sentences


def _is_header(rows, form):
    """Whether the first row names the columns: by known names, those given, or cells that never recur."""
    first, rest = _folded(rows[0].cells), rows[1:]
    columns = list(zip(*(row.cells for row in rest))) or [()] * len(first)
    given = {str(name).casefold() for name in (form.token_column, form.tag_column)
             if name is not None and not re.fullmatch(r"-?\d+", str(name))}
    recurs = [cell in column for cell, column in zip(rows[0].cells, columns)]
    if given and given <= set(first) or _are_usual(first):
        return not all(recurs)
    spanlike = any(notation(cell) for notation in spans.notations("BIOESLUMW")
                   for cell in rows[0].cells[1:])
    few = any(2 * len(set(column)) <= len(column) for column in columns[1:])
    return len(rest) >= 100 and few and not any(recurs) and not spanlike and not _one_of_many(columns[-1])


def _one_of_many(column):
    """Whether values that occur once are usual in a column, so that one more says nothing."""
    counts = collections.Counter(column)
    return list(counts.values()).count(1) > 0.1 * len(counts)


# ------------------------------------------------------------------------------------------------- roles

def _given(name, layout, given, flag):
    """The index of a column that a user names or counts."""
    if str(given).casefold() in _folded(layout.names):
        return _folded(layout.names).index(str(given).casefold())
    if str(given) == "-1":
        return layout.width - 1
    if str(given).isdecimal() and 1 <= int(given) <= layout.width:
        return int(given) - 1
    known = f", or one of {', '.join(layout.names)}" if layout.names else ""
    raise ValueError(f"{name}: no column '{given}'; set {flag} to a number from 1 to {layout.width}, -1 "
                     f"for the last{known}")


def _token_at(name, layout, given):
    if given is not None:
        return _given(name, layout, given, "token_column")
    named = [at for at, column in enumerate(_folded(layout.names)) if column in TOKEN_NAMES]
    if named:
        return named[0]
    if layout.index and layout.width == 2:
        raise ValueError(f"{name}: expected a token and its tag, received an index and one column; add "
                         "the tags, or set token_column to 1 if the numbers are the tokens")
    return int(layout.index)


def _tag_by_default(name, layout, rows):
    """UPOS, the last column with a known name, or the last column; and other layers of the same tags."""
    folded = _folded(layout.names)
    named = [at for at, column in enumerate(folded) if column in TAG_NAMES and at != layout.token]
    if "upos" in folded:
        return folded.index("upos"), []
    if named:
        return named[-1], []
    tags = [collections.Counter(row.cells[at] for row in rows) for at in range(layout.width)]
    last = layout.width - 1
    while last - 1 > layout.token and _nested(tags[last], tags[last - 1]):
        last -= 1
    return last, list(range(last + 1, layout.width))


def _check_values(name, layout, rows):
    """Refuses tags that nobody has chosen where they look like words, or the tokens like tags."""
    tokens, tags = ({row.cells[at] for row in rows} for at in (layout.token, layout.tag))
    if len(tags) * 2 > len(rows) >= 50:
        raise ValueError(f"{name}: expected tags that recur in column {layout.tag + 1}, received "
                         f"{len(tags):,} different ones in {len(rows):,} lines; set token_column and "
                         "tag_column")
    spanlike = len(tokens) < 200 and _kinds(dict.fromkeys(tokens, 1))
    if spanlike and not _kinds(dict.fromkeys(tags, 1)):
        raise ValueError(f"{name}: expected tokens in column {layout.token + 1}, received what looks "
                         f"like tags ({', '.join(sorted(tokens)[:3])}); set token_column and tag_column")


def _nested(inner, outer):
    """Whether a column holds spans of the types of the column before it, or none at all."""
    kinds = [_kinds(counts) for counts in (inner, outer)]
    return bool(kinds[1]) and (set(inner) == {"O"} or len(kinds[0] & kinds[1]) * 2 > len(kinds[0]))


def _kinds(counts):
    """The types of the spans in a column; none where not all its tags are spans."""
    notation, _, unread = spans.notation(counts)
    tags = {} if unread * 10 > sum(counts.values()) or not notation.separator else map(notation, counts)
    return {tag.partition("-")[2] for tag in tags if tag} - {""}
