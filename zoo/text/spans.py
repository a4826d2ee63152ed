"""Spans of tokens written as one tag a token, and back.

    scheme   a span of type X              where it differs
    BIO      B-X I-X I-X                   every span starts with B (also called IOB2)
    IOB1     I-X I-X I-X                   B-X only where a span of the same type ends just before
    BIOES    B-X I-X E-X, or S-X alone     the end is marked too (also called IOBES)

All other tokens are O. Reading is lenient, as the CoNLL shared tasks count: every sequence of tags
has spans, and one rule reads all schemes. A type may be empty ("B", "I"), as in word segmentation.

Files write the same in other ways, which a `Notation` turns into letters of BIOES, "-" and the type:

    BILOU    B-X I-X L-X, or U-X alone     BMES (BMESO, BMEWO)    B-X M-X E-X, or S-X (W-X) alone
    B_X, X-B, X_B, b-X                     another separator, the letter behind, lower case

Source:  Ramshaw & Marcus 1995; Tjong Kim Sang & Veenstra 1999; Tjong Kim Sang & Buchholz 2000 (conlleval)
"""

import dataclasses
import itertools

# The letters that the tags of a scheme start with.
SCHEMES = {"BIO": [*"BIO"], "IOB1": [*"BIO"], "BIOES": [*"BIOES"]}

# The letters of all schemes that files are written in, and what they are in BIOES.
WRITTEN = {"IOB1": "BIO", "BIO": "BIO", "BIOES": "BIOES", "BILOU": "BILOU", "BMES": "BMESO",
           "BMEWO": "BMEWO"}
MEANING = {"L": "E", "U": "S", "W": "S", "M": "I"}


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


@dataclasses.dataclass(frozen=True)
class Notation:
    """How the tags of a file write letter and type; called with a tag, it gives the usual form.

    Args:  letters  of the scheme;  separator  "-" or "_", or "" where tags are letters alone
           behind   the letter follows the type;  lower  the letter is in lower case

    >>> Notation("BILOU", "_", behind=True)("PER_L"), Notation("BIO")("NN")
    ('E-PER', None)
    """
    letters: str
    separator: str = "-"
    behind: bool = False
    lower: bool = False

    def __call__(self, tag):
        """The tag in letters of BIOES, as B-X; None for what is not of this notation."""
        if tag == "O" or (self.lower and tag == "o"):
            return "O"
        letter, kind = self._cut(tag)
        letters = self.letters.lower() if self.lower else self.letters
        if letter not in {*letters} - {*"Oo"} or bool(kind) != bool(self.separator):
            return None
        letter = letter.upper()
        return MEANING.get(letter, letter) + (kind and f"-{kind}")

    def _cut(self, tag):
        if not self.separator:
            return tag, ""
        first, _, last = (tag.rpartition if self.behind else tag.partition)(self.separator)
        return (last, first) if self.behind else (first, last)

    @property
    def usual(self):
        """Whether tags stay as they are."""
        other = self.behind or self.lower or self.separator == "_"
        return not other and not MEANING.keys() & set(self.letters)

    def written(self, letter="B", kind="PER"):
        """A tag as a file has it: PER_B."""
        letter, kind = (letter.lower(), kind.lower()) if self.lower else (letter, kind)
        parts = [kind, letter] if self.behind else [letter, kind]
        return self.separator.join(parts) if self.separator else letter

    def repaired(self, tag, kinds):
        """What a tag of another notation is in this one, if it is one of the known types; else None.

        >>> Notation("BIO").repaired("I_ORG", {"ORG"}), Notation("BIO").repaired("I_ORG", {"PER"})
        ('I-ORG', None)
        """
        if tag in ("o", "0"):
            return "O"
        known = {kind.casefold(): kind for kind in kinds}
        found = set()
        for notation in notations(self.letters):
            letter, _, kind = (notation(tag) or "O").partition("-")
            if kind.casefold() in known and notation.separator:
                found.add(f"{letter}-{kind if kind in kinds else known[kind.casefold()]}")
        return found.pop() if len(found) == 1 else None


def notations(letters):
    """All ways to write tags of these letters, the usual one first."""
    for separator, lower, behind in itertools.product("-_", (False, True), (False, True)):
        yield Notation(letters, separator, behind, lower)
    yield from (Notation(letters, "", lower=lower) for lower in (False, True))


def notation(counts, scheme=None):
    """The notation that most of the tags have, and how many tokens it leaves unread.

    Letters of another scheme than BIO must be one in 200 tags of spans: fewer are mistakes.

    Args:    counts  {tag: how many};   scheme  one of `WRITTEN`, None for any
    Returns: a `Notation`; tokens inside spans that it reads; tokens that it does not read

    >>> notation({"PER-B": 2, "PER-L": 1, "O": 5, "DET": 1})
    (Notation(letters='BILOU', separator='-', behind=True, lower=False), 3, 1)
    """
    read = {tried: sum(n for tag, n in counts.items() if (tried(tag) or "O") != "O")
            for letters in dict.fromkeys([WRITTEN[scheme]] if scheme else WRITTEN.values())
            for tried in notations(letters)}
    best = max(read, key=read.get)
    plain = max((tried for tried in read if tried.letters == "BIO"), key=read.get, default=best)
    best = best if read[best] > 1.005 * read[plain] else plain
    return best, read[best], sum(n for tag, n in counts.items() if best(tag) is None)
