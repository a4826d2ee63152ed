"""A corpus that is larger than memory: shards, of which a few at a time are read, as often as needed.

    python -m tasks.sentiment --corpus='shards/*.jsonl.gz'

A shard is a file that its task reads as a corpus of its own; each is in memory as a whole while it is
read. All are read once before training: the texts with the smallest hashes are held out for validation
and test, those with the next ones are the sample, of which vocabulary and baselines are counted. By the
hash they are the same ones whatever the order of the shards, and no text is in two splits.
"""

import collections
import dataclasses
import glob
import hashlib
import heapq
import operator
import os
import pathlib

import numpy as np

from tasks.reading import splits
from tasks.reading.corpus import OWN_TERMS

HELD, SAMPLE = 5_000, 50_000        # texts of a held-out split, and of the sample, at the most
CHARACTERS = 50_000_000             # of all these, at the most
# Examples, and characters, of the shards that are mixed; a single shard may have more.
GROUP = 50_000, 25_000_000
SAME = 20                           # examples with the same text that are held out, at the most
NOTES = 5                           # notes on shards that are shown
by_hash = operator.itemgetter(0)


def is_pattern(name):
    """Whether a name of a corpus is a pattern of shards."""
    return glob.has_magic(str(name)) and not any(
        os.path.exists(os.path.expanduser(path.strip())) for path in (str(name), *str(name).split(",")))


@dataclasses.dataclass(frozen=True)
class Stream:
    """The training examples of shards.

    shards  their paths;   sizes  (examples, characters) of each, with what is held out
    count   training examples
    held    hashes of the texts that are held out
    mark    tells them apart from other shards
    read    path → its examples
    """
    shards: tuple
    sizes: tuple
    count: int
    held: frozenset
    mark: str
    read: object

    def __len__(self):
        return self.count

    def groups(self, seed, epoch):
        """The numbers of the shards that are mixed with each other, in the order of an epoch."""
        groups = [[]]
        for shard in np.random.default_rng([seed, epoch]).permutation(len(self.shards)).tolist():
            if groups[-1] and self._is_full([*groups[-1], shard]):
                groups.append([])
            groups[-1].append(shard)
        if len(groups) > 1 and not self._is_full(2 * groups[-1]):     # less than half of one
            groups[-2] += groups.pop()
        return groups

    def _is_full(self, group):
        return any(sum(self.sizes[shard][n] for shard in group) > most for n, most in enumerate(GROUP))

    def counts(self, groups, batch_size):
        """How many batches each group has: the same number in every epoch, of at least one a group."""
        share = np.cumsum([0, *(sum(self.sizes[shard][0] for shard in group) for group in groups)])
        total = max(len(groups), -(-self.count // batch_size))
        return np.diff(np.ceil(share * total / share[-1]).astype(int)).clip(1).tolist()

    def examples(self, group):
        """Those of a group of shards."""
        return [example for shard in group for example in self.read(self.shards[shard])
                if self.held.isdisjoint(map(number, texts(example)))]


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
    """The examples whose texts have the smallest hashes, whatever comes first.

    Args:  most  hashes that are kept;   characters  of their examples, at the most
    """

    def __init__(self, most, characters=CHARACTERS):
        self.most, self.left, self.heap = most, characters, []
        self.examples, self.counts, self.bound = {}, collections.Counter(), 1 << 64

    def add(self, key, example):
        """Keep an example if the hash of its text is small enough."""
        if key >= self.bound:
            return
        if key not in self.examples:
            self.examples[key] = []
            heapq.heappush(self.heap, -key)
        self.counts[key] += 1
        if len(self.examples[key]) < SAME:
            self.examples[key].append(example)
            self.left -= size(example)
        while len(self.heap) > self.most or self.left < 0 and len(self.heap) > 1:
            self.bound = -heapq.heappop(self.heap)
            self.left += sum(map(size, self.examples.pop(self.bound)))
            del self.counts[self.bound]

    def in_order(self):
        """[(hash, the examples with one text)], the smallest first."""
        return sorted(self.examples.items())


def size(example):
    """The characters of an example."""
    return sum(map(len, texts(example)))


def form(corpus):
    """What all shards must have in common: columns, languages, scheme, intents."""
    columns = [line.partition(", ")[0] for line in corpus.description[:1]]
    found = [*columns, *[corpus.scheme] * bool(corpus.scheme), *["intents"] * bool(corpus.intents)]
    return ", ".join(found) or "plain tags"


class Survey:
    """What is known of shards once all are read.

    Args:  read  path → a `Corpus`, whose test split holds everything
    """

    def __init__(self, shards, read):
        self.shards, self.read = shards, read
        self.first = None           # the corpus of the first shard, without its examples
        self.sizes, self.notes, self.digest = [], collections.Counter(), hashlib.blake2b(digest_size=8)
        self.labels, self.intents = set(), set()
        self.marked = {}            # label: (hash, example), which is held out only if all others are
        self.smallest = Smallest(2 * HELD + SAMPLE)
        for path in shards:
            self._add(path, read(path))

    def _add(self, path, corpus):
        self.first = self.first or dataclasses.replace(corpus, test=[])
        expected, found = form(self.first), form(corpus)
        if expected != found:
            raise ValueError(f"{path}: expected {expected} as in {self.shards[0]}, received {found}; "
                             "name columns or --scheme by flags, or correct the shard")
        if corpus.split not in (None, "train"):
            raise ValueError(f"{path}: expected rows of training, received those of the {corpus.split} "
                             "split; leave the shard out or rename the column")
        self.sizes.append((len(corpus.test), sum(map(size, corpus.test))))
        self.labels |= set(corpus.labels)
        self.intents |= set(corpus.intents)
        self.notes.update(corpus.warnings)
        for example in corpus.test:
            key = number(example.text)
            self.digest.update(repr((*example,)).encode("utf-8", "replace"))
            self.smallest.add(key, example)
            for mark in marks(example):
                self.marked[mark] = max(self.marked.get(mark, (-1, None)), (key, example), key=by_hash)

    def corpus(self, name):
        """The `Corpus`: its training split is the sample, beside the stream of all."""
        kept = self.smallest.in_order()
        held = max(1, min(HELD, sum(count for count, _ in self.sizes) // 10, len(kept) // 10))
        validation, test, sample = (
            [example for _, some in kept[start:end] for example in some]
            for start, end in ((0, held), (held, 2 * held), (2 * held, None)))
        test = apart(test, validation)
        hashes = hashes_of(validation + test) | {key for key, _ in kept[:2 * held]}
        sample = apart([*sample, *marked_in(self.marked, sample)], hashes=hashes)
        sizes = {"train": len(sample), "validation": len(validation), "test": len(test)}
        splits.check_splits(name, sizes, "examples")
        count = sum(count for count, _ in self.sizes) - sum(
            self.smallest.counts[key] for key, _ in kept[:2 * held])
        return self._assembled(name, sample, validation, test, Stream(
            tuple(self.shards), tuple(self.sizes), count, hashes, self.digest.hexdigest(),
            lambda path: self.read(path).test))

    def _assembled(self, name, sample, validation, test, stream):
        if self.labels and len(self.labels) < 2 and not self.first.multi_label:
            raise ValueError(f"corpus '{name}': expected at least two labels, received "
                             f"{' '.join(self.labels)}; check label_column")
        more = len(self.notes) - NOTES
        return dataclasses.replace(
            self.first, name=name, train=sample, validation=validation, test=test, terms=OWN_TERMS,
            labels=sorted(self.labels), stream=stream,
            intents=sorted(self.intents) if len(self.intents) > 1 else [],
            warnings=[*list(self.notes)[:NOTES], *[f"{more:,} more notes on shards"] * (more > 0)],
            description=[*(f"in the first shard: {line}" for line in self.first.description[:1]),
                         *self.first.description[1:], f"{len(self.shards):,} shards; vocabulary and "
                         f"baselines are counted on {len(sample):,} of the examples"])


def hashes_of(examples):
    """The hashes of all their texts."""
    return frozenset(number(text) for example in examples for text in texts(example))


def apart(examples, others=(), hashes=frozenset()):
    """The examples that share no text with others, or with texts of such hashes."""
    hashes = hashes | hashes_of(others)
    return [example for example in examples if hashes.isdisjoint(map(number, texts(example)))]


def marked_in(marked, sample):
    """The examples that a sample needs to have all labels."""
    known = set(sample)
    return [example for example in dict.fromkeys(example for _, example in marked.values())
            if example not in known]


def load(pattern, read):
    """The corpus of a pattern of shards.

    Args:    read  path → a `Corpus`, whose test split holds everything
    Raises:  FileNotFoundError, ValueError: no files, or shards that do not fit together
    """
    shards = sorted(path for path in glob.glob(os.path.expanduser(pattern), recursive=True)
                    if os.path.isfile(path))
    if not shards:
        raise FileNotFoundError(f"corpus: expected files, found none for {pattern}; check the pattern")
    start = os.path.commonpath(list(map(os.path.dirname, shards)))
    named = {splits.split_of(part) for path in shards
             for part in pathlib.Path(os.path.relpath(path, start)).parts} - {None}
    if len(named) > 1:
        raise ValueError(f"corpus: expected shards of one split, received {' and '.join(sorted(named))} "
                         f"in {pattern}; name those of training, or the folder, which is read as a whole")
    return Survey(shards, read).corpus(pathlib.Path(shards[0]).resolve().parent.name)
