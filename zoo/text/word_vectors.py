"""Word vectors that others have trained, read from a text file."""

import gzip

import numpy as np


def read(path):
    """Vectors in the text format of GloVe, word2vec and fastText: a word and its numbers a line.

    A first line of two numbers, how many and how wide, is skipped, and so is a word that comes again.

    Args:    path  of the file, also of a .gz
    Returns: words, a list; their vectors [N, D] float32
    Raises:  FileNotFoundError; ValueError: a line of another width than the first, no word at all
    """
    words = {}
    with (gzip.open if str(path).endswith(".gz") else open)(path, "rt", encoding="utf-8",
                                                            errors="replace", newline="\n") as file:
        width = None
        for number, line in enumerate(file, 1):
            word, *vector = line.rstrip().split(" ")
            if number == 1 and len(vector) == 1:
                continue
            width = width or len(vector)
            if len(vector) != width:
                raise ValueError(f"{path}, line {number}: expected a word and {width} numbers, as in the "
                                 f"first line, received {len(vector)}")
            if word not in words:
                words[word] = _numbers(vector, path, number)
    if not words:
        raise ValueError(f"{path}: expected word vectors, a word and its numbers a line, received none")
    return list(words), np.stack(list(words.values()))


def _numbers(vector, path, number):
    try:
        return np.array(vector, np.float32)
    except ValueError:
        raise ValueError(f"{path}, line {number}: expected numbers after the word, received "
                         f"{' '.join(vector)[:60]!r}") from None


def into(embedding, vocabulary, words, vectors):
    """Put the vectors into the rows of their words; the other rows stay.

    Args:    embedding   a Keras embedding, built;   vocabulary  the tokens of its rows
    Raises:  ValueError: vectors of another width
    """
    table, row = np.array(embedding.embeddings), {token: n for n, token in enumerate(vocabulary)}
    if vectors.shape[1] != table.shape[1]:
        raise ValueError(f"vectors: expected them as wide as the embedding, {table.shape[1]}, received "
                         f"{vectors.shape[1]}; set --embedding={vectors.shape[1]}")
    chosen = [(row[word], vector) for word, vector in zip(words, vectors) if word in row]
    for n, vector in chosen:
        table[n] = vector
    embedding.embeddings.assign(table)
