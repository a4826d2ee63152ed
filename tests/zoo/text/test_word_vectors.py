"""Word vectors from text files."""

import gzip

import keras
import numpy as np
import pytest

from zoo.text import word_vectors

LINES = "the 0.5 -1\nBoston 1e-2 2\nthe 9 9\n"


@pytest.mark.parametrize("header", ["", "3 2\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_gives_the_words_and_their_first_vectors(tmp_path, header, packed):
    path = tmp_path / ("vectors.txt" + ".gz" * packed)
    (gzip.open if packed else open)(path, "wt").write(header + LINES)
    words, table = word_vectors.read(path)
    assert words == ["the", "Boston"]
    np.testing.assert_array_equal(table, np.array([[0.5, -1], [0.01, 2]], np.float32))


@pytest.mark.parametrize("content, message", [
    ("a 1 2\nb 1\n", "line 2: expected a word and 2 numbers"), ("a 1 x\n", "line 1: expected numbers"),
    ("", "received none")])
def test_a_broken_file_is_one_clear_line(tmp_path, content, message):
    (tmp_path / "v.txt").write_text(content)
    with pytest.raises(ValueError, match=message):
        word_vectors.read(tmp_path / "v.txt")


def test_vectors_go_into_the_rows_of_their_words():
    embedding = keras.layers.Embedding(4, 2)
    embedding.build((None, None))
    before = np.array(embedding.embeddings)
    table = np.array([[1., 2], [3, 4]])
    word_vectors.into(embedding, ["[PAD]", "[UNK]", "Boston", "x"], ["the", "Boston"], table)
    after = np.array(embedding.embeddings)
    np.testing.assert_array_equal(after[2], [3, 4])
    np.testing.assert_array_equal(after[[0, 1, 3]], before[[0, 1, 3]])
    with pytest.raises(ValueError, match="--embedding=3"):
        word_vectors.into(embedding, ["a"], ["a"], np.ones([1, 3]))
