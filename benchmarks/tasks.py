"""How fast a task trains, beside the same model from `keras.layers` under `fit`, on this machine.

    python -m benchmarks.tasks sentiment [--corpus=sentence_polarity] [--steps=200]

`sentiment`, `tagging`, `generation` or `translation`: its standard model on its standard corpus. Both
sides take turns in one process with the same batches, weights' shapes, dropout, optimiser settings and
clipping. This project's side is its own loop with averaged weights, as the task trains; Keras's is
`fit` with AdamW. An epoch is at most `--steps` batches of the first one; the first round compiles and
is not counted. Prints Markdown: medians.
"""

import importlib
import statistics
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from benchmarks.keras_twins import Fitted, twin
from tasks import cli
from tasks.training import loop
from tasks.training.batches import Batches

FLAGS = flags.FLAGS
TASKS = ("sentiment", "tagging", "generation", "translation")
MORE = {"generation": {"weight_drop": 0.0}}     # what Keras has no layer for is left out on both sides
ROUNDS = 4


def ours(task, head, batches):
    """A function that trains an epoch with this project's loop."""
    training = loop.Training(
        task.trained(head), task.loss(head), lambda epoch: batches, loop.Settings(
            epochs=ROUNDS, learning_rate=FLAGS.learning_rate, average=FLAGS.average,
            weight_decay=FLAGS.weight_decay, clip_norm=FLAGS.clip_norm))

    def epoch():
        for batch in batches:
            training.take(batch)
    return epoch


def theirs(task, head, batches):
    """A function that trains an epoch of the twin with `fit`."""
    head.network = twin(task.name, head.network, FLAGS.batch_size)
    network = Fitted(head.network, task.loss(head))
    network.compile(keras.optimizers.AdamW(
        FLAGS.learning_rate, weight_decay=FLAGS.weight_decay, global_clipnorm=FLAGS.clip_norm))
    given = [(batch.inputs, (batch.targets, np.full(1, batch.count, np.float32))) for batch in batches]
    data = tf.data.Dataset.from_generator(
        lambda: iter(given), output_signature=tf.nest.map_structure(any_size, given[0]))
    data = data.repeat().prefetch(2)
    return lambda: network.fit(data, epochs=1, steps_per_epoch=len(given), shuffle=False, verbose=0)


def any_size(array):
    """The specification of arrays of which the first two axes differ from batch to batch."""
    return tf.TensorSpec([None, None, *array.shape[2:]][:array.ndim], array.dtype)


def measured(task):
    """A line of the table."""
    corpus = task.load_corpus()
    cli.fill({**task.recipe(corpus), **MORE.get(task.name, {})})
    heads = [task.untrained(corpus) for _ in range(2)]
    data = [task.data(head, corpus.train) for head in heads]
    for head, part in zip(heads, data):
        task.prepare(head, part)
    epoch = task.batches(heads[0], data[0])(0)
    batches = list(Batches(epoch.groups[:FLAGS.steps], epoch.make))
    sides = {"ours": ours(task, heads[0], batches), "Keras": theirs(task, heads[1], batches)}
    seconds = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, train in sides.items():
            start = time.perf_counter()
            train()
            seconds[name].append(time.perf_counter() - start)
    mine, other = (sum(batch.tokens for batch in batches) / statistics.median(taken[1:])
                   for taken in seconds.values())
    return (f"| {task.name} | {corpus.name} | {FLAGS.model} | {mine:,.0f} | {other:,.0f} "
            f"| {mine / other:.2f} |")


def main(arguments):
    print("| task | corpus | model | tokens/s | with Keras's layers | ratio |\n|" + "---|" * 6)
    print(measured(importlib.import_module(f"tasks.{arguments[1]}.task").TASK))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in TASKS:
        importlib.import_module(f"tasks.{sys.argv[1]}.flags").define()
        flags.DEFINE_integer("steps", 200, "Most batches of an epoch.", 1)
        app.run(main)
    sys.exit(f"expected a task among {', '.join(TASKS)} as first argument, received {sys.argv[1:2]}")
