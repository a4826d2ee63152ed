"""How much memory training on a corpus of shards takes, whatever its size.

    python -m benchmarks.sharded --gigabytes=5 --steps=200

Writes a classification corpus of made-up words in shards of 50 MB, surveys it, takes some training steps
over it, evenly from its whole epoch, and prints the seconds of each part and the most memory that the
process has taken. Linux and macOS only.
"""

import argparse
import csv
import pathlib
import resource
import sys
import tempfile
import time

import numpy as np

from tasks.sentiment.options import Settings
from tasks.sentiment.task import Sentiment
from tasks.training import loop

SHARD = 50_000_000      # bytes
WORDS, LENGTH, LABELS = 50_000, 60, 4


def written(folder, size):
    """Shards of so many bytes together: texts of words as frequent as Zipf has them, and labels."""
    draw, words = np.random.default_rng(0), np.array([f"w{n}" for n in range(WORDS)])
    p = 1 / np.arange(1, WORDS + 1)
    for number in range(max(1, round(size / SHARD))):
        with open(folder / f"{number:04}.csv", "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["text", "label"])
            while file.tell() < SHARD:
                texts = draw.choice(words, [1000, LENGTH], p=p / p.sum())
                table.writerows([" ".join(text), f"label {len(text[0]) % LABELS}"] for text in texts)


def megabytes():
    """The most memory that this process has taken."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def said(what, start):
    """Print what a part took."""
    seconds = time.perf_counter() - start
    print(f"{what}: {seconds:.0f} s, {megabytes():,.0f} MB at the most so far", flush=True)


def main():
    """Print what each part takes."""
    parser = argparse.ArgumentParser("python -m benchmarks.sharded")
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--steps", type=int, default=200)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "shards").mkdir()
        start = time.perf_counter()
        written(folder / "shards", flags.gigabytes * 1e9)
        said("writing the shards", start)
        trained(f"{folder}/shards/*.csv", folder / "run", flags.steps)


def trained(pattern, folder, steps):
    """Take some steps on a pattern of shards."""
    start = time.perf_counter()
    task = Sentiment(Settings.of(corpus=pattern, output_dir=str(folder)))
    corpus = task.load_corpus()
    said(f"survey of {len(corpus.stream):,} texts", start)
    start = time.perf_counter()
    head, _ = task.begun(corpus)
    data = task.datasets(head, corpus)
    batches = task.batches(head, data["train"])
    training = loop.Training(head.network, task.loss(head), batches, loop.Settings(epochs=1))
    said("vocabulary and data of the sample", start)
    start, epoch = time.perf_counter(), batches(0)
    groups = len(epoch.starts) - 1
    for step in range(steps):       # a few in each of some groups, so that shards come and go
        group = step // 20 * groups // -(-steps // 20)
        training.take(epoch[int(epoch.starts[group]) + step % 20])
    said(f"{steps} of {len(epoch):,} steps", start)


if __name__ == "__main__":
    main()
