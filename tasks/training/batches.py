"""What a training step is given: batches of texts of similar length, in an order that can be repeated."""

import collections.abc
import typing

import numpy as np

WINDOW = 50     # batches whose examples are sorted together: more pads less and shuffles less


class Batch(typing.NamedTuple):
    """One step's data: `loss_function(targets, outputs)` is summed over it, then divided by count.

    Args:    inputs   array or structure of arrays, what the network is called with
             targets  array or structure of arrays, weights included if there are any
             count    examples or tokens that the loss is a mean over, padding excluded
             tokens   tokens read, padding excluded, for the speed that is shown
    """
    inputs: typing.Any
    targets: typing.Any
    count: float
    tokens: int


class Batches(collections.abc.Sequence):
    """The batches of an epoch, each made when it is asked for, so that skipping costs nothing.

    Args:    groups  list of index arrays, one a batch
             make    function of an index array that returns a `Batch`
    """

    def __init__(self, groups, make):
        self.groups, self.make = groups, make

    def __len__(self):
        return len(self.groups)

    def __getitem__(self, index):
        return self.make(self.groups[index])


class Streamed(collections.abc.Sequence):
    """The batches of an epoch in groups, of which only the one that is asked for is in memory.

    Args:    counts  batches in each group;   read  number of a group → its batches
    """

    def __init__(self, counts, read):
        self.starts, self.read = np.cumsum([0, *counts]), read
        self.number, self.group = None, None

    def __len__(self):
        return int(self.starts[-1])

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self.starts, index, "right")) - 1
        if number != self.number:
            self.group = None       # before the next one is read
            self.number, self.group = number, self.read(number)
        return self.group[index - int(self.starts[number])]


def bucketed(lengths, batch_size, seed, epoch):
    """Group examples of similar length: shuffle, sort within windows, cut, shuffle the batches.

    Args:    lengths     [N] int, tokens of every example
             batch_size  examples in a batch
    Returns: list of int64 arrays, every index from 0 to N-1 once; a function of its arguments
    Raises:  ValueError: no examples, or a batch size below 1

    >>> [group.tolist() for group in bucketed([1, 9, 1, 9], 2, seed=0, epoch=0)]
    [[1, 3], [2, 0]]
    """
    lengths = np.maximum(np.asarray(lengths), 1)
    if batch_size < 1 or len(lengths) < 1:
        raise ValueError("expected at least one example and a batch size of 1 or more, received "
                         f"{len(lengths)} examples, batch size {batch_size}")
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    groups = []
    for window in _cut(order, WINDOW * batch_size):
        groups += _cut(window[np.argsort(lengths[window], kind="stable")], batch_size)
    return [groups[index] for index in rng.permutation(len(groups))]


def shared_out(lengths, count, seed):
    """As `bucketed`, in just so many batches; of fewer examples some come more than once.

    >>> [group.tolist() for group in shared_out([1, 9, 1, 9], 2, seed=0)]
    [[1, 3], [2, 0]]
    """
    lengths = np.asarray(lengths)
    if not len(lengths):
        raise ValueError("expected shards with examples for training, received some of which all are "
                         "held out; join them")
    rng = np.random.default_rng(seed)
    order = np.resize(rng.permutation(len(lengths)), max(len(lengths), count))
    windows = np.array_split(order, -(-count // WINDOW))
    sorted_by_length = [window[np.argsort(lengths[window], kind="stable")] for window in windows]
    groups = np.array_split(np.concatenate(sorted_by_length), count)
    return [groups[index] for index in rng.permutation(count)]


def _cut(indices, size):
    return np.split(indices, range(size, len(indices), size))


def cut_by_tokens(indices, lengths, tokens):
    """Cut where the next example, the longest so far, would make the padded batch too large."""
    starts = [0]
    for end, length in enumerate(lengths[indices]):
        if end > starts[-1] and (end + 1 - starts[-1]) * length > tokens:
            starts.append(end)
    return np.split(indices, starts[1:])
