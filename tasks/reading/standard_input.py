"""Lines of standard input, as they come."""

import sys

BLOCK = 1 << 20                       # bytes


def decoded(text):
    """A text as bytes bring it: what is not UTF-8 becomes U+FFFD.

    Python hands over an argument's bytes in surrogates.

    >>> decoded("caf\\udce9"), decoded(b"caf\\xe9")
    ('caf\ufffd', 'caf\ufffd')
    """
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return data.decode("utf-8", "replace")


def lines():
    """Lists of lines: each holds all that wait, the first waits for one.

    Raises:  ValueError: there are none
    """
    rest, some = b"", False
    while block := sys.stdin.buffer.read1(BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        if whole:
            some = True
            yield [decoded(line.removesuffix(b"\r")) for line in whole]
    if rest:
        yield [decoded(rest.removesuffix(b"\r"))]
    elif not some:
        raise ValueError("expected lines of text on standard input, received none")
