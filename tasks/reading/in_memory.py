"""Examples from lists in memory, checked as rows of files are."""

import math
import numbers

from tasks.reading.splits import Example, Pair, Sentence


def examples(texts, labels, multi_label=False, regression=False):
    """(a list of `Example`, notes): texts and as many labels; what lacks one of them is skipped.

    A label is a string, or what `str` makes of it; with `multi_label` a list of those; with
    `regression` a number. None, NaN and pandas's NA are none.

    Raises:  ValueError: other lengths, a text that is no string, a label of another kind

    >>> examples(["good", "bad", ""], [1, None, 0])
    ([Example(text='good', label='1')], ['2 examples without a text or a label were skipped'])
    """
    texts, labels = aligned(texts=texts, labels=labels)
    found = []
    for number, (text, label) in enumerate(zip(texts, labels)):
        text, label = string("texts", number, text), label_of(number, label, multi_label, regression)
        if text and label is not None:
            found.append(Example(text, label))
    return found, skipped(len(texts) - len(found), "a text or a label")


def label_of(number, label, multi_label, regression):
    """A label as a corpus has it, None where it is missing."""
    if multi_label:
        found = [None] if isinstance(label, str) or not hasattr(label, "__iter__") else list(label)
        if any(map(is_missing, found)):
            raise ValueError(f"labels[{number}]: expected a list of labels with multi_label, received "
                             f"{label!r}")
        return tuple(sorted(set(map(str, found))))
    if is_missing(label) or isinstance(label, str) and not label:
        return None
    if regression:
        if isinstance(label, bool) or not isinstance(label, numbers.Real) or not math.isfinite(label):
            raise ValueError(f"labels[{number}]: expected a finite number with regression, received "
                             f"{label!r}")
        return float(label)
    if isinstance(label, (list, tuple, set)) or getattr(label, "ndim", 0):
        raise ValueError(f"labels[{number}]: expected one label, received {label!r}; set "
                         "multi_label=True")
    return str(label)


def sentences(tokens, tags, intents=None):
    """A list of `Sentence`: lists of tokens, as many lists of as many tags, and as many labels.

    >>> sentences([["in", "Oslo"]], [["O", "B-place"]], ["answer"])
    [Sentence(tokens=('in', 'Oslo'), tags=('O', 'B-place'), intent='answer')]
    """
    found, columns = [], {"sentences": tokens, "tags": tags}
    if intents is not None:
        columns["intents"] = intents
    for number, (words, given, *intent) in enumerate(zip(*aligned(**columns))):
        if (isinstance(words, str) or isinstance(given, str) or len(words) != len(given)
                or any(map(is_missing, [*words, *given])) or not all(map(str, words))):
            raise ValueError(f"sentences[{number}]: expected a list of tokens and one of as many tags, "
                             f"none of them empty, received {words!r} and {given!r}")
        if intent and is_missing(intent[0]):
            raise ValueError(f"intents[{number}]: expected a label, received {intent[0]!r}")
        if len(words):
            found.append(Sentence(tuple(map(str, words)), tuple(map(str, given)), *map(str, intent)))
    return found


def pairs(sources, targets):
    """(a list of `Pair`, notes): sentences and as many translations; what lacks a side is skipped.

    >>> pairs(["嗨"], ["Hi."])
    ([Pair(source='嗨', target='Hi.')], [])
    """
    sources, targets = aligned(sources=sources, targets=targets)
    found = [Pair(string("sources", number, source), string("targets", number, target))
             for number, (source, target) in enumerate(zip(sources, targets))]
    kept = [pair for pair in found if pair.source and pair.target]
    return kept, skipped(len(found) - len(kept), "a source or a target")


def aligned(**columns):
    """The columns as lists of one length."""
    for name, column in columns.items():
        if column is None or isinstance(column, (str, bytes)):
            raise ValueError(f"{name}: expected a list, received {column!r}")
    lists = [list(column) for column in columns.values()]
    if len({len(one) for one in lists}) > 1 or not lists[0]:
        sizes = " and ".join(f"{len(one):,} {name}" for name, one in zip(columns, lists))
        raise ValueError(f"expected lists of one length, at least one item long, received {sizes}")
    return lists


def string(name, number, text):
    """A text without space around it; empty where it is missing."""
    if is_missing(text):
        return ""
    if not isinstance(text, str):
        raise ValueError(f"{name}[{number}]: expected a string, received {text!r}")
    return text.strip()


def is_missing(value):
    """Whether a value is None, NaN, or pandas's NA or NaT.

    >>> is_missing(None), is_missing(float("nan")), is_missing("nan"), is_missing(0)
    (True, True, False, False)
    """
    return (value is None or isinstance(value, numbers.Real) and value != value
            or type(value).__name__ in ("NAType", "NaTType"))


def skipped(count, what):
    """A note that so many examples lack something, if any do."""
    return [f"{count:,} examples without {what} were skipped"] * bool(count)
