"""Training on several workers: each takes some rows of every batch, and their gradients are added up.

    g = Σ_k g_k,   g_k = ∂(Σ loss over the rows of worker k / count of the whole batch) / ∂weights

All workers start from the same weights, add up the same gradients and so take the same steps: nothing
else is exchanged in training but the states of rows that go on. The first one, the chief, writes the run.
A process that trains alone is worker 0 of 1: all of this then gives back what it is given.

Source:  Dean et al. 2012 (data parallelism); synchronous, Chen et al. 2016
"""

import contextlib
import hashlib
import json
import os
import pickle

import numpy as np
import tensorflow as tf

from tasks.training import launch

APART = 1_000_003       # between the seeds of two workers


class Group:
    """The workers that this process trains with, and the operations between them."""

    def __init__(self, index=0, count=1, strategy=None):
        self.index, self.count, self.strategy = index, count, strategy

    def run(self, operation, tensors):
        """operation(replica, tensors) where collective operations may stand."""
        def here(*given):
            # A tensor of no device cannot be sent.
            return operation(tf.distribute.get_replica_context(), list(map(tf.identity, given)))
        return self.strategy.run(here, args=tuple(tensors))


_group = Group()


def join():
    """Become one of the workers that TF_CONFIG names, before TensorFlow has done anything else."""
    global _group
    if launch.CONFIG in os.environ and _group.count == 1:
        index, number = launch.place(json.loads(os.environ[launch.CONFIG]))
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        if strategy.num_replicas_in_sync != number:
            raise ValueError("expected one GPU a worker, received several; set CUDA_VISIBLE_DEVICES")
        del os.environ[launch.CONFIG]      # what this process starts is no worker
        _group = Group(index, number, strategy)


def leave():
    """The end of what workers do together: the chief goes on alone, the others end."""
    global _group
    wait()
    if not is_chief():
        raise SystemExit(0)
    _group = Group()


def count():
    """How many workers there are."""
    return _group.count


def is_chief():
    """Whether this worker writes the run."""
    return _group.index == 0


def part(rows):
    """This worker's rows of an array or a tensor [B, …]; a scalar is everybody's.

    >>> part(np.array([[1, 2], [3, 4]])).tolist()
    [[1, 2], [3, 4]]
    """
    if _group.count == 1 or not len(rows.shape):
        return rows
    size = rows.shape[0] if isinstance(rows, np.ndarray) else tf.shape(rows)[0]
    first, end = (size * k // _group.count for k in (_group.index, _group.index + 1))
    return rows[first:end]


def summed(tensors):
    """Σ over the workers of each tensor."""
    if _group.count == 1:
        return tensors
    return _group.run(lambda replica, given: replica.all_reduce("SUM", given), tensors)


def gathered(rows):
    """The rows of all workers, [B, …], each having its `part` of them."""
    if _group.count == 1:
        return rows
    return _group.run(lambda replica, given: replica.all_gather(given[0], axis=0), [rows])


def shared(function, items):
    """[function(item)] of all items, of which each worker computes some."""
    found = [function(item) for item in items[_group.index::_group.count]]
    if _group.count == 1:
        return found
    every = collected(found)
    return [every[n % _group.count][n // _group.count] for n in range(len(items))]


def collected(value):
    """[value of worker 0, of worker 1, …], any values that can be pickled."""
    content = pickle.dumps(value)
    words = np.frombuffer(content + bytes(-len(content) % 4), np.int32)     # bytes cannot be sent
    sizes = gathered(tf.constant([len(words)])).numpy()
    every = gathered(tf.constant(words)).numpy()
    return [pickle.loads(one.tobytes()) for one in np.split(every, np.cumsum(sizes)[:-1])]


def wait():
    """Until all workers are here."""
    summed([tf.zeros([])])


@contextlib.contextmanager
def chief_first():
    """What the others do inside they do once the chief has done it."""
    if not is_chief():
        wait()
    yield
    if is_chief():
        wait()


def begin(variables):
    """Before the first step: see that all workers have the same weights, and give each its own dropout.

    Raises:  ValueError: they differ
    """
    if _group.count == 1:
        return
    digest = hashlib.sha256(b"".join(np.asarray(variable).tobytes() for variable in variables)).digest()
    if len(set(collected(digest))) > 1:
        raise ValueError("workers: expected the same weights on all, received different ones; give each "
                         "the same corpus, the same options and the same versions of the packages")
    for variable in variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(np.asarray(variable) + [_group.index * APART, 0])


@contextlib.contextmanager
def watched(folder):
    """One line for the loss of a worker, which ends the others too. Raises ConnectionError."""
    lost = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError,
            tf.errors.InternalError, tf.errors.DeadlineExceededError)
    try:
        yield
    except lost as error:
        if _group.count == 1:
            raise
        raise ConnectionError("a worker is gone; the same command, without --overwrite, goes on from the "
                              f"last checkpoint ({folder})") from error
