"""Word vectors from text files."""

import gzip

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


WORDS = ["the", ". . .", "at name@domain.com", "3.14", "2000", "nan", "\u2028", "很好", "#", "a\u00a0b"]


@pytest.mark.parametrize("dress", [
    str, lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text,
    lambda text: text.rstrip("\n"),
    lambda text: text.replace("\n", " \n"), lambda text: text.replace("\n", "\n\n")])
@pytest.mark.parametrize("separator", [" ", "\t", "  "])
@pytest.mark.parametrize("header", ["", "{n} 3\n"])
def test_the_last_cells_are_the_numbers_and_the_rest_is_the_word(tmp_path, header, separator, dress):
    """Words with spaces, as GloVe 840B has them; spaces or tabs; word2vec's first line."""
    table = np.random.default_rng(0).normal(size=(len(WORDS), 3)).astype(np.float32)
    rows = [separator.join([word, *map(str, row)]) + "\n" for word, row in zip(WORDS, table.tolist())]
    text = header.format(n=len(WORDS)) + "".join(rows)
    (tmp_path / "v.txt").write_text(dress(text), encoding="utf-8", newline="")
    words, vectors = word_vectors.read(tmp_path / "v.txt")
    assert words == WORDS
    np.testing.assert_array_equal(vectors, table)


def test_the_width_is_that_of_most_lines(tmp_path):
    (tmp_path / "v.txt").write_text(". . . 0.4 0.5 0.6\nthe 0.1 0.2 0.3\n")
    assert word_vectors.read(tmp_path / "v.txt")[0] == [". . .", "the"]


def test_words_that_are_empty_or_not_utf_8_are_skipped(tmp_path):
    (tmp_path / "v.txt").write_bytes(b"the 1 2\n 3 4\n\xff 5 6\n\xc2\xa0 7 8\nof 9 9\n")
    words, vectors = word_vectors.read(tmp_path / "v.txt")
    assert words == ["the", "\u00a0", "of"] and vectors.tolist() == [[1, 2], [7, 8], [9, 9]]


def test_a_gzip_file_is_known_by_its_content(tmp_path):
    data = gzip.compress(LINES.encode())
    (tmp_path / "v.txt").write_bytes(data)
    assert word_vectors.read(tmp_path / "v.txt")[0] == ["the", "Boston"]
    (tmp_path / "v.txt").write_bytes(data[:-9])
    with pytest.raises(ValueError, match="v.txt: expected a whole gzip file.*restore it"):
        word_vectors.read(tmp_path / "v.txt")


@pytest.mark.parametrize("content, message", [
    ("a 1 2\nb 1\n", "line 2: expected a word and 2 numbers"), ("a 1 x\n", "line 1: expected numbers"),
    ("", "received none"), ("\n \n", "received none"), ("2 2\n", "received none"),
    ("the\nof\n", "line 1: expected numbers after the word, received 'the'"),
    ("2 0\nthe\nof\n", "line 1: expected a width of at least 1, received '2 0'"),
    ("2 3\nthe 1 2\nof 1 2\n", "line 2: expected a word and 3 numbers, received 'the 1 2'"),
    ("a 1 2\nb 1 2 3\nc 1 2\n", "line 2: expected a word and 2 numbers, received 'b 1 2 3'"),
    ("a 1 2\n1 2\nc 1 2\n", "line 2: expected a word and 2 numbers, received '1 2'"),
    ("a 1 2\nb 1 x\n", "line 2: expected a word and 2 numbers, received 'b 1 x'"),
    ("a 1 2\nb 1,5 2\n", "line 2: expected a word and 2 numbers"),
    ("a 1 2\nb 1 nan\n", "line 2: expected a word and 2 numbers, received 'b 1 nan'"),
    ("a 1 2\nb -inf 1\n", "line 2: expected a word and 2 numbers"),
    ("a 1 2\nb 1 1e50\n", "line 2: expected a word and 2 numbers"),
    ("2 2\na \0\1\2\3\n", "line 2: expected .* received a binary file; convert it to text"),
    ("PK\3\4\0\0", "line 1: expected .* received a binary file.*unpack it"),
])
def test_a_broken_file_is_one_clear_line(tmp_path, content, message):
    (tmp_path / "v.txt").write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        word_vectors.read(tmp_path / "v.txt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("word, expected", [
    ("us", [1, 0]), ("US", [3, 4]), ("Us", [1, 0]), ("usa", [0, 0]), ("Boston", [5, 6]),
    ("boston", [0, 0]), ("don't", [2, 5]), ("Don't", [2, 5]), ("can't", [0, 0]), ("us's", [0, 0]),
    ("[PAD]", [0, 0])])
def test_a_word_is_looked_up_as_it_stands_then_in_lower_case_then_in_parts(word, expected):
    words = ["us", "US", "Boston", "do", "n't"]
    table = word_vectors.Table(words, [[1, 0], [3, 4], [5, 6], [4, 2], [0, 8]])
    assert table.rows(["x", word]).tolist() == [[0, 0], expected] and table.width == 2


def test_the_words_of_a_vocabulary_keep_their_vectors_bit_for_bit():
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    rows = word_vectors.Table(["a", "b", "c"], vectors).rows(["c", "a", "z"])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, [vectors[2], vectors[0], np.zeros(4)])
