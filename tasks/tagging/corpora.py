"""Corpora for tagging: NLTK's, the built-in sample, and your own columns."""

import collections
import pathlib
import re

from tasks.reading import columns, corpus, nltk
from tasks.reading.corpus import OWN_TERMS, Corpus, called, unknown
from tasks.reading.splits import PARTS, Sentence, check_parts, overlap, split
from tasks.tagging import sample
from zoo.text import spans

NAMES = ("auto", "sample", *nltk.TAGGED)
STANDARD = "conll2000"
ENDINGS = (".conll", ".conllu", ".iob", ".bio", ".tsv", ".txt")
SCHEMES = ("none", *spans.SCHEMES)


def load(name="auto", seed=0, tag_column=None, scheme=None, strip_position=None, tagset=None):
    """Loads a corpus by name, or a file or folder by path.

    Args:    name            a name in `NAMES` (conll2002 is conll2002_esp, its Spanish half); a file of
                             CoNLL columns or CoNLL-U (also .gz); a folder with seq.in and seq.out; or a
                             folder with train, validation (dev, valid, val, testa) and test (testb) of
                             one of those
             seed            of the built-in sample's grammar; splits never depend on it
             tag_column      of a file: a number from 1, -1 for the last, or a name of CoNLL-U
             scheme          one of `SCHEMES`; None detects it
             strip_position  tokens end in their position in the word (所1), which is no part of them;
                             None strips it where all tokens look so, and says it
             tagset          "own" or "universal", of treebank, brown (universal if None), masc_tagged
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    if scheme not in (None, *SCHEMES):
        raise ValueError(f"expected a scheme of {', '.join(SCHEMES)}, received '{scheme}'")
    return corpus.load(
        str(name), NAMES, STANDARD, lambda name: _named(name, seed, scheme, tagset),
        lambda path: _read(path, tag_column, scheme, strip_position, tagset),
        {"tag_column": tag_column, "strip_position": strip_position})


def _read(name, tag_column, scheme, strip_position, tagset):
    if tagset:
        raise ValueError("expected treebank, brown or masc_tagged with tagset, received "
                         f"{name}; leave it out")
    if not pathlib.Path(name).expanduser().exists():
        raise unknown(name, NAMES, "a file of CoNLL columns", ENDINGS)
    parts, warnings = columns.read(name, tag_column)
    parts = _without_positions(parts, strip_position, warnings)
    return _assemble(called(name), parts, scheme, OWN_TERMS, warnings)


def _named(name, seed, scheme, tagset):
    if name != "sample":
        parts, warnings = nltk.read_tagged(name, tagset)
        return _assemble(name, parts, scheme, nltk.TAGGED[name][-1], warnings)
    if tagset:
        raise ValueError("expected treebank, brown or masc_tagged with tagset, received sample; leave it "
                         "out")
    parts = {part: [Sentence(*row) for row in rows]
             for part, rows in sample.generate(seed).items()}
    return _assemble(name, parts, scheme, sample.TERMS, [])


def _assemble(name, parts, scheme, terms, warnings):
    """Finds the scheme and mends what breaks it, splits what has no official split, and looks at it."""
    sequences = [sentence.tags for rows in parts.values() for sentence in rows]
    labels = {tag for tags in sequences for tag in tags}
    if len(labels) < 2:
        raise ValueError(f"corpus '{name}': expected at least two tags, received "
                         f"{' '.join(labels) or 'none'}; check tag_column")
    if scheme is None:
        scheme, doubts = detect(sequences)
        warnings += doubts
    scheme = None if scheme == "none" else scheme
    parts = {part: _mended(name, part, rows, scheme, warnings) for part, rows in parts.items()}
    parts = split(name, parts, None, set(), stratify=False)
    check_parts(name, {part: len(parts[part]) for part in PARTS}, "sentences")
    labels = {part: {tag for sentence in parts[part] for tag in sentence.tags} for part in PARTS}
    warnings += _strangers(parts, labels) + overlap(parts)
    return Corpus(name, **{part: parts[part] for part in PARTS}, terms=terms, warnings=warnings,
                  labels=sorted(set().union(*labels.values())), scheme=scheme)


def _strangers(parts, labels):
    """Warnings about tags that no model can learn, for training has none of them."""
    count = collections.Counter(tag for part in ("validation", "test") for sentence in parts[part]
                                for tag in sentence.tags if tag not in labels["train"])
    return [f"tag '{tag}' never occurs in training, {n} times in validation and test"
            for tag, n in sorted(count.items())]


# -------------------------------------------------------------------------------------------- schemes

def detect(sequences):
    """(scheme, warnings): the scheme that tags are written in, None if they are no spans.

    Tags with an E or S are BIOES. Of BIO and IOB1 it is the one that fewer tags break: in BIO every
    span starts with B, in IOB1 only one that adjoins another of its type.

    >>> detect([("I-X", "I-X", "O"), ("I-X", "B-X")])
    ('IOB1', [])
    >>> detect([("DET", "NOUN")])
    (None, [])
    """
    tags = {tag for tags in sequences for tag in tags}
    prefixes = {tag.partition("-")[0] for tag in tags}
    if not prefixes <= set("BIOES") or "O-" in {tag[:2] for tag in tags}:
        return None, _unknown_scheme(tags, prefixes)
    if prefixes & set("ES"):
        return "BIOES", []
    pairs = _neighbours(sequences)
    breaks = {"BIO": sum(pairs[pair] for pair in pairs if not spans.may_follow(*pair[::-1], "BIO")),
              "IOB1": sum(pairs[pair] for pair in pairs if pair[1][0] == "B" and not _adjoin(*pair))}
    best, other = sorted(breaks, key=breaks.get)
    doubt = (f"the scheme of the tags is not clear: {breaks['BIO']} tags break BIO, {breaks['IOB1']} "
             f"break IOB1; read as {best}, set scheme if that is wrong")
    return best, [doubt] * (breaks[best] * 10 > breaks[other])


def _neighbours(sequences):
    """{(tag, next tag): count}; a sentence stands between two O."""
    return collections.Counter(pair for tags in sequences for pair in zip(("O", *tags), (*tags, "O")))


def _adjoin(left, right):
    """Whether two tags are inside spans of one type."""
    return left != "O" and left[1:] == right[1:]


def _unknown_scheme(tags, prefixes):
    """A doubt where tags look like spans, in letters that are not known here."""
    spanlike = all(re.fullmatch("[A-Z](-.+)?", tag) for tag in tags)
    if spanlike and "O" in tags and any("-" in tag for tag in tags):
        letters = " ".join(sorted(prefixes))
        return [f"the tags look like spans in an unknown scheme of the letters {letters}: read as plain "
                "tags; convert them to BIO, IOB1 or BIOES to have spans scored"]
    return []


def _mended(name, part, sentences, scheme, warnings):
    """Tags that break the scheme are rewritten to what conlleval reads: the same spans, said legally."""
    if scheme is None:
        return sentences
    try:
        allowed = {pair: spans.may_follow(*pair[::-1], scheme)
                   for pair in _neighbours(sentence.tags for sentence in sentences)}
    except ValueError as error:
        raise ValueError(f"corpus '{name}': {error}; set scheme to none for plain tags") from None
    mended, broken = [], []
    for number, sentence in enumerate(sentences, 1):
        pairs = zip(("O", *sentence.tags), (*sentence.tags, "O"))
        wrong = [pair for pair in pairs if not allowed[pair]]
        if wrong:
            sentence = sentence._replace(tags=tuple(spans.convert(sentence.tags, scheme)))
            broken += [(number, *pair) for pair in wrong]
        mended.append(sentence)
    if broken:
        number, left, right = broken[0]
        warnings.append(f"{part}: {len(broken)} tags break the scheme {scheme}, the first in sentence "
                        f"{number}: {right} after {left}; rewritten to the spans that conlleval reads")
    return mended


# ------------------------------------------------------------------------------------------ positions

def _without_positions(parts, wanted, warnings):
    """Strips the position in its word from each character, where that is wanted or plainly so."""
    sentences = [sentence for rows in parts.values() for sentence in rows]
    ends = all(len(token) > 1 and token[-1].isdecimal() for s in sentences for token in s.tokens)
    if wanted and not ends:
        raise ValueError("expected tokens that end in a digit with strip_position, received others; "
                         "leave it out")
    if wanted is None and ends and all(sentence.tokens[0][-1] == "0" for sentence in sentences):
        warnings.append("every token ends in its position in the word, as in 所1: the digits are "
                        "stripped; set strip_position to false to keep them")
        wanted = True
    if not wanted:
        return parts
    return {part: [Sentence(tuple(map(_character, tokens)), tags) for tokens, tags in rows]
            for part, rows in parts.items()}


def _character(token):
    """The token without its position, which has more digits only after a single character.

    >>> _character("所1"), _character("所10"), _character("51")
    ('所', '所', '5')
    """
    return re.sub(r"^(.)\d+$|\d$", r"\1", token)
