"""The texts that `--predict` is given: one in the argument, or the lines of standard input."""

import sys

from tasks.reading import encoding as encodings


def texts_of(predict, encoding=None):
    """The texts to predict for: the option's own, or the lines of standard input for `-`.

    They are decoded as a corpus is, see `tasks.reading.encoding`; what there is to say goes to standard
    error. What is not UTF-8 in an argument, which Python hands over in surrogates, becomes U+FFFD.

    Args:    encoding  of standard input; None finds it

    >>> texts_of("caf\\udce9")
    ['caf\ufffd']
    """
    if predict != "-":
        return [predict.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]
    lines, notes = encodings.lines("standard input", sys.stdin.buffer.read(), encoding)
    for note in notes:
        print(f"note: standard input: {note}", file=sys.stderr)
    if not lines:
        raise ValueError("expected lines of text on standard input, received none")
    return lines
