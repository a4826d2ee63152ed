"""How fast a task trains, beside the same model from `keras.layers` under `fit`, on this machine.

    python -m benchmarks.tasks [--corpus=sample] [--epochs=3]

Both sides take turns in one process with the same batches, weights' shapes, dropout, optimiser settings
and clipping. This project's side is its own loop with averaged weights, as the task trains; Keras's side
is `fit` with AdamW. The first epoch of each compiles and is not counted.
"""

import statistics
import time
from unittest import mock

import zoo  # noqa: F401  before TensorFlow: it keeps the import quiet
import keras
import tensorflow as tf
from absl import app, flags

from tasks import command, loop, sentiment
from tasks.batches import Batches, bucketed
from tasks.objectives import OBJECTIVES
from zoo import classifier

FLAGS = flags.FLAGS
KERAS_CELLS = {"simple": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


def twin(network):
    """The same network with Keras's recurrent layer."""
    def recurrent(cell, units, layers, bidirectional, engine, return_sequences):
        layer = KERAS_CELLS[cell](units, return_sequences=return_sequences)
        return keras.layers.Bidirectional(layer) if bidirectional else layer

    with mock.patch.object(classifier, "recurrent", recurrent):
        return classifier.Classifier(**network.options)


def ours(head, batches):
    """A function that trains an epoch with this project's loop."""
    training = loop.Training(
        head.network, lambda targets, logits: OBJECTIVES[head.kind].loss(targets, logits, 0.1),
        lambda epoch: batches, loop.Settings(
            epochs=FLAGS.epochs, learning_rate=FLAGS.learning_rate, average=FLAGS.average,
            weight_decay=FLAGS.weight_decay, clip_norm=FLAGS.clip_norm))

    def epoch():
        for batch in batches:
            training.take(batch)
    return epoch


def theirs(head, batches):
    """A function that trains an epoch of the twin with `fit`."""
    network = twin(head.network)
    network.compile(
        keras.optimizers.AdamW(FLAGS.learning_rate, weight_decay=FLAGS.weight_decay,
                               global_clipnorm=FLAGS.clip_norm),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    inputs = tf.nest.map_structure(
        lambda array: tf.TensorSpec([None, None, *array.shape[2:]], array.dtype), batches[0].inputs)
    data = tf.data.Dataset.from_generator(
        lambda: ((batch.inputs, batch.targets) for batch in batches),
        output_signature=(inputs, tf.TensorSpec([None], tf.int32)))
    data = data.repeat().prefetch(2)
    return lambda: network.fit(data, epochs=1, steps_per_epoch=len(batches), shuffle=False, verbose=0)


def main(_):
    """Print tokens per second of both, and the ratio."""
    corpus = sentiment.TASK.load_corpus()
    command.fill(sentiment.TASK.recipe(corpus))
    head = sentiment.TASK.untrained(corpus)
    data = sentiment.TASK.data(head, corpus.train)
    if head.network.ratios:
        data.count(head.network)
    batches = list(Batches(bucketed(data.lengths, FLAGS.batch_size, 0, 0), data.batch))
    tokens = int(data.lengths.sum())
    sides = {"recurrent-zoo": ours(head, batches), "Keras fit": theirs(head, batches)}
    seconds = {name: [] for name in sides}
    for _ in range(1 + max(2, FLAGS.epochs)):
        for name, epoch in sides.items():
            start = time.perf_counter()
            epoch()
            seconds[name].append(time.perf_counter() - start)
    speed = {name: tokens / statistics.median(taken[1:]) for name, taken in seconds.items()}
    for name, value in speed.items():
        print(f"{name:14} {value:10,.0f} tokens/s   (engine: {head.network.engine_in_use})"
              if name == "recurrent-zoo" else f"{name:14} {value:10,.0f} tokens/s")
    print(f"ratio          {speed['recurrent-zoo'] / speed['Keras fit']:10.2f}")


if __name__ == "__main__":
    sentiment.TASK.define_flags()
    app.run(main)
