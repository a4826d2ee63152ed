"""Spans of tokens written as one tag a token, and back.

    scheme   a span of type X              where it differs
    BIO      B-X I-X I-X                   every span starts with B (also called IOB2)
    IOB1     I-X I-X I-X                   B-X only where a span of the same type ends just before
    BIOES    B-X I-X E-X, or S-X alone     the end is marked too (also called IOBES)

All other tokens are O. Reading is lenient, as the CoNLL shared tasks count: every sequence of tags
has spans, and one rule reads all schemes. A type may be empty ("B", "I"), as in word segmentation.

Source:  Ramshaw & Marcus 1995; Tjong Kim Sang & Veenstra 1999; Tjong Kim Sang & Buchholz 2000 (conlleval)
"""

# The letters that the tags of a scheme start with.
SCHEMES = {"BIO": [*"BIO"], "IOB1": [*"BIO"], "BIOES": [*"BIOES"]}


def spans(tags):
    """[(start, end, type)], the end exclusive, as conlleval counts chunks.

    Between two tokens inside spans there is a border if their types differ, the left one is E or S, or
    the right one is B or S. conlleval knows no S, and would join a B to an E of the same type before it.

    Raises:  ValueError: a tag that no scheme has

    >>> spans(["B-X", "I-X", "O", "I-Y", "I-X"])
    [(0, 2, 'X'), (3, 4, 'Y'), (4, 5, 'X')]
    """
    found, start, previous = [], 0, "O"
    for t, tag in enumerate([*tags, "O"]):
        if _border(previous, tag):
            if previous != "O":
                found.append((start, t, _parse(previous)[1]))
            start = t
        previous = tag
    return found


def _border(left, right):
    (a, left_type), (b, right_type) = _parse(left), _parse(right)
    return "O" in (a, b) or left_type != right_type or a in "ES" or b in "BS"


def _parse(tag, scheme="BIOES"):
    """("B", "X") of "B-X"."""
    prefix, _, kind = tag.partition("-")
    if prefix not in SCHEMES[scheme] or prefix == "O" != tag:
        raise ValueError(f"expected O, or a tag of the letters {' '.join(SCHEMES[scheme])} such as B-X "
                         f"(scheme {scheme}), received {tag!r}")
    return prefix, kind


def tags_of(spans, length, scheme):
    """The tags of `length` tokens with the given spans, which are in order and do not overlap.

    Raises:  ValueError: an unknown scheme

    >>> tags_of([(0, 2, "X"), (2, 3, "X")], 4, "IOB1")
    ['I-X', 'I-X', 'B-X', 'O']
    """
    _check(scheme)
    written, before = ["O"] * length, None
    for start, end, kind in spans:
        prefixes = _prefixes(end - start, scheme, adjoins=before == (start, kind))
        written[start:end] = [f"{prefix}-{kind}" if kind else prefix for prefix in prefixes]
        before = end, kind
    return written


def _prefixes(length, scheme, adjoins):
    """The prefixes of one span; `adjoins`: right after another of the same type."""
    if scheme == "IOB1":
        return ("B" if adjoins else "I") + "I" * (length - 1)
    if scheme == "BIO":
        return "B" + "I" * (length - 1)
    return "S" if length == 1 else "B" + "I" * (length - 2) + "E"


def convert(tags, scheme):
    """The same spans in another scheme; what the tags were written in need not be known.

    Raises:  ValueError: an unknown scheme, a tag that no scheme has

    >>> convert(["I-X", "I-X", "B-X", "O", "I-Y"], "BIOES")
    ['B-X', 'E-X', 'S-X', 'O', 'S-Y']
    """
    return tags_of(spans(tags), len(tags), scheme)


def may_follow(tag, previous, scheme):
    """Whether `scheme` allows `tag` right after `previous`. A sentence stands between two O.

    BIO allows I-X after B-X and I-X only. BIOES also wants every B-X continued, up to E-X. IOB1 allows
    everything.

    Raises:  ValueError: an unknown scheme, a tag that is not of the scheme

    >>> may_follow("I-X", "B-X", "BIO"), may_follow("I-X", "B-Y", "BIO"), may_follow("O", "B-X", "BIOES")
    (True, False, False)
    """
    _check(scheme)
    (a, left), (b, right) = _parse(previous, scheme), _parse(tag, scheme)
    opened, continued = a in "BI", b in "IE"
    if scheme == "IOB1" or (scheme == "BIO" and not continued):
        return True
    return opened == continued and (left == right or not opened)


def _check(scheme):
    if scheme not in SCHEMES:
        raise ValueError(f"expected a scheme of {', '.join(SCHEMES)}, received {scheme!r}")
