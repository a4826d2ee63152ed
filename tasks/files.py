"""The files of a user's corpus: which part each of them holds, and its text."""

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
    files = {}
    for file in sorted(folder.iterdir()):
        held = part(file.name)
        if held is None or not accepts(file):
            continue
        if held in files:
            raise ValueError(f"expected one {held} file in {folder}, received {files[held].name} "
                             f"and {file.name}; remove one")
        files[held] = file
    if "train" not in files:
        raise FileNotFoundError(f"expected {expected} in {folder}, and if there are any validation and "
                                "test files; found no train file")
    return files


def text(path, expected):
    """The text of a file, which should be UTF-8 and may be gzipped, and warnings."""
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{path.name}: expected a readable file (gzip where it ends in .gz), "
                         f"received an error: {error}; restore the file") from error
    if not data.strip():
        raise ValueError(f"{path.name}: expected {expected}, received an empty file")
    decoded = data.decode("utf-8-sig", "replace")
    strange = decoded.count("\ufffd") - data.count("\ufffd".encode())
    if b"\0" in data or strange > 0.1 * len(decoded):
        raise ValueError(f"{path.name}: expected UTF-8 text, received a binary file or another "
                         "encoding; convert it, for instance with iconv")
    return decoded, [f"{strange} bytes are not UTF-8 and were replaced"] * bool(strange)
