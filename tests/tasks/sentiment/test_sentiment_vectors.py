"""Classification with word vectors that others have trained."""

import numpy as np
import pytest

from tasks.reading.corpus import Corpus
from tasks.reading.splits import Example
from tasks.sentiment import dataset
from tasks.sentiment.options import Settings
from tasks.sentiment.task import Sentiment

TEXTS = ["The tea isn't warm", "the tea was cold", "the Zyx was warm"]
VECTORS = {"the": [1, 2], "is": [3, 4], "n't": [5, 6], "cold": [7, 8], "of": [9, 1], "well-known": [2, 3],
           "soup": [4, 5], "Was": [6, 7], "late": [8, 9]}


@pytest.fixture
def begun(tmp_path):
    """Options → a head that has not been trained yet, with the vectors of a file."""
    (tmp_path / "v.txt").write_text("".join(f"{word} {a} {b}\n" for word, (a, b) in VECTORS.items()))
    examples = [*map(Example, TEXTS * 9, "aba" * 9), Example("the once cold", "b")]
    corpus = Corpus("mine", examples, [], [], "", ["a", "b"])

    def begun(**options):
        task = Sentiment(Settings.of(output_dir=str(tmp_path / "run"), overwrite=True,
                                     **{"vectors": str(tmp_path / "v.txt"), "units": 3, **options}))
        return task.begun(corpus)[0], corpus
    return begun


def test_words_of_training_and_the_first_of_the_file_have_rows(begun):
    head, _ = begun(min_count=10, vector_words=5)
    learnt = {"the", "tea", "was", "warm", "cold"}
    words = head.text.vocabulary[2:]
    assert set(words[:5]) == learnt and head.network.learnt == 7
    # In training too seldom to be learnt, but with a vector; then the file's, those that are one token.
    assert words[5:] == ["isn't", "is", "n't", "of"]
    row = dict(zip(head.text.vocabulary, np.array(head.network.vectors.table.embeddings).tolist()))
    assert row["the"] == [1, 2] and row["isn't"] == [4, 5] and row["of"] == [9, 1]
    assert row["tea"] == row["[UNK]"] == [0, 0]


def test_a_word_that_training_lacks_is_told_from_another(begun):
    head, _ = begun()
    states = head.embed(["soup", "late", "qqq", "zzz"])["representation"].numpy()
    apart = [np.abs(states[n] - states[n + 1]).max() for n in range(3)]
    assert apart[0] > 0.01 < apart[1] and apart[2] == 0


def test_no_words_but_those_of_training_have_rows_if_none_are_wanted(begun):
    head, _ = begun(vector_words=0)
    assert not {"soup", "late", "of"} & set(head.text.vocabulary)


def test_counts_of_training_are_those_of_a_model_without_vectors(begun):
    head, corpus = begun(model="nb_bilstm", min_count=2)
    plain, _ = begun(model="nb_bilstm", min_count=2, vectors=None)
    for one in (head, plain):
        data = dataset.SingleLabel(one, corpus.train)
        data.count(one.network, 0)
        one.batch = data.batch([0, 1, 27])
    np.testing.assert_array_equal(head.network.ratios.words, plain.network.ratios.words)
    np.testing.assert_array_equal(head.network.ratios.pairs, plain.network.ratios.pairs)
    np.testing.assert_array_equal(head.batch.inputs["ratios"], plain.batch.inputs["ratios"])


@pytest.mark.parametrize("texts, name, model", [
    (1999, "mine", "bilstm"), (2000, "mine", "linear_bilstm"), (5000, "qc", "nb_bilstm_cnn")])
def test_the_recipe_with_vectors_follows_from_the_number_of_texts(texts, name, model):
    corpus = Corpus(name, [Example("x", "a")] * texts, [], [], "", ["a", "b"])
    found = Sentiment(Settings.of(vectors="v.txt")).recipe(corpus)
    assert found["model"] == model


def test_pieces_of_words_have_no_vectors(begun):
    with pytest.raises(ValueError, match="vectors: expected tokens that are words, received .*'subword'"):
        begun(tokenizer="subword", min_count=1)
