"""The vectors of Chinese characters against the formula, in dense arrays."""

import doctest

import numpy as np
import pytest

from benchmarks import character_vectors
from benchmarks.character_vectors import SIZE, contexts, main, vectors
from zoo.text import word_vectors


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(character_vectors) == (0, 1)


def test_contexts_are_the_others_of_a_word_and_the_place_in_it():
    assert {(character, context): count for character, context, count in contexts("大学生 16 n")} == {
        ("大", ("place", 0, 3, "n")): 8, ("学", ("place", 1, 3, "n")): 8,
        ("生", ("place", 2, 3, "n")): 8, ("大", (1, "学")): 4, ("大", ("word", "生")): 4,
        ("学", (-1, "大")): 4, ("学", (1, "生")): 4, ("生", (-1, "学")): 4, ("生", ("word", "大")): 4}
    assert not list(contexts("T恤 9 n"))


def test_vectors_are_the_first_directions_of_the_positive_information():
    random = np.random.default_rng(0)
    n = random.integers(0, 5, (6, 9)) * random.integers(1, 9, (6, 9))
    counts = {(f"c{row}", column): count for (row, column), count in np.ndenumerate(n) if count}
    share = n.sum(0) ** 0.75 / (n.sum(0) ** 0.75).sum()
    with np.errstate(divide="ignore"):
        p = np.maximum(0, np.log(n / n.sum(1, keepdims=True) / share))
    u, s, _ = np.linalg.svd(p)
    gram = (u[:, :3] * s[:3]) @ u[:, :3].T
    gram /= np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    found = vectors(counts, [f"c{row}" for row in range(6)], 3)
    np.testing.assert_allclose(found @ found.T, gram * 3 * SIZE ** 2, atol=1e-6)


def test_a_file_is_made_of_a_dictionary(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(character_vectors, "WIDTH", 2)
    (tmp_path / "dict.txt").write_text("你好 9 l\n大学 4 n\n学生 4 n\nT恤 4 n\n", encoding="utf-8")
    main([str(tmp_path / name) for name in ("dict.txt", "v.txt.gz")])
    words, found = word_vectors.read(tmp_path / "v.txt.gz")
    assert set(words) == set("你好大学生") and found.shape == (5, 2)
    assert capsys.readouterr().out.startswith("5 words, 2 numbers each")
    with pytest.raises(ValueError, match="expected a dictionary and the file to write, received 1"):
        main(["dict.txt"])
