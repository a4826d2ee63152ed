"""Makes the English word vectors that come with the package from a file of GloVe.

    python -m benchmarks.word_vectors glove.6B.100d.top120k.txt.gz zoo/trained/words-en/vectors.txt.gz

The first 30,000 words without digits, at the 64 directions in which they differ most: rows X [N, 100] →
X·D, D [100, 64] the eigenvectors of XᵀX with the largest values. A number has two decimals.
"""

import gzip
import re
import sys

import numpy as np

from tasks import cli
from zoo.text import word_vectors

WORDS, WIDTH = 30_000, 64
WORD = re.compile(r"[a-z]+|[^\w\s]")


def main(arguments):
    """From one file to the other."""
    if len(arguments) != 2:
        raise ValueError(f"expected a file of GloVe and the file to write, received {len(arguments)} "
                         "arguments")
    words, vectors = word_vectors.read(arguments[0])
    rows = [n for n, word in enumerate(words) if WORD.fullmatch(word)][:WORDS]
    write(arguments[1], [words[row] for row in rows], narrowed(vectors[rows], WIDTH))


def write(path, words, vectors):
    """Words and their vectors as a gzipped text, the same bytes each time."""
    lines = [" ".join([word, *map(short, numbers)]) for word, numbers in zip(words, vectors)]
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="",
                                                 mtime=0) as packed:
        packed.write("".join(f"{line}\n" for line in lines).encode())
    print(f"{len(lines):,} words, {vectors.shape[1]} numbers each: {path}")


def narrowed(vectors, width):
    """Vectors [N, D] in the directions of the largest eigenvalues, whose sums are above 0: [N, width].

    >>> narrowed(np.array([[3.0, 4.0], [6.0, 8.0]]), 1).round(6).tolist()
    [[5.0], [10.0]]
    """
    _, directions = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    directions = directions[:, ::-1][:, :width]
    return vectors @ (directions * np.sign(directions.sum(0)))


def short(number):
    """Two decimals, without the zeros around them.

    >>> [short(number) for number in (0.5, -0.254, 3.0, 0.001)]
    ['.5', '-.25', '3', '0']
    """
    return re.sub(r"^(-?)0\.", r"\1.", f"{number:.2f}".rstrip("0").rstrip("."))


if __name__ == "__main__":
    cli.guarded(lambda: main(sys.argv[1:]))
