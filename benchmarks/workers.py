"""What training on several workers sends, and how it scales from there.

    python -m benchmarks.workers

Two workers on this machine train each task's network at the size of its recipe for real corpora; counted
are the bytes on the loopback interface, so nothing else should use it. The shares of the time that is
spent on computing follow from the parameters: with N workers in a ring each sends 2 (N − 1) / N · 4 bytes
a parameter and step (Patarasuk & Yuan 2009), and computes nothing meanwhile. Each worker has a batch of
its own of the size that one process has, so that its step takes as long.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import time


STEPS = 30
WORKERS, GIGABITS = (2, 8, 64), (1, 25)
CASES = {
    "sentiment": {"model": "bilstm", "batch_size": 64},
    "tagging": {"model": "wide_bilstm_char_crf", "batch_size": 32},
    "generation": {"model": "char_rnn", "units": 512, "batch_size": 64, "window": 128},
    "translation": {"model": "lstm_luong", "units": 256, "batch_size": 64}}
OWN = [sys.executable, "-m", "benchmarks.workers"]


def one(name):
    """In a worker: take steps, and print what they took as JSON."""
    from tasks.training import loop, workers
    workers.join()
    options = importlib.import_module(f"tasks.{name}.options").Settings.of(
        corpus="sample", output_dir=os.environ["FOLDER"], **CASES[name])
    task = getattr(importlib.import_module(f"tasks.{name}.task"), name.capitalize())(options)
    corpus = task.load_corpus()
    head, _ = task.begun(corpus)
    data = task.datasets(head, corpus, ("train",))["train"]
    task.prepare(head, data)    # what is fitted before is not sent
    training = loop.Training(task.trained(head), task.loss(head), task.batches(head, data),
                             loop.Settings())
    batches = task.batches(head, data)(0)
    chosen = [batches[n % len(batches)] for n in range(STEPS)]
    for batch in chosen:        # each length is traced once
        training.take(batch)
    workers.wait()
    before, start = sent(), time.perf_counter()
    for batch in chosen:
        training.take(batch)
    seconds, count = time.perf_counter() - start, workers.count()
    if workers.is_chief():
        size = sum(weight.numpy().size for weight in head.network.trainable_weights)
        print("FOUND", json.dumps({"parameters": size, "seconds": seconds / STEPS,
                                   "bytes": (sent() - before) / STEPS / count}), flush=True)


def sent():
    """Bytes that the loopback interface has sent."""
    lines = pathlib.Path("/proc/net/dev").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[9]) for line in lines if line.split()[0] == "lo:")


def measured(name, count, folder):
    """What `one` prints of `count` workers."""
    command = [*OWN, name]
    if count > 1:
        command = [sys.executable, "-c", f"from tasks.training import launch; launch.launch({count}, "
                   f"{command!r})"]
    done = subprocess.run(command, env={**os.environ, "FOLDER": str(folder)}, capture_output=True,
                          check=True, encoding="utf-8")
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("FOUND"))[6:])


def efficiency(seconds, parameters, workers, gigabits):
    """The share of the time that is not spent on sending.

    >>> round(efficiency(0.1, 1_000_000, 2, 1), 3)      # 4 MB at 125 MB a second: 32 ms
    0.758
    """
    sending = 2 * (workers - 1) / workers * 4 * parameters * 8 / (gigabits * 1e9)
    return seconds / (seconds + sending)


def main():
    """Print the table."""
    import tempfile
    columns = [f"{n} workers, {g} Gbit/s" for g in GIGABITS for n in WORKERS]
    first = ["task", "parameters", "MB sent a step, counted", "4 bytes a parameter, MB", "ms a step"]
    print(f"| {' | '.join([*first, *columns])} |")
    print("|---" * (5 + len(columns)) + "|")
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            alone, two = (measured(name, count, pathlib.Path(folder) / str(count)) for count in (1, 2))
        shares = [efficiency(alone["seconds"], alone["parameters"], n, g)
                  for g in GIGABITS for n in WORKERS]
        print(f"| {name} | {alone['parameters']:,} | {two['bytes'] / 1e6:.2f} | "
              f"{4 * alone['parameters'] / 1e6:.2f} | {1e3 * alone['seconds']:.0f} | "
              + " | ".join(f"{share:.0%}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    one(sys.argv[1]) if len(sys.argv) > 1 else main()
