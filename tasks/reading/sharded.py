"""A corpus that is larger than memory: shards, of which a few at a time are read, as often as needed.

    python -m tasks.sentiment --corpus='shards/*.jsonl.gz'

A shard is a file that its task reads as a corpus of its own; each is in memory as a whole while it is
read. All are read once before training: the texts with the smallest hashes are held out for validation
and test, those with the next ones are the sample, of which vocabulary and baselines are counted. By the
hash they are the same ones whatever the order and the number of the shards, and no text is in two splits.
"""

import collections
import dataclasses
import glob
import hashlib
import heapq
import os
import pathlib

import numpy as np

from tasks.reading import splits
from tasks.reading.corpus import OWN_TERMS

HELD, SAMPLE = 5_000, 50_000        # examples of a held-out split, and of the sample, at the most
CHARACTERS = 50_000_000             # of all these, at the most
GROUP = 50_000                      # examples of the shards that are mixed; a single shard may have more
SAME = 20                           # examples with the same text that are held out, at the most
NOTES = 5                           # notes on shards that are shown


def is_pattern(name):
    """Whether a name of a corpus is a pattern of shards."""
    return glob.has_magic(str(name)) and not os.path.exists(name)


@dataclasses.dataclass(frozen=True)
class Stream:
    """The training examples of shards.

    shards  their paths;   sizes  how many examples each has, with those held out
    held    hashes of the texts that are held out
    read    path → its examples
    """
    shards: tuple
    sizes: tuple
    held: frozenset
    read: object

    def __len__(self):
        return sum(self.sizes)

    def groups(self, seed, epoch):
        """The numbers of the shards that are mixed with each other, in the order of an epoch."""
        groups, size = [], GROUP + 1
        for shard in np.random.default_rng([seed, epoch]).permutation(len(self.shards)).tolist():
            size += self.sizes[shard]
            if size > GROUP:
                groups, size = [*groups, []], self.sizes[shard]
            groups[-1].append(shard)
        return groups

    def examples(self, group):
        """Those of a group of shards."""
        return [example for shard in group for example in self.read(self.shards[shard])
                if self.held.isdisjoint(map(number, texts(example)))]

    def __repr__(self):
        return repr([(os.path.basename(path), size) for path, size in zip(self.shards, self.sizes)])


def texts(example):
    """What must not be in two splits: the text, or both sides of a pair.

    >>> texts(splits.Example("so so", "neutral"))
    ('so so',)
    """
    return (example.source, example.target) if hasattr(example, "target") else (example.text,)


def marks(example):
    """What a model can only learn if the sample has it: the labels, tags and intent of an example.

    >>> sorted(marks(splits.Example("so so", ("dull", "short"))))
    ['dull', 'short']
    """
    found = getattr(example, "tags", getattr(example, "label", ()))
    found = set(found) if isinstance(found, tuple) else {found} if isinstance(found, str) else set()
    return found | {("intent", example.intent)} if getattr(example, "intent", None) else found


def number(text):
    """A hash of a text, whatever its case and spaces."""
    whole = splits.normalised(text).encode("utf-8", "replace")
    digest = hashlib.blake2b(whole, digest_size=8, salt=b"shards")
    return int.from_bytes(digest.digest(), "big")


class Smallest:
    """The examples whose texts have the smallest hashes.

    Args:  most  hashes that are kept;   characters  of their examples, at the most
    """

    def __init__(self, most, characters=CHARACTERS):
        self.most, self.characters, self.examples, self.heap = most, characters, {}, []

    def add(self, example):
        """Keep an example if its hash is small enough."""
        key = number(example.text)
        if key in self.examples:
            if len(self.examples[key]) < SAME:
                self._keep(key, example)
        elif len(self.heap) < self.most or key < -self.heap[0]:
            self.examples[key] = []
            heapq.heappush(self.heap, -key)
            self._keep(key, example)
            while len(self.heap) > self.most or self.characters < 0 and len(self.heap) > 1:
                self.characters += sum(map(_size, self.examples.pop(-heapq.heappop(self.heap))))

    def _keep(self, key, example):
        self.examples[key].append(example)
        self.characters -= _size(example)

    def in_order(self):
        """Lists of the examples with one text each, by their hashes."""
        return [self.examples[key] for key in sorted(self.examples)]


def _size(example):
    return sum(map(len, texts(example)))


def form(corpus):
    """What all shards must have in common: columns, languages, scheme."""
    columns = [line.partition(", ")[0] for line in corpus.description[:1]]
    return ", ".join(columns + [corpus.scheme] * bool(corpus.scheme)) or "plain tags"


class Survey:
    """What is known of shards once all are read.

    Args:  read  path → a `Corpus`, whose test split holds everything
    """

    def __init__(self, shards, read):
        self.shards, self.read = shards, read
        self.first = None           # the corpus of the first shard, without its examples
        self.sizes, self.marked, self.notes = [], {}, collections.Counter()
        self.labels, self.intents = set(), set()
        self.smallest = Smallest(2 * HELD + SAMPLE)
        for path in shards:
            self._add(path, read(path))

    def _add(self, path, corpus):
        self.first = self.first or dataclasses.replace(corpus, test=[])
        expected, found = form(self.first), form(corpus)
        if expected != found:
            raise ValueError(f"{path}: expected {expected} as in {self.shards[0]}, received {found}; say "
                             "what is meant by flags, or correct the shard")
        self.sizes.append(len(corpus.test))
        self.labels |= set(corpus.labels)
        self.intents |= set(corpus.intents)
        self.notes.update(corpus.warnings)
        for example in corpus.test:
            self.smallest.add(example)
            for mark in marks(example):
                self.marked.setdefault(mark, example)

    def corpus(self, name):
        """The `Corpus`: its training split is the sample, beside the stream of all."""
        kept = self.smallest.in_order()
        held = max(1, min(HELD, sum(self.sizes) // 10, len(kept) // 10))
        validation, test, sample = (sum(kept[start:end], []) for start, end in (
            (0, held), (held, 2 * held), (2 * held, None)))
        hashes = frozenset(number(text) for example in validation + test for text in texts(example))
        free = [example for example in [*sample, *self.marked.values()]
                if hashes.isdisjoint(map(number, texts(example)))]
        sizes = {"train": len(free), "validation": len(validation), "test": len(test)}
        splits.check_splits(name, sizes, "examples")
        if self.labels and len(self.labels) < 2 and not self.first.multi_label:
            raise ValueError(f"corpus '{name}': expected at least two labels, received {self.labels}")
        stream = Stream(tuple(self.shards), tuple(self.sizes), hashes,
                        lambda path: self.read(path).test)
        return dataclasses.replace(
            self.first, name=name, train=list(dict.fromkeys(free)), validation=validation, test=test,
            terms=OWN_TERMS, labels=sorted(self.labels), intents=sorted(self.intents), stream=stream,
            warnings=self._warnings(),
            description=[*(f"in the first shard: {line}" for line in self.first.description[:1]),
                         *self.first.description[1:], f"{len(self.shards):,} shards with {len(stream):,} "
                         f"examples; vocabulary and baselines are counted on {len(free):,} of them"])

    def _warnings(self):
        more = len(self.notes) - NOTES
        return [*list(self.notes)[:NOTES], *[f"{more:,} more notes on shards"] * (more > 0)]


def load(pattern, read):
    """The corpus of a pattern of shards.

    Args:    read  (path, the `Corpus` of the first shard or None) → a `Corpus`, whose test split holds
                   everything
    Raises:  FileNotFoundError, ValueError: no files, or shards that do not fit together
    """
    shards = sorted(path for path in glob.glob(os.path.expanduser(pattern), recursive=True)
                    if os.path.isfile(path))
    if not shards:
        raise FileNotFoundError(f"corpus: expected files, found none for {pattern}; check the pattern")
    first = dataclasses.replace(read(shards[0], None), test=[])
    survey = Survey(shards, lambda path: read(path, first))
    return survey.corpus(pathlib.Path(shards[0]).resolve().parent.name)
