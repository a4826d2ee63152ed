"""How long records are read, beside Python's own `csv.reader`, and the memory that it takes.

    python -m benchmarks.reading [rows]

Prints, for one million rows of which some are quoted, the seconds of `csv.reader` and of
`tasks.reading.records`, their ratio (at most 3 is wanted), and the peak of the memory while the rows
are read one by one, as a multiple of the file's size.
"""

import csv
import pathlib
import random
import sys
import tempfile
import time
import tracemalloc

from tasks.reading import records

REPEATS = 3


def write(path, rows, seed=0):
    """A CSV file of texts and labels, every eighth text with a comma and quotes."""
    rng = random.Random(seed)
    words = ["tea", "bread", "rain", "street", "garden", "naïve", "window", "often", "never"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for n in range(rows):
            text = " ".join(rng.choices(words, k=12))
            writer.writerow([f'{text}, "{n}"' if n % 8 == 0 else f"{text} {n}", rng.choice("abcd")])


def plain(path):
    """Rows that csv.reader reads."""
    with open(path, newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file))


def read(path):
    """Rows that are read here; the header is one of them."""
    return sum(1 for _ in records.read(path, "rows").rows)


def seconds(function, path):
    """Of the processor, in the shortest of some runs."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        function(path)
        taken.append(time.process_time() - start)
    return min(taken)


def peak(path):
    """Bytes at the most while the rows are read."""
    tracemalloc.start()
    read(path)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def main(rows=1_000_000):
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.csv"
        write(path, rows)
        assert plain(path) == read(path) == rows + 1
        theirs, ours = seconds(plain, path), seconds(read, path)
        print(f"{rows:,} rows: csv.reader {theirs:.2f} s, records {ours:.2f} s, "
              f"{ours / theirs:.2f} times; memory {peak(path) / path.stat().st_size:.1f} times the file")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
