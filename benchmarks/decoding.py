"""How many sentences a second a trained translator writes, on this machine.

    python -m benchmarks.decoding --output_dir=runs/multi30k [--batch=32] [--rounds=3]

The sources of the validation part, similar lengths together, by the network in Keras greedily and by
beam search, by the SavedModel by beam search. Prints Markdown: the median of the rounds after the first,
which compiles.
"""

import statistics
import time

import zoo
import numpy as np
import tensorflow as tf
from absl import app, flags

from export import saved_model
from tasks.translation import flags as translation_flags, task

FLAGS = flags.FLAGS


def systems(run, width, alpha):
    """{name: function of a batch of strings}."""
    head, loaded = zoo.load(run.folder), saved_model.load(run.folder / "saved_model")
    beam = {"width": np.int32(width), "alpha": np.float32(alpha)}
    keras = tf.function(lambda text: head.n_best(text, **beam), reduce_retracing=True)
    greedy = tf.function(lambda text: head.n_best(text, 1), reduce_retracing=True)
    return {"Keras, greedy": greedy, f"Keras, beam {width}": keras,
            f"SavedModel, beam {width}": lambda text: loaded["n_best"](text=text, **beam)}


def seconds(translate, batches):
    start = time.perf_counter()
    for batch in batches:
        translate(batch)
    return time.perf_counter() - start


def main(_):
    run, corpus = task.TASK.again()
    texts = sorted((source for source, _ in corpus.validation), key=len)
    batches = [tf.constant(texts[n:n + FLAGS.batch]) for n in range(0, len(texts), FLAGS.batch)]
    print(f"| {len(texts):,} sentences, {FLAGS.batch} at a time | sentences/s |\n|---|---|")
    for name, translate in systems(run, FLAGS.width, FLAGS.alpha).items():
        rounds = [seconds(translate, batches) for _ in range(1 + FLAGS.rounds)][1:]
        print(f"| {name} | {len(texts) / statistics.median(rounds):,.0f} |", flush=True)


if __name__ == "__main__":
    translation_flags.define()
    flags.DEFINE_integer("batch", 32, "Sentences at a time.", 1)
    flags.DEFINE_integer("rounds", 3, "Rounds that count.", 1)
    app.run(main)
