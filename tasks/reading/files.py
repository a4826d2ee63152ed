"""The files of a user's corpus: which part each of them holds, and its text."""

import contextlib
import gzip
import re
import zlib

PART_OF = {**dict.fromkeys(["train", "training"], "train"),
           **dict.fromkeys(["validation", "valid", "val", "dev", "testa"], "validation"),
           **dict.fromkeys(["test", "testb"], "test")}


def part(name):
    """The part that a name speaks of: train.tsv, en_ewt-ud-dev.conllu, esp.testb; else None.

    >>> part("en_ewt-ud-dev.conllu"), part("README.md")
    ('validation', None)
    """
    found = {PART_OF[word] for word in re.split("[^a-z]+", name.lower()) if word in PART_OF}
    return found.pop() if len(found) == 1 else None


def by_part(folder, accepts, expected):
    """{part: path} of a folder; validation and test may be missing and are then split off.

    Args:    accepts   path → whether it is of the right kind
             expected  what the training file should have been, for the message
    """
    files = parts(file for file in sorted(folder.iterdir()) if accepts(file))
    if "train" not in files:
        raise FileNotFoundError(f"expected {expected} in {folder}, and if there are any validation and "
                                "test files; found no train file")
    return files


def parts(paths):
    """{part: path} of those whose names speak of one."""
    found = {}
    for path in paths:
        held = part(path.name)
        if held in found:
            raise ValueError(f"expected one {held} file in {path.parent}, received {found[held].name} "
                             f"and {path.name}; remove one")
        if held:
            found[held] = path
    return found


@contextlib.contextmanager
def readable(path):
    """Turns what goes wrong while a file is read into one line."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{path.name}: expected a readable file (gzip where it ends in .gz), "
                         f"received an error: {error}; restore the file") from error


def not_text(path):
    """The error for a file that holds something else."""
    return ValueError(f"{path.name}: expected UTF-8 text, received a binary file or another "
                      "encoding; convert it, for instance with iconv")


def text(path, expected):
    """The text of a file, which should be UTF-8 and may be gzipped, and warnings."""
    with readable(path):
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
    if not data.strip():
        raise ValueError(f"{path.name}: expected {expected}, received an empty file")
    decoded = data.decode("utf-8-sig", "replace")
    strange = decoded.count("\ufffd") - data.count("\ufffd".encode())
    if b"\0" in data or strange > 0.1 * len(decoded):
        raise not_text(path)
    return decoded, [f"{strange} bytes are not UTF-8 and were replaced"] * bool(strange)
