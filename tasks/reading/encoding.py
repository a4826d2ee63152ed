"""The text of a file: decompressed by its ending, decoded by what its bytes show, never guessed silently.

    UTF-8, with or without a byte order mark; UTF-16; or the encoding that the user names
    cp1252     no valid multi-byte UTF-8 at all, and the high bytes stand among Latin letters: a note
    anything else is refused, with the line: GBK or cp1251 read as cp1252 would be letter salad

U+FFFD stands for what an earlier conversion lost. It stays in a text, and no vocabulary learns it.
"""

import bz2
import codecs
import contextlib
import gzip
import lzma
import pathlib
import re
import zlib

OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
BLOCK = 1 << 16                       # bytes
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
TWO_HIGH = re.compile(r"([^\0-\x7f])(?!\1)[^\0-\x7f]")
WORD = re.compile(r"[^\W\d_]+")
TYPOGRAPHY = frozenset("‘’‚“”„–—…•«»€£§©®°™¡¿·×÷±½¼¾²³´\xa0\xad")
# What no text has inside its words: signs, capitals; and control characters.
MISPLACED = re.compile("[^\\W\\d_](?:[¡¢£¤¥¦§¨©«¬¯±²³¶¸¹»¼½¾¿÷ˆ‚„“”†‡‰‹›][^\\W\\d_]|"
                       "[ŠŒŽŸÀ-ÖØ-Þ][a-zß-öø-ÿ])|[\1-\b\x0e-\x1f\x7f]")
# Letters that are others in the code pages of Central Europe and of Turkish.
OTHERWISE = {letters[0] for letters in zip(*(bytes(range(128, 256)).decode(codec, "replace")
                                             for codec in ("cp1252", "cp1250", "cp1254")))
             if len(set(letters)) > 1}
ICELANDIC, ACUTE = re.compile("[ðþÐÞ]"), re.compile("[áéíóúæÁÉÍÓÚÆ]")
REPLACEMENT = "\ufffd"
LOST = re.compile(r"[\0\ud800-\udfff\ufffd]")
FORMATS = {b"%PDF": "a PDF file", b"PK\3\4": "a ZIP archive or a workbook", b"PAR1\x15": "a Parquet file",
           b"\x1f\x8b": "gzip, which ends in .gz", b"BZh9": "bzip2, which ends in .bz2",
           b"\xfd7zXZ": "xz, which ends in .xz", b"\xd0\xcf\x11\xe0": "an old Office file, such as .xls",
           b"{\\rtf": "an RTF file", b"SQLite format 3": "a database"}      # by their first bytes
HTML = re.compile(r"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)


def bare(path):
    """The name of a file without the ending of its compression.

    >>> bare(pathlib.Path("a/Reviews.csv.gz"))
    'Reviews.csv'
    """
    return path.name[:-len(path.suffix)] if path.suffix.lower() in OPENERS else path.name


def kind(path):
    """The ending that says what is in a file, in lower case, whether it is compressed or not."""
    return pathlib.Path(bare(path)).suffix.lower()


def opened(path, mode="rb", **options):
    """A file, decompressed where its ending says so."""
    return OPENERS.get(path.suffix.lower(), open)(path, mode, **options)


@contextlib.contextmanager
def readable(path):
    """Turns what goes wrong while a file is read into one line."""
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeError) as error:
        raise ValueError(f"{path.name}: expected a readable file (gzip where it ends in .gz, likewise "
                         f".bz2 and .xz), received an error: {error}; restore the file") from error


class EmptyFile(ValueError):
    """A file in which nothing but white space stands."""


def text(path, expected, encoding=None):
    """(the text of a file, notes); see `data`."""
    found, codec, notes = data(path, expected, encoding)
    return found.decode(codec), notes


def data(path, expected, encoding=None):
    r"""(the bytes of a file, the codec that decodes them, notes); lines end in \n or \r\n.

    Args:    expected  what the file should hold, for the message
             encoding  a codec's name; None finds it
    Raises:  ValueError: an empty, binary or damaged file, or bytes that the encoding does not have
    """
    with readable(path), opened(path) as file:
        found = file.read()
    codec, notes = codec_of(path.name, found, encoding)
    decoded = found.decode(codec)
    if not decoded or decoded.isspace():
        raise EmptyFile(f"{path.name}: expected {expected}, received an empty file")
    if HTML.match(decoded):
        raise ValueError(f"{path.name}: expected {expected}, received an HTML page; save it as text")
    clean, more = _cleaned(decoded)
    found, codec = (found, codec) if clean == decoded else (clean.encode(), "utf-8")
    return found, codec, notes + more


def _cleaned(text):
    """The text with its lines as they were meant, and notes on what was lost or joined."""
    notes = lost(text.count(REPLACEMENT))
    text = text if "\n" in text else text.replace("\r", "\n")
    joined = text.count("\n\ufeff")
    notes += [f"{joined:,} byte order marks within it are dropped"] * bool(joined)
    return text.replace("\n\ufeff", "\n"), notes


def codec_of_file(path, encoding=None):
    """The same codec and notes as `codec_of`, of a file that is read in blocks where it is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with readable(path), opened(path) as file:
        start = block = file.read(BLOCK)
        _check_format(path.name, start)
        with contextlib.suppress(UnicodeDecodeError):
            while block and not encoding and b"\0" not in block:
                decoder.decode(block)
                block = file.read(BLOCK)
            if not (block or encoding):
                decoder.decode(b"", True)
                return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8", []
        file.seek(0)
        return codec_of(path.name, file.read(), encoding)


def codec_of(name, data, encoding=None):
    """(codec, notes): one that decodes all the bytes.

    >>> codec_of("a.txt", "Müller".encode("cp1252"))[0], codec_of("a.txt", "Müller".encode())
    ('cp1252', ('utf-8', []))
    """
    mark = next((mark for mark in MARKS if data.startswith(mark)), None)
    _check_format(name, data)
    if encoding or mark:
        return _decodes(name, data, encoding or MARKS[mark]), []
    if b"\0" in data:
        raise not_text(name, data.count(b"\n", 0, data.index(b"\0")) + 1)
    try:
        data.decode("utf-8")
        return "utf-8", []
    except UnicodeDecodeError as error:
        if MULTIBYTE.search(data):
            raise _bad_bytes(name, data, "utf-8", error) from None
        return _cp1252(name, data)


def _check_format(name, data):
    known = next((known for first, known in FORMATS.items() if data.startswith(first)), None)
    if known:
        raise ValueError(f"{name}: expected text, received {known}; unpack it, or save it as text")


def not_text(name, line):
    """The error for a file that holds something else."""
    return ValueError(f"{name}, line {line}: expected UTF-8 text, received a binary file or another "
                      "encoding (a byte is 0); set --encoding to the one that it is written in, for "
                      "instance utf-16-le")


def lost(count):
    """The note on U+FFFD in a file."""
    return [f"{count:,} characters are U+FFFD: an earlier conversion of the file lost what they were; a "
            "model reads them as unknown"] * bool(count)


def to_learn(texts):
    """The texts, or the lists of tokens, that a vocabulary is learnt from, without what was lost.

    Tokenizers read U+0000, and halves of surrogates, as U+FFFD.

    >>> list(to_learn(["M\\ufffdller, tea"])), list(to_learn([["M\\ufffdller", "tea"]]))
    (['M ller, tea'], [['tea']])
    """
    return (LOST.sub(" ", text) if isinstance(text, str) else
            [token for token in text if not LOST.search(token)] for text in texts)


def lines(name, data, encoding=None):
    """(the lines of some bytes, notes), by the same rule; what ends the last line begins none.

    >>> lines("standard input", b"caf\\xc3\\xa9\\r\\n\\nau lait\\n")
    (['café', '', 'au lait'], [])
    """
    codec, notes = codec_of(name, data, encoding)
    text = data.decode(codec).removesuffix("\n") if data else None
    return [] if text is None else [line.removesuffix("\r") for line in text.split("\n")], notes


def _decodes(name, data, encoding):
    """The encoding, if it decodes the bytes; of UTF-8 a byte order mark is no text."""
    try:
        codec = codecs.lookup(encoding).name
        codec = "utf-8-sig" if codec == "utf-8" else codec
        decoded = data.decode(codec)
        if isinstance(decoded, str) and "\0" not in decoded:
            return codec
        if isinstance(decoded, str):
            line = decoded.count("\n", 0, decoded.index("\0")) + 1
            raise ValueError(f"{name}, line {line}: expected {encoding}, received the character U+0000: "
                             "a binary file or another encoding; correct --encoding")
    except UnicodeDecodeError as error:
        raise _bad_bytes(name, data, encoding, error) from None
    except UnicodeError as error:           # of utf-16 without a mark, and of punycode and its like
        raise ValueError(f"{name}: expected {encoding}, received an error: {error}; correct "
                         "--encoding") from None
    except (LookupError, TypeError):
        pass
    raise ValueError(f"expected an encoding of text that Python knows, such as utf-8, cp1252, gbk or "
                     f"utf-16, received '{encoding}'; correct --encoding")


def _bad_bytes(name, data, encoding, error):
    line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
    start = data.rfind(b"\n", 0, error.start) + 1
    before = data[max(start, error.start - 20):error.start].decode(encoding, "ignore")
    return ValueError(f"{name}, line {line}: expected {encoding}, received the byte 0x{byte:02x} after "
                      f"'{before}'; correct the line, or set --encoding to the one of the whole file")


def _cp1252(name, data):
    """Only where nine in ten words with a high byte are Latin: most of their letters are ASCII, or no two
    others that are not stand side by side. Where ð and þ stand without the accents of Icelandic, they are
    letters of Turkish, Lithuanian or Croatian."""
    with contextlib.suppress(UnicodeDecodeError):
        decoded = data.decode("cp1252")
        words = [word for word in WORD.findall(decoded) if not word.isascii()]
        latin = [word for word in words if 2 * sum(map(str.isascii, word)) >= len(word) > 1
                 or len(word) > 1 and not TWO_HIGH.search(word)]
        strange = sum(len(word) > 1 for word in words) - len(latin) + sum(
            decoded.count(sign) for sign in set(decoded) - TYPOGRAPHY
            if not (sign.isascii() or sign.isalpha())) + len(MISPLACED.findall(decoded))
        foreign = len(ICELANDIC.findall(decoded)) > 2 * len(ACUTE.findall(decoded))
        if 9 * strange <= len(latin) and (latin or not words) and not foreign:
            latin = sorted(dict.fromkeys(latin), key=lambda word: OTHERWISE.isdisjoint(word))
            shown = ", ".join(latin[:3] or sorted(set(decoded) & TYPOGRAPHY)[:3])
            others = "" if OTHERWISE.isdisjoint(shown) else \
                ", to cp1250 for Central Europe or cp1254 for Turkish"
            return "cp1252", [f"read as cp1252, for it is not UTF-8 ({shown}); set --encoding if the "
                              f"words are wrong{others}"]
    line = data[:next(at for at, byte in enumerate(data) if byte > 127)].count(b"\n") + 1
    raise ValueError(f"{name}, line {line}: expected UTF-8, received another encoding; set --encoding to "
                     "the one that the file is written in, for instance gbk, cp1251 or cp1250")
