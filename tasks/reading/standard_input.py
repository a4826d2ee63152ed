"""Lines of standard input, as they come."""

import codecs
import sys

from tasks.reading import encoding as encodings

NAME = "standard input"
BLOCK = 1 << 20                       # bytes


def decoded(argument):
    """The text of an argument: what is not UTF-8, which Python hands over in surrogates, becomes U+FFFD.

    >>> decoded("caf\\udce9")
    'caf\ufffd'
    """
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def lines(encoding=None):
    """Lists of lines: each holds all that wait, the first waits for one.

    They are decoded as a corpus is, see `tasks.reading.encoding`, by the lines that come first; what
    there is to say goes to standard error.

    Args:    encoding  None finds it
    Raises:  ValueError: no lines, or bytes that the encoding does not have
    """
    number, rest, decoder = 0, "", None
    for block in _blocks():
        decoder = decoder or _decoder(block, encoding)
        *whole, rest = (rest + _decoded(decoder, block, number)).split("\n")
        number += len(whole)
        if whole:
            yield [line.removesuffix("\r") for line in whole]
    if rest:
        yield [rest.removesuffix("\r")]
    elif not number:
        raise ValueError(f"expected lines of text on {NAME}, received none")


def _blocks():
    """Bytes as they come, the first with a whole line at least, and b"" at the end."""
    first = b""
    while block := sys.stdin.buffer.read1(BLOCK):
        first += block
        if b"\n" in block:
            break
    yield from [first] * bool(first)
    while block := sys.stdin.buffer.read1(BLOCK):
        yield block
    yield from [b""] * bool(first)


def _decoder(first, encoding):
    mark = next((mark for mark in encodings.MARKS if first.startswith(mark)), b"")
    sample = mark if mark or encoding else first[:first.rfind(b"\n") + 1] or first
    codec, notes = encodings.codec_of(NAME, sample, encoding)
    for note in notes:
        print(f"note: {NAME}: {note}", file=sys.stderr)
    return codecs.getincrementaldecoder(codec)()


def _decoded(decoder, block, number):
    """The text of a block after `number` lines; an empty one ends the text."""
    try:
        text = decoder.decode(block, final=not block)
    except UnicodeDecodeError as error:
        line = number + 1 + error.object.count(b"\n", 0, error.start)
        raise ValueError(f"{NAME}, line {line}: expected {error.encoding}, received the byte "
                         f"0x{error.object[error.start]:02x}; correct the line, or set --encoding to the "
                         "one of all lines") from None
    if "\0" in text:
        raise encodings.not_text(NAME, number + 1 + text.count("\n", 0, text.index("\0")))
    return text
