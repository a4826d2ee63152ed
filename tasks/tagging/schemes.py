"""Which tags of a corpus mark spans, how they are written, and what is wrong with them."""

import collections
import re

from zoo.text import spans

NAMES = ("none", *spans.SCHEMES, "BILOU", "BMES", "BMEWO")


def detect(sequences):
    """(scheme, warnings): the scheme that tags are written in, None if they are no spans.

    >>> detect([("I-X", "I-X", "O"), ("I-X", "B-X")])
    ('IOB1', [])
    >>> detect([("DET", "NOUN")])
    (None, [])
    """
    usual, doubts = canonical(counted(sequences), None, lambda tag: "corpus")
    if usual is None:
        return None, doubts
    scheme, more = _scheme([[usual[tag] for tag in tags] for tags in sequences])
    return scheme, doubts + more


def read(datasets, scheme, where):
    """The sentences with their tags as B-X, the scheme or None, and warnings.

    Args:    datasets  {split: sentences};   where  tag → where it first occurs: "a.txt, line 3"
             scheme  one of `NAMES`, None to find it out
    Raises:  ValueError: a tag that neither fits nor can be repaired
    """
    if scheme == "none":
        return datasets, None, []
    sequences = [sentence.tags for rows in datasets.values() for sentence in rows]
    usual, warnings = canonical(counted(sequences), scheme, where)
    if usual is None:
        return datasets, None, warnings
    if any(tag != new for tag, new in usual.items()):
        datasets = {split: [sentence._replace(tags=tuple(map(usual.get, sentence.tags)))
                            for sentence in rows] for split, rows in datasets.items()}
    if scheme is None:
        scheme, doubts = _scheme([sentence.tags for rows in datasets.values() for sentence in rows])
        warnings = warnings + doubts
    scheme = scheme if scheme in spans.SCHEMES else "BIOES"
    datasets = {split: mended(split, rows, scheme, warnings) for split, rows in datasets.items()}
    return datasets, scheme, warnings


def counted(sequences):
    return collections.Counter(tag for tags in sequences for tag in tags)


# ----------------------------------------------------------------------------------- one tag by itself

def canonical(counts, scheme, where):
    """{tag: the same as B-X}, or None where tags are plain; and warnings.

    Raises:  ValueError: names where a tag stands that is none of the scheme's and cannot be repaired
    """
    notation, good, bad = spans.notation(counts, scheme)
    usual = {tag: notation(tag) for tag in counts}
    letters = {tag[0] for tag in usual.values() if tag}
    if scheme is None and not _marks_spans(notation, letters, "O" in letters, good, bad):
        return None, _doubts(notation, counts, good)
    kinds = {tag.partition("-")[2] for tag in usual.values() if tag} - {""}
    warnings = [] if notation.usual else [_said(notation)]
    for tag in [tag for tag in counts if usual[tag] is None]:
        usual[tag] = notation.repaired(tag, kinds)
        if usual[tag] is None:
            scheme = scheme or dict(zip(spans.WRITTEN.values(), spans.WRITTEN))[notation.letters]
            raise ValueError(f"{where(tag)}: expected O or a tag such as {notation.written()} (scheme "
                             f"{scheme}), received '{tag}'; correct it, or set scheme to none for plain "
                             "tags")
        times = f", {counts[tag]:,} times" if counts[tag] > 1 else ""
        warnings.append(f"{where(tag)}: tag '{tag}' is read as {usual[tag]}{times}")
    return usual, warnings + _cases(kinds, counts, usual, where)


def _marks_spans(notation, letters, outside, good, bad):
    """Whether the tags that a notation reads, in so many tokens, show that spans are meant.

    Beside O, tags with types are enough if they are the most; letters alone may be anything.
    """
    if not letters & {*"BI"}:
        return good > 0 == bad and notation.usual
    if not notation.separator:
        return good >= 99 * bad
    return good > bad if outside else good >= 9 * bad


def _doubts(notation, counts, good):
    """A doubt where plain tags look like spans."""
    letters = sorted({tag.partition("-")[0] for tag in counts})
    spanlike = all(re.fullmatch("[A-Z](-.+)?", tag) for tag in counts)
    if "O" not in counts or not any("-" in tag for tag in counts):
        return []
    if spanlike:
        return [f"the tags look like spans in an unknown scheme of the letters {' '.join(letters)}: read "
                "as plain tags; convert them to BIO, IOB1 or BIOES to have spans scored"]
    return [f"some tags look like {notation.written()}, most do not: read as plain tags; set scheme to "
            "have spans scored"] * (bool(notation.separator) and good > 0)


def _said(notation):
    """What is done to tags of an unusual form."""
    changed = {letter: new for letter, new in spans.MEANING.items() if letter in notation.letters}
    meanings = ", ".join(f"{letter} is {new}" for letter, new in changed.items())
    if not notation.separator or notation.written() == "B-PER":
        return f"the tags are read as BIOES: {meanings or 'in capital letters'}"
    read_as = notation(notation.written())
    note = f"tags as {notation.written()} are read as {read_as}"
    return note + (meanings and f", as BIOES: {meanings}")


def _cases(kinds, counts, usual, where):
    """Warnings about types that differ by case only."""
    known = collections.defaultdict(list)
    for kind in sorted(kinds):
        known[kind.casefold()].append(kind)
    first = {}
    for tag in counts:
        first.setdefault(usual[tag].partition("-")[2], tag)
    return [f"types {' and '.join(same)} differ by case only, {same[-1]} first in "
            f"{where(first[same[-1]])}" for same in known.values() if len(same) > 1]


# ---------------------------------------------------------------------------------- one tag after another

def _scheme(sequences):
    """(scheme, warnings) of tags as B-X.

    Tags with an E or S are BIOES. Of BIO and IOB1 it is the one that fewer tags break: in BIO every
    span starts with B, in IOB1 only one that adjoins another of its type.
    """
    if {tag[0] for tags in sequences for tag in tags} & set("ES"):
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


def mended(split, sentences, scheme, warnings):
    """Tags that break the scheme are rewritten to what conlleval reads: the same spans, legally."""
    allowed = {pair: spans.may_follow(*pair[::-1], scheme)
               for pair in _neighbours(sentence.tags for sentence in sentences)}
    legal, broken = [], []
    for number, sentence in enumerate(sentences, 1):
        pairs = zip(("O", *sentence.tags), (*sentence.tags, "O"))
        wrong = [pair for pair in pairs if not allowed[pair]]
        if wrong:
            sentence = sentence._replace(tags=tuple(spans.convert(sentence.tags, scheme)))
            broken += [(number, *pair) for pair in wrong]
        legal.append(sentence)
    if broken:
        number, left, right = broken[0]
        warnings.append(f"{split}: {len(broken)} tags break the scheme {scheme}, the first in sentence "
                        f"{number}: {right} after {left}; rewritten to the spans that conlleval reads")
    return legal
