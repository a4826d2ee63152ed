"""A sentence a line, with a tag for each of its tokens.

    {"tokens": ["Ada", "sings"], "ner_tags": ["B-PER", "O"]}    JSON Lines, or one array of those; also
                                                                with "intent": "statement"
    Ada/NNP sings/VBZ                                           also Ada_NNP, and one of those a line
"""

import collections
import itertools
import re

from tasks.reading.annotations import check_intent, intent_key, records
from tasks.reading.layout import TAG_NAMES, TOKEN_NAMES
from tasks.reading.splits import Sentence

LOOKED_AT = 1000                      # lines of the training file
EMPTY = "sentences without a token"

Lists = collections.namedtuple("Lists", "tokens tags intent")
Lists.__doc__ = "The keys of a sentence's tokens, of their tags, and of its label or None."


# -------------------------------------------------------------------------------------- lists in JSON

def lists(name, text, form):
    """The `Lists` of a training file in JSON; None where it holds no lists of tokens."""
    found = [record for _, record in itertools.islice(records(name, text), LOOKED_AT)
             if isinstance(record, dict)]
    tokens = next((key for record in found for key in record if key == form.token_column or
                   form.token_column is None and key.casefold() in (*TOKEN_NAMES, "text")
                   and _all(record[key], str)), None)
    tags = [key for record in found[:1] for key in record if key != tokens and _all(
        record[key], str | int) and len(record[key]) == len(record.get(tokens) or ())]
    known = [key for key in tags if key == form.tag_column or
             form.tag_column is None and key.casefold() in TAG_NAMES]
    return Lists(tokens, known[-1], intent_key(name, found, form)) if tokens and known else None


def _all(value, kind):
    return isinstance(value, list) and all(isinstance(cell, kind) for cell in value)


def of_lists(name, text, keys):
    """The sentences, a count of the records that hold none, and {tag: the line where it first occurs}.

    Raises:  ValueError: names the line of what is no sentence
    """
    sentences, left_out, first = [], collections.Counter(), {}
    for line, record in records(name, text):
        tokens, tags, intent = (record.get(key) if isinstance(record, dict) else None for key in keys)
        where = f"{name}, line {line}: expected"
        if not _all(tokens, str) or not isinstance(tags, list) or len(tokens) != len(tags):
            raise ValueError(f"{where} as many tags in {keys.tags} as tokens in {keys.tokens}, received "
                             f"{str(record)[:60]}; correct the line")
        wrong = next((tag for tag in tags if not isinstance(tag, str) or not tag.strip()), None)
        if wrong is not None or not all(map(str.strip, tokens)):
            received = "an empty token" if wrong is None else f"{wrong!r} in {keys.tags}"
            raise ValueError(f"{where} tokens and the names of their tags, received {received}; write "
                             "the name of each tag, such as B-PER, in place of a number")
        left_out[EMPTY] += not tokens
        check_intent(f"{name}, line {line}", keys.intent, intent)
        sentences += [Sentence(tuple(tokens), tuple(tags), intent)] * bool(tokens)
        for tag in tags:
            first.setdefault(tag, line)
    return sentences, +left_out, first


# --------------------------------------------------------------------------------------- word/TAG

def sign(lines):
    """What stands between a word and its tag in nearly all of some lines, / or _; None without.

    >>> sign(["Ada/NNP sings/VBZ ./.", "", "It/PRP rains/VBZ ./."]), sign(["1/2 CD", "Ada NNP"])
    ('/', None)
    """
    pieces = [piece for line in lines[:LOOKED_AT] for piece in line.split()]
    for mark in "/_":
        tags = [piece.rpartition(mark)[2] for piece in pieces
                if re.fullmatch(rf".+{mark}[^{mark}]+", piece)]
        if len(set(tags)) < len(tags) and 20 * len(tags) >= 19 * len(pieces) > 0:
            return mark
    return None


def of_words(name, lines, mark):
    r"""The same of words with their tags; where no line holds two, a blank line ends a sentence.

    >>> of_words("a.txt", ["1\\/2/CD cups/NNS"], "/")[0]
    [Sentence(tokens=('1/2', 'cups'), tags=('CD', 'NNS'), intent=None)]
    """
    single = all(len(line.split()) < 2 for line in lines)
    sentences, pairs, first = [], [], {}
    for number, line in enumerate([*lines, ""], 1):
        for piece in line.split():
            word, _, tag = piece.rpartition(mark)
            if not word or not tag:
                raise ValueError(f"{name}, line {number}: expected word{mark}TAG, received "
                                 f"'{piece[:40]}'; correct the line")
            pairs.append((word.replace(f"\\{mark}", mark), tag))
            first.setdefault(tag, number)
        if pairs and not (single and line.strip()):
            sentences.append(Sentence(*zip(*pairs)))
            pairs = []
    return sentences, collections.Counter(), first
