"""How many texts a second `tasks.batch` answers on this machine, beside the SavedModel itself.

    python -m benchmarks.batch runs/sentiment --texts=1000000

The texts are those of the built-in sample, over and over. The SavedModel gets them in batches of texts of
the same length, on one core, without reading or writing; the share is that of its rate on all cores.
"""

import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from tasks import loaded
from tasks.sentiment import corpora

SHARDS, BATCH, ALONE = 20, 512, 20_000


def written(folder, texts, count):
    """Write shards of `count` texts in all."""
    every, each = itertools.cycle(texts), -(-count // SHARDS)
    for shard in range(SHARDS):
        with open(folder / f"{shard:02}.jsonl", "w", encoding="utf-8") as file:
            for n in range(shard * each, min(count, (shard + 1) * each)):
                file.write(json.dumps({"id": n, "text": next(every)}) + "\n")


def rate_of_shards(run, folder, output, cores, count):
    """Texts a second of `tasks.batch`; each must have been answered once, in order."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tasks.batch", run, f"--input={folder}/*.jsonl",
                    f"--output={output}", f"--workers={cores}"], check=True, stdout=subprocess.DEVNULL)
    seconds, ids = time.perf_counter() - start, []
    for path in sorted(output.glob("*.jsonl")):
        ids += [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]
    if ids != list(range(count)):
        raise ValueError("expected each text once, in order, received others")
    return count / seconds


def rate_of_saved_model(run, texts):
    """Texts a second of the SavedModel on one core."""
    from export import quiet
    tf = quiet.import_tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    path = loaded.newest(pathlib.Path(run) / "saved_model")
    answer = tf.saved_model.load(str(path)).signatures["serving_default"]
    texts = sorted(itertools.islice(itertools.cycle(texts), ALONE), key=lambda text: len(text.split()))
    batches = [tf.constant(texts[n:n + BATCH]) for n in range(0, ALONE, BATCH)]
    name = list(answer.structured_input_signature[1])[0]
    for _ in range(2):       # the first traces and warms up
        start = time.perf_counter()
        for batch in batches:
            answer(**{name: batch})
    return ALONE / (time.perf_counter() - start)


def main():
    """Print both rates."""
    parser = argparse.ArgumentParser("python -m benchmarks.batch")
    parser.add_argument("run")
    parser.add_argument("--texts", type=int, default=1_000_000)
    flags = parser.parse_args()
    texts, cores = [text for text, _ in corpora.load("sample").train], os.cpu_count()
    with tempfile.TemporaryDirectory() as folder:
        shards, output = pathlib.Path(folder) / "shards", pathlib.Path(folder) / "answers"
        shards.mkdir()
        written(shards, texts, flags.texts)
        found = rate_of_shards(flags.run, shards, output, cores, flags.texts)
    alone = rate_of_saved_model(flags.run, texts)
    print(f"tasks.batch: {found:,.0f} texts a second on {cores} cores; the SavedModel: {alone:,.0f} on "
          f"one; {found / alone / cores:.0%} of {cores} times that")


if __name__ == "__main__":
    main()
