"""How fast a task trains, beside the same model from `keras.layers` under `fit`, on this machine.

    python -m benchmarks.tasks sentiment [--corpus=sentence_polarity] [--steps=200]

`sentiment`, `tagging`, `generation` or `translation`: its standard model on its standard corpus. Both
sides take turns in one process with the same batches, weights' shapes, dropout, optimiser settings and
clipping. This project's side is its own loop with averaged weights, as the task trains; Keras's is
`fit` with AdamW. An epoch is at most `--steps` batches of the first one; the first round compiles and
is not counted. Prints Markdown: medians.
"""

import dataclasses
import importlib
import statistics
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks.keras_twins import Fitted, twin
from tasks import cli, options
from tasks.training import loop
from tasks.training.batches import Batches
from zoo.options import Options, option

TASKS = ("sentiment", "tagging", "generation", "translation")
MORE = {"generation": {"weight_drop": 0.0}}     # what Keras has no layer for is left out on both sides
ROUNDS = 4


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions(Options):
    """Of this program alone."""

    steps: int = option(200, "Largest number of batches in an epoch.", least=1)


def ours(task, head, batches):
    """A function that trains an epoch with this project's loop."""
    settings = task.settings
    training = loop.Training(
        task.trained(head), task.loss(head), lambda epoch: batches, loop.Settings(
            epochs=ROUNDS, learning_rate=settings.learning_rate, average=settings.average,
            weight_decay=settings.weight_decay, clip_norm=settings.clip_norm))

    def epoch():
        for batch in batches:
            training.take(batch)
    return epoch


def theirs(task, head, batches):
    """A function that trains an epoch of the twin with `fit`."""
    settings = task.settings
    head.network = twin(task.name, head.network, settings.batch_size)
    network = Fitted(head.network, task.loss(head))
    network.compile(keras.optimizers.AdamW(
        settings.learning_rate, weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm))
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
    task.settings = task.settings.filled({**task.recipe(corpus), **MORE.get(task.name, {})})
    heads = [task.untrained(corpus) for _ in range(2)]
    data = [task.data(head, corpus.train) for head in heads]
    for head, dataset in zip(heads, data):
        task.prepare(head, dataset)
    epoch = task.batches(heads[0], data[0])(0)
    batches = list(Batches(epoch.groups[:task.settings.steps], epoch.make))
    sides = {"ours": ours(task, heads[0], batches), "Keras": theirs(task, heads[1], batches)}
    seconds = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, train in sides.items():
            start = time.perf_counter()
            train()
            seconds[name].append(time.perf_counter() - start)
    mine, other = (sum(batch.tokens for batch in batches) / statistics.median(taken[1:])
                   for taken in seconds.values())
    return (f"| {task.name} | {corpus.name} | {task.settings.model} | {mine:,.0f} | {other:,.0f} "
            f"| {mine / other:.2f} |")


def main(name, arguments):
    both = options.settings(task=importlib.import_module(f"tasks.{name}.options").Settings,
                            benchmark=BenchmarkOptions)
    task = getattr(importlib.import_module(f"tasks.{name}.task"), name.capitalize())
    print("| task | corpus | model | tokens/s | with Keras's layers | ratio |\n|" + "---|" * 6)
    print(measured(task(cli.parse(both, arguments))))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in TASKS:
        main(sys.argv[1], sys.argv[1:])
    else:
        sys.exit(f"expected a task among {', '.join(TASKS)} as first argument, received {sys.argv[1:2]}")
