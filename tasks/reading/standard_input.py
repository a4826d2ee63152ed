"""The texts that `--predict` is given: one in the argument, or the lines of standard input."""

import sys


def texts_of(predict):
    """The texts to predict for: the option's own, or the lines of standard input for `-`.

    What is not UTF-8 becomes U+FFFD, in an argument, which Python hands over in surrogates, as in a
    file.

    >>> texts_of("caf\\udce9")
    ['caf\ufffd']
    """
    if predict != "-":
        return [predict.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]
    lines = sys.stdin.buffer.read().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise ValueError("expected lines of text on standard input, received none")
    return [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
