"""Tokens and their ids."""

import collections
import pathlib
import re

import tensorflow as tf

RESERVED = ("[PAD]", "[UNK]")  # ids 0 and 1; no tokeniser ever yields them: "[" is a token itself
UNKNOWN = 1


class Vocabulary(tf.Module):
    r"""Tokens to ids, by a table that travels inside a SavedModel.

        vocabulary(tokens) = their places in the list, or 1 where they are absent

    Args:    tokens    list of str or bytes, the reserved ones first.  Bytes that are no UTF-8 by
                       themselves are surrogates (the error handler "surrogateescape"), so that every
                       token is a `str` that can be undone
             reserved  the tokens that no text holds; "[PAD]" and "[UNK]" are 0 and 1 everywhere
    Raises:  ValueError: other tokens first, a token more than once

    >>> vocabulary = Vocabulary(["[PAD]", "[UNK]", "film"])
    >>> vocabulary(tf.constant(["film", "fan"])).numpy().tolist()
    [2, 1]
    """

    def __init__(self, tokens, reserved=RESERVED):
        super().__init__(name="vocabulary")
        _check_vocabulary(tokens, reserved)
        self.keys = tf.constant([encoded(token, "surrogateescape") for token in tokens])
        ids = tf.range(len(self.keys), dtype=tf.int32)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(self.keys, ids), 1)

    def __call__(self, tokens):
        return self.table.lookup(tokens)

    def __len__(self):
        return len(self.keys)

    @property
    def tokens(self):
        """list of str, by id."""
        return decoded(self.keys)

    def lines(self):
        r"""A file's text: line number = id, from 0.

        A backslash is \\, a line feed \n, a carriage return \r and a byte that is no UTF-8 by itself
        \xNN; all else stands as it is.
        """
        return escaped_lines(self.keys)


def encoded(string, errors):
    """The bytes of a str, by an error handler; bytes as they are."""
    if not isinstance(string, (str, bytes)):
        raise ValueError(f"expected strings, received {string!r} among them")
    return string.encode("utf-8", errors) if isinstance(string, str) else string


def utf8(text):
    """A text's bytes, of which half a surrogate pair alone is U+FFFD; bytes as they are.

    >>> utf8("a\\ud83d").decode(), utf8("\\ud83d\\ude42").decode(), utf8(b"\\xff")
    ('a�', '🙂', b'\\xff')
    """
    if isinstance(text, str):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return encoded(text, "strict")


def most_frequent(counts, size, min_count, reserved=RESERVED):
    """The reserved tokens, then {bytes: count} by falling count, equals in the order of their bytes.

    >>> most_frequent({b"a": 1, b"c": 2, b"b": 2}, size=4, min_count=1)
    ['[PAD]', '[UNK]', 'b', 'c']
    """
    tokens = sorted((-count, token) for token, count in counts.items() if count >= min_count)
    learnt = [token.decode("utf-8", "surrogateescape") for _, token in tokens]
    return [*reserved, *learnt[:size - len(reserved)]]


def decoded(keys):
    """list of str of the tokens [V] tf.string, as `Vocabulary` takes it."""
    return [key.decode("utf-8", "surrogateescape") for key in keys.numpy()]


def escaped_lines(keys):
    """The tokens [V] tf.string as a file's text; see `Vocabulary.lines`."""
    return "".join(_escape(key) + "\n" for key in keys.numpy())


def _escape(key):
    r"""One line for a token: b'\n' -> '\\n', b'\xff' -> '\\xff'."""
    for character, escaped in ((b"\\", rb"\\"), (b"\n", rb"\n"), (b"\r", rb"\r")):
        key = key.replace(character, escaped)
    return key.decode("utf-8", "backslashreplace")


def _unescape(line):
    def character(match):
        code = match.group(1)
        if len(code) > 1:
            return bytes.fromhex(code[1:].decode())
        return {b"n": b"\n", b"r": b"\r"}.get(code, code)
    key = re.sub(rb"\\(x[0-9a-f]{2}|.)", character, line.encode())
    return key.decode("utf-8", "surrogateescape")


def read_saved(path):
    """The bytes of a file of `Text.save`; raises FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(f"expected {path}, received no such file: Text.save writes it")
    return path.read_bytes()


def check_alike(text, earlier, names):
    """Refuse a text processing that does not cut and look up as an earlier one does.

    Raises:  ValueError: one of the attributes `names` differs
    """
    for name in names:
        ours, theirs = getattr(text, name), getattr(earlier, name)
        if ours != theirs:
            raise ValueError(f"init_from: expected {name} {theirs!r}, as the earlier model has, received "
                             f"{ours!r}; leave the option out, or start from another model")


def write_files(folder, files):
    """Write {file name: text} into a folder, made if it is absent."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())


def read_vocabulary(path, size):
    """The tokens of a file that holds `Vocabulary.lines`, `size` of them.

    Raises:  FileNotFoundError; ValueError: the file is incomplete
    """
    lines = read_saved(path).decode("utf-8", "replace").split("\n")[:-1]
    if len(lines) != size:
        raise ValueError(f"expected {size} tokens in {path}, received {len(lines)}: "
                         "the file is incomplete or changed, save or copy it again")
    return [_unescape(line) for line in lines]


def _check_vocabulary(vocabulary, reserved):
    start = tuple(vocabulary[:len(reserved)])
    if start != reserved:
        raise ValueError(f"expected a vocabulary that starts with {', '.join(reserved)}, "
                         f"received {list(start)}")
    repeated = [token for token, n in collections.Counter(vocabulary).items() if n > 1]
    if repeated:
        raise ValueError(f"expected every token once in the vocabulary, received {repeated[0]!r} "
                         "more than once")
