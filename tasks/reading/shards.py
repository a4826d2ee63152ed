"""Shards: files of JSON objects, or of texts, one a line, that are read line by line."""

import codecs
import collections
import contextlib
import functools
import glob
import gzip
import itertools
import json
import os
import pathlib
import zlib

from export import one_line
from tasks.reading import roles

ENDINGS = ".jsonl", ".txt"          # and .gz after them
REFUSED = ".refused.jsonl"
SEEN = 100                          # records that tell which key holds the text


def lines_of(shard):
    """(number from 1, bytes) of the lines of a shard that are not empty.

    Raises:  ValueError: a compressed file that is not whole
    """
    opened = gzip.open if shard.endswith(".gz") else open
    try:
        with opened(shard, "rb") as file:
            for number, line in enumerate(file, 1):
                line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if line.strip():
                    yield number, line.rstrip(b"\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"expected a whole gzip file, received {shard}: {error}; copy it "
                         "again") from None


def record_of(line, shard, column):
    """The record in a line, or the reason why it is none."""
    try:
        text = line.decode("utf-8")
        record = {column: text} if is_text(shard) else json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"{'UTF-8' if isinstance(error, UnicodeDecodeError) else 'JSON'}: {one_line(error)}"
    if not isinstance(record, dict):
        return f"expected an object, received {text[:40]}"
    if not isinstance(record.get(column), str):
        return f"expected a text as {column!r}, received {json.dumps(record.get(column))[:40]}"
    return record


@functools.lru_cache(maxsize=1024)
def is_text(shard):
    """Whether a shard is a text a line."""
    return ending_of(shard) == ".txt"


def ending_of(shard):
    """The ending of a shard's name, apart from that of its compression."""
    return pathlib.Path(shard.removesuffix(".gz")).suffix.lower()


def target_of(shard, output):
    """Where the answers to a shard are written.

    >>> target_of("shards/a.jsonl.gz", "answers").as_posix()
    'answers/a.jsonl'
    """
    return pathlib.Path(output) / pathlib.Path(shard.removesuffix(".gz")).with_suffix(".jsonl").name


def refused_of(target):
    """Where the lines of a shard are written that are no records."""
    return target.with_suffix(REFUSED)


def shards_of(pattern, output):
    """The shards that a pattern finds, absolute paths.

    Raises:  FileNotFoundError, ValueError: none, one of another format, two formats, two of one name, or
             in the folder of the answers
    """
    found = glob.glob(os.path.expanduser(pattern), recursive=True)
    found = sorted(os.path.abspath(path) for path in found if os.path.isfile(path))
    if not found:
        raise FileNotFoundError(f"input: expected files, found none for {pattern}; check the pattern, "
                                "and put it in quotes")
    other = [path for path in found if ending_of(path) not in ENDINGS or path.endswith(REFUSED)]
    if other:
        raise ValueError(f"input: expected files that end in .jsonl or .txt, perhaps with .gz, received "
                         f"{other[0]}; the task's own --input reads tables")
    if len(set(map(ending_of, found))) > 1:
        raise ValueError("input: expected files of objects or of texts, received both; answer them apart")
    taken = collections.Counter(target_of(path, output) for path in found)
    twice = [path for path in found if taken[target_of(path, output)] > 1]
    if twice:
        raise ValueError(f"input: expected files of different names, received {twice[0]} and "
                         f"{twice[1]}; rename one")
    if os.path.abspath(output) in map(os.path.dirname, found):
        raise ValueError(f"output: expected another folder than that of the shards, received {output}")
    return found


def column_of(shards, given):
    """The key of the text in the records: what is given, else a usual one that the first ones have."""
    if given or is_text(shards[0]):
        return given or "text"
    texts = first_texts(shards)
    usual = [key for key in texts if key.lower() in roles.TEXT_NAMES] or texts
    if len(usual) != 1:
        raise ValueError(f"text_column: expected one key of a text in {shards[0]}, received "
                         f"{', '.join(texts) or 'none'}; set --text_column")
    return usual[0]


def first_texts(shards):
    """The keys under which some of the first records have a text."""
    found = {}
    lines = itertools.chain.from_iterable(map(lines_of, shards))
    for _, line in itertools.islice(lines, SEEN):
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                found.update({key: None for key, value in record.items() if isinstance(value, str)})
    return list(found)
