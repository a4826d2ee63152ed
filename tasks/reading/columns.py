"""Sentences with a tag for every token, from the files people have.

    CoNLL columns   one token a line, its tag in the last column (or another), a blank line between
                    sentences; separated by tabs, or by spaces: see `tasks.reading.layout`; a comment
                    `# intent: …` before a sentence names its intent
    CoNLL-U         ten columns with names, the token is FORM, the tag UPOS (or another); CoNLL-U Plus
    CSV             the same between commas, with a header or without; a column may number the sentences
    JSON            texts with character spans: see `tasks.reading.annotations`; or lists of tokens and
                    tags; and word/TAG, a sentence a line: see `tasks.reading.sentence_lines`
    seq.in, seq.out one sentence a line, its tags in the same line of the other file, and its intent in
                    that of `label`, if there is such a file
"""

import collections
import pathlib
import re

from tasks.reading import annotations, comments, encoding, layout, sentence_lines, splits
from tasks.reading.layout import BORDER, EXPECTED, INDEX, Form
from tasks.reading.splits import SPLITS, Sentence

LONG = 200                            # tokens, of a sentence that is alone
INTENT = re.compile(r"\s*#\s*intent\s*[:=](.+)")


def read(name, form=Form()):
    """{split: sentences}, warnings and {tag: where it first occurs} of what is at a path.

    The training file decides which columns are read in all files.

    Args:  name  of a file, of a pair seq.in and seq.out, or of a folder of those
    """
    path = pathlib.Path(name).expanduser()
    found, file_notes = {"train": [path]}, []
    if path.is_dir() and not _pair(path):
        found = splits.by_split(path, lambda entry: entry.is_file() or _pair(entry),
                                "a train file with " + EXPECTED)
        file_notes = splits.together(found) + splits.left_out(path, sum(found.values(), []))
    reader = _Reader(form)
    datasets = {split: [sentence for file in found[split] for sentence in reader.read(file)]
                for split in SPLITS if split in found}
    return datasets, [*dict.fromkeys(reader.warnings), *notes(reader.left_out), *file_notes], reader.first


class _Reader:
    """Reads file after file, the training file first."""

    def __init__(self, form):
        self.form, self.layout, self.keys, self.lists = form, None, None, None
        self.warnings, self.left_out, self.first = [], collections.Counter(), {}

    def read(self, entry):
        """The sentences of a file, or of a pair."""
        pair = _pair(entry)
        if pair:
            sentences, left_out, places = self._aligned(pair)
        else:
            text = self._text(entry, EXPECTED)
            reader = self._annotated if annotations.are_in(entry.name, text) else self._columns
            sentences, left_out, places = reader(entry.name, text)
        self.left_out += left_out
        for tag, line in places.items():
            self.first.setdefault(tag, f"{(pair or [None, entry])[1].name}, line {line}")
        return sentences

    def _text(self, path, expected):
        text, notes = encoding.text(path, expected, self.form.encoding)
        self.warnings += [f"{path.name}: {note}" for note in notes]
        return text

    def _aligned(self, pair):
        if self.form.tag_column is not None or self.form.token_column is not None:
            raise ValueError("expected columns with token_column and tag_column, received seq.in and "
                             "seq.out; leave them out")
        labels = pair[0].with_name(pair[0].name.replace("seq.in", "label"))
        return aligned(*pair, *(self._text(side, "one sentence a line") for side in pair),
                       self._text(labels, "one label a line")
                       if self.form.intents is not False and labels.is_file() else None)

    def _annotated(self, name, text):
        self.lists = self.lists or not self.keys and sentence_lines.lists(name, text, self.form)
        if self.lists:
            self.warnings.append(f"the tokens are in `{self.lists.tokens}`, the tags in "
                                 f"`{self.lists.tags}`")
            return sentence_lines.of_lists(name, text, self.lists)
        self.keys = self.keys or annotations.keys(name, text, self.form)
        sentences, left_out, places, notes = annotations.parse(name, text, self.keys, self.form.tokenizer)
        self.warnings += notes
        return sentences, left_out, places

    def _columns(self, name, text):
        lines = text.split("\n")
        mark = sentence_lines.sign(lines)
        if mark:
            return sentence_lines.of_words(name, lines, mark)
        known = self.layout
        columns = known.of_file(name, lines) if known else layout.found(name, lines, self.form)
        self.layout = known or columns
        skipped, notes = comments.lines(name, lines, columns, self.form.comments)
        self.warnings += columns.notes + notes
        found = _sentences(name, lines, columns, skipped)
        if len(found[0]) == 1 and len(found[0][0].tokens) > LONG:
            self.warnings.append(f"{name}: one sentence of {len(found[0][0].tokens):,} tokens; a blank "
                                 "line, or another number in a column `sentence_id`, ends a sentence")
        return found


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


def aligned(tokens_file, tags_file, tokens, tags, labels=None):
    """The sentences of two texts of as many lines, a count of what is blank in both, {tag: line}.

    Args:    labels  the text of a third file, a sentence's label a line
    """
    tokens, tags = ([layout.cut(line, " ") for line in text.removesuffix("\n").split("\n")]
                    for text in (tokens, tags))
    intents = [None] * len(tokens) if labels is None else [
        " ".join(line.split()) for line in labels.removesuffix("\n").split("\n")]
    for other, rows in ((tags_file.name, tags), ("label", intents)):
        if len(tokens) != len(rows):
            raise ValueError(f"expected as many lines in {tokens_file} and {other}, received "
                             f"{len(tokens)} and {len(rows)}; correct the files")
    for number, (words, labels) in enumerate(zip(tokens, tags), 1):
        if len(words) != len(labels):
            raise ValueError(f"{tags_file}, line {number}: expected a tag for each of the {len(words)} "
                             f"tokens of {tokens_file.name}, received {len(labels)}; correct the line")
    missing = [n for n, (words, intent) in enumerate(zip(tokens, intents), 1) if words and intent == ""]
    if missing:
        raise ValueError(f"{tokens_file.with_name('label')}, line {missing[0]}: expected a label, "
                         "received none; correct the line, or set intent to false to read none")
    rows = [Sentence(tuple(words), tuple(labels), intent)
            for words, labels, intent in zip(tokens, tags, intents) if words]
    blank = collections.Counter({"empty sentences": len(tokens) - len(rows)}) - collections.Counter()
    first = {tag: number for number, labels in reversed([*enumerate(tags, 1)]) for tag in labels}
    return rows, blank, first


def parse(name, text):
    r"""The sentences of columns, and a count of the lines that hold no token, by what they are.

    >>> parse("a.txt", "Boston B-place\nis O\n\nYes O\n")[0][0]
    Sentence(tokens=('Boston', 'is'), tags=('B-place', 'O'), intent=None)
    """
    lines = text.split("\n")
    columns = layout.found(name, lines, Form())
    return _sentences(name, lines, columns, comments.lines(name, lines, columns)[0])[:2]


def _sentences(name, lines, columns, skipped):
    """The sentences, the lines left out by what they are, and {tag: the line where it first occurs}.

    Args:  columns  a `tasks.reading.layout.Layout`;  skipped  the numbers of comment lines
    """
    sentences, pairs, left_out, first, sentence = [], [], collections.Counter(), {}, ""
    said, intent = None, None
    for number, line in enumerate([*lines, ""], 1):
        if number in skipped or number == columns.heading:
            comment = INTENT.match(line)
            said = comment[1].strip() if comment else said
            continue
        cells = columns.cut(line)
        other = _other(cells, columns)
        numbered = columns.sentence is not None and cells[columns.sentence:columns.sentence + 1] or [""]
        if pairs and (not cells or other == BORDER or numbered[0] not in ("", sentence)):
            sentences.append(Sentence(*zip(*pairs), intent))
            pairs = []
        sentence = numbered[0] or sentence
        if other:
            left_out[other] += 1
        elif cells:
            token = _token(name, number, cells, columns)
            if not pairs:
                labelled = columns.intent is not None and cells[columns.intent]
                intent, said = said or labelled or None, None
            pairs.append(token)
            first.setdefault(pairs[-1][1], number)
    return sentences, left_out, first


def _other(cells, columns):
    """What a line is that is neither blank nor a token; else None."""
    if not cells:
        return None
    if BORDER in (cells[0][:len(BORDER)], cells[min(columns.token, len(cells) - 1)]):
        return BORDER
    if len(cells) == columns.width and not cells[columns.token] and cells[columns.tag] == "O":
        return "an empty token with tag O"
    if not columns.index:
        return None
    return {"-": "multiword tokens, whose words follow", ".": "empty nodes of CoNLL-U"}.get(
        cells[0].strip("0123456789"))


def _token(name, number, cells, columns):
    """(token, tag) of a line."""
    if len(cells) != columns.width:
        raise ValueError(f"{name}, line {number}: expected {columns.width} columns as in the other "
                         f"lines, received {len(cells)}; correct the line")
    if columns.index and not re.fullmatch(INDEX, cells[0]):
        raise ValueError(f"{name}, line {number}: expected a number in the first column, received "
                         f"'{cells[0][:40]}'; correct the line")
    if not cells[columns.token] or not cells[columns.tag]:
        raise ValueError(f"{name}, line {number}: expected a token and a tag, received an empty cell; "
                         "correct the line")
    return cells[columns.token], cells[columns.tag]
