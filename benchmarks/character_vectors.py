"""Makes the vectors of Chinese characters that come with the package from a dictionary.

    python -m benchmarks.character_vectors dict.txt zoo/trained/characters-zh/vectors.txt.gz

`dict.txt` is that of jieba, "word frequency part-of-speech" a line. Contexts of a character are the other
characters of its words, for which a word counts √frequency, and its place in words of a length and a part
of speech, for which it counts twice that. The 8,000 characters with the largest sums of counts are kept.
Of their counts N [C, K]

    P_ck = max(0, log(N_ck·n / (N_c·M_k)))      M_k ∝ N_k^¾, Σ_k M_k = n = Σ N      P ≈ U·diag(s)·Vᵀ

a character's vector is its row of U·diag(√s), scaled to one length for all: the root of the mean square
of its numbers is 0.4. So no number is large.

Source: Levy & Goldberg 2014 (P); Levy, Goldberg & Dagan 2015 (M, √s, the length)
"""

import collections
import re
import sys

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from benchmarks.word_vectors import write
from tasks import cli

CHARACTERS, WIDTH, SIZE = 8000, 64, 0.4
CHINESE = re.compile("[\u4e00-\u9fff]+")


def main(arguments):
    """From one file to the other."""
    if len(arguments) != 2:
        raise ValueError(f"expected a dictionary and the file to write, received {len(arguments)} "
                         "arguments")
    found, counts = collections.Counter(), collections.Counter()
    with open(arguments[0], encoding="utf-8") as file:
        for character, context, count in (one for line in file for one in contexts(line)):
            counts[character, context] += count
            found[character] += count
    characters = [character for character, _ in found.most_common(CHARACTERS)]
    write(arguments[1], characters, vectors(counts, characters, WIDTH))


def contexts(line):
    """(character, context, count) of a line of the dictionary; none of a word in other letters too.

    >>> [context for _, context, _ in contexts("你好 9 l")]
    [('place', 0, 2, 'l'), (1, '好'), ('place', 1, 2, 'l'), (-1, '你')]
    """
    word, frequency, part = line.split()
    count = float(frequency) ** 0.5
    for n, character in enumerate(word if CHINESE.fullmatch(word) else ""):
        yield character, ("place", n, len(word), part), 2 * count
        for m, other in enumerate(word):
            if m != n:
                yield character, (m - n if abs(m - n) == 1 else "word", other), count


def vectors(counts, characters, width):
    """Vectors [N, width] of characters, of {(character, context): count}."""
    rows, columns = {character: n for n, character in enumerate(characters)}, {}
    cells = [(rows[character], columns.setdefault(context, len(columns)), count)
             for (character, context), count in counts.items() if character in rows]
    row, column, count = map(np.array, zip(*cells))
    total, smoothed = np.bincount(row, count), np.bincount(column, count) ** 0.75
    p = np.log(count * smoothed.sum() / (total[row] * smoothed[column]))
    kept = p > 0
    u, s, _ = scipy.sparse.linalg.svds(
        scipy.sparse.csr_matrix((p[kept], (row[kept], column[kept]))), width, random_state=0)
    found = (u * np.sign(u.sum(0)) * s ** 0.5)[:, ::-1]
    return found * SIZE / np.sqrt(np.mean(found ** 2, axis=1, keepdims=True))


if __name__ == "__main__":
    cli.guarded(lambda: main(sys.argv[1:]))
