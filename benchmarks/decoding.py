"""How many sentences a second a trained translator writes, on this machine.

    python -m benchmarks.decoding --output_dir=runs/multi30k [--batch=32] [--rounds=3]

The sources of the validation split, similar lengths together, by the network in Keras greedily and by
beam search, by the SavedModel by beam search. Prints Markdown: the median of the rounds after the first,
which compiles.
"""

import dataclasses
import statistics
import sys
import time

import zoo
import numpy as np
import tensorflow as tf

from export import saved_model
from tasks import cli, options
from tasks.translation.options import Settings
from tasks.translation.task import Translation
from zoo.options import Options, option


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions(Options):
    """Of this program alone."""

    batch: int = option(32, "Sentences in a batch.", least=1)
    rounds: int = option(3, "Number of rounds that count.", least=1)


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


def main(settings):
    run, corpus = Translation(settings).again()
    texts = sorted((source for source, _ in corpus.validation), key=len)
    batches = [tf.constant(texts[n:n + settings.batch]) for n in range(0, len(texts), settings.batch)]
    print(f"| {len(texts):,} sentences, {settings.batch} at a time | sentences/s |\n|---|---|")
    for name, translate in systems(run, settings.width, settings.alpha).items():
        rounds = [seconds(translate, batches) for _ in range(1 + settings.rounds)][1:]
        print(f"| {name} | {len(texts) / statistics.median(rounds):,.0f} |", flush=True)


if __name__ == "__main__":
    main(cli.parse(options.settings(task=Settings, benchmark=BenchmarkOptions), sys.argv))
