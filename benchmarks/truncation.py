"""What exact truncation costs, beside full backpropagation through time, on this machine.

    python -m benchmarks.truncation [--cells=LSTM] [--seconds=2] [--threads=2]

Forward and backward of a layer on the loop engine, which alone truncates; the full gradient and those
of `truncate=k` take turns in one process. The error of every step goes its own way back, so k + 1 rounds
over all steps at once replace the loop over time. Prints Markdown: the median milliseconds of the full
gradient, and how many times as long the others take.
"""

import os
import statistics
import sys

import zoo
import tensorflow as tf

from benchmarks.layers import Case, Settings, layer_function, take_turns
from tasks import cli

SHAPES = ((1, 100, 128), (32, 100, 128))
LENGTHS = (None, 1, 4, 16)


def row(case, seconds):
    """A line of the table: one case, all truncation lengths."""
    cell, options = getattr(zoo, case.cell), {"return_sequences": True, "engine": "loop"}
    layers = {k: cell(case.shape[-1], truncate=k, **options) for k in LENGTHS}
    times = take_turns({k: layer_function(layer, case) for k, layer in layers.items()}, seconds)
    full, *others = (statistics.median(times[k]) for k in LENGTHS)
    return f"| {case.cell} | {case.shape} | {full:.2f} | " + " | ".join(
        f"{other / full:.2f}×" for other in others) + " |"


def main(settings):
    threads = settings.threads or len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    print("| cell | B, T, H | full, ms | " + " | ".join(f"truncate={k}" for k in LENGTHS[1:]) + " |")
    print("|---" * (len(LENGTHS) + 2) + "|")
    for name in settings.cells:
        for shape in SHAPES:
            print(row(Case(name, shape, "training"), settings.seconds), flush=True)


if __name__ == "__main__":
    main(cli.parse(Settings, sys.argv))
