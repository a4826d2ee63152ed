"""Training over a running text: rows that go on from window to window, states that are carried."""

import keras
import numpy as np
import tensorflow as tf

from tasks.training import workers
from tasks.training.batches import Batch, Batches


@keras.saving.register_keras_serializable("tasks")
class Stateful(keras.Model):
    """A `Generator` that starts where its last call ended: truncated backpropagation through time.

    The states are weights that are not trained, so a checkpoint of the network holds them.

    Args:    network     a `zoo.models.language_model.Generator`
             batch_size  texts that are read side by side
    Call:    {"ids" [B, T], "fresh" [B]: 1 where a row starts anew} → h [B, T, H]
    """

    def __init__(self, network, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.network = network
        self.states = [self.add_weight(name=f"state_{n}", shape=(batch_size, size), trainable=False,
                                       initializer="zeros")
                       for n, size in enumerate(network.state_size)]
        self.built = True

    def call(self, inputs, training=False):
        kept = tf.expand_dims(1.0 - tf.cast(inputs["fresh"], tf.float32), 1)
        states = [workers.part(tf.convert_to_tensor(state)) * kept for state in self.states]
        h, after = self.network({"ids": inputs["ids"]}, states, training=training)
        for state, value in zip(self.states, after):
            state.assign(workers.gathered(tf.cast(tf.stop_gradient(value), state.dtype)))
        return h


def windows(ids, start, batch_size, length, seed, epoch, varied=False):
    """The batches of one epoch over a running text, in order: `batch_size` stretches side by side.

    Every symbol but the last N mod batch_size is a target once; what it is predicted from is the symbol
    before it, or `start` at the beginning of a row.

    Args:    ids     [N] integers, an array or a memory map
             length  symbols of a window; with `varied` its mean: normally distributed around it, or, once
                     in twenty windows, around its half
    Returns: `Batches`, a function of its arguments
    Source:  Mikolov et al. 2010; lengths that vary, Merity et al. 2018
    Raises:  ValueError: fewer symbols than rows
    """
    if len(ids) < batch_size:
        raise ValueError(f"expected at least {batch_size} symbols to train on, one for each row of a "
                         f"batch, received {len(ids)}; lower batch_size")
    columns = len(ids) // batch_size
    rows = np.arange(batch_size) * columns
    edges = _edges(columns, length, np.random.default_rng([seed, epoch]) if varied else None)

    def make(window):
        first, end = window
        targets = np.stack([ids[row + first:row + end] for row in rows]).astype(np.int32)
        before = np.array([ids[row + first - 1] if first else start for row in rows], np.int32)
        read = np.concatenate([before[:, None], targets[:, :-1]], 1)
        fresh = np.full(batch_size, float(first == 0), np.float32)
        return Batch({"ids": read, "fresh": fresh}, targets, targets.size, targets.size)

    return Batches(list(zip(edges[:-1], edges[1:])), make)


def _edges(columns, length, random=None):
    """Where windows begin and end: 0 … columns."""
    edges = [0]
    while edges[-1] < columns:
        step = length
        if random is not None:
            mean = length if random.random() < 0.95 else length / 2
            step = max(5, int(random.normal(mean, 5)))
        edges.append(min(columns, edges[-1] + step))
    return edges
