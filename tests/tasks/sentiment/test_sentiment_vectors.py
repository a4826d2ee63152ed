"""Classification with word vectors that others have trained."""

import numpy as np
import pytest

from tasks.reading.corpus import Corpus
from tasks.reading.splits import Example
from tasks.sentiment import dataset
from tasks.sentiment.options import Settings
from tasks.sentiment.task import Sentiment
from tasks.tagging.options import Settings as TaggingSettings
from tasks.tagging.task import Tagging
from zoo import trained
from zoo.text import word_vectors

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


LONG = "good things take time " * 50


@pytest.mark.parametrize("texts, labels, expected", [
    (["fine tea"] * 1999, "ab", {"batch_size": 16, "corrects": False, "window": None}),
    (["fine tea"] * 2000, "ab", {"batch_size": 64, "corrects": False}),
    (["fine tea"] * 2000, "abcdef", {"model": "nb_bilstm_cnn"}),
    (["fine tea"] * 2000, "abcdefg", {"batch_size": 64, "corrects": False}),
    ([LONG] * 1999, "ab", {"window": 50}), ([LONG] * 1999, "abcdefg", {"window": 50}),
    (["fine tea"] * 2000, "", {"corrects": True})])
def test_the_recipe_with_vectors_follows_from_texts_and_labels(texts, labels, expected):
    corpus = Corpus("mine", [Example(text, "a") for text in texts], [], [], "", list(labels),
                    regression=not labels)
    found = Sentiment(Settings.of(vectors="v.txt")).recipe(corpus)
    assert {name: found.get(name) for name in expected} == expected and found["vectors"] == "v.txt"


GOOD = "What a good film, I don't say!"


@pytest.mark.parametrize("text, options, expected", [
    (GOOD, {}, "words-en"), ("Was für ein guter Film!", {}, None), ("很好", {}, None),
    (GOOD, {"vectors": "none"}, "none"), (GOOD, {"model": "linear"}, None), (GOOD, {"layers": 0}, None),
    (GOOD, {"tokenizer": "subword"}, None)])
def test_english_texts_take_the_vectors_of_the_package(text, options, expected):
    corpus = Corpus("mine", [Example(text, "a")] * 9, [], [], "", ["a", "b"])
    found = Sentiment(Settings.of(**options)).recipe(corpus)
    assert found.get("vectors") == expected
    assert found["learning_rate"] == (3e-3 if expected == "words-en" else 1e-3)


def test_a_model_that_is_named_is_that_of_the_table():
    corpus = Corpus("mine", [Example(GOOD, "a")] * 9, [], [], "", ["a", "b"])
    names = {"ensemble", "embedding", "corrects", "word_dropout"}
    assert names <= set(Sentiment(Settings.of()).recipe(corpus))
    assert not names & set(Sentiment(Settings.of(model="bilstm")).recipe(corpus))


def test_several_labels_are_learnt_beside_n_grams_however_many_there_are():
    corpus = Corpus("mine", [Example(GOOD, ("a",))] * 2000, [], [], "", list("abcd"), multi_label=True)
    assert Sentiment(Settings.of()).recipe(corpus)["model"] == "linear_bilstm"


def test_tuning_compares_vectors_with_none_where_there_are_any():
    without = {"vectors": "none"}
    for task in (Sentiment(Settings.of()), Tagging(TaggingSettings.of())):
        assert without in task.candidates({"vectors": "words-en"})
        assert without not in task.candidates({})


def test_vectors_of_an_earlier_model_stay_unless_none_are_wanted(begun, tmp_path):
    head, corpus = begun(model="bilstm")
    head.save(tmp_path / "earlier")
    for vectors, width in ((None, 2), ("none", 0)):
        task = Sentiment(Settings.of(output_dir=str(tmp_path / "next"), overwrite=True, vectors=vectors,
                                     init_from=str(tmp_path / "earlier")))
        task.follow_earlier()
        new = task.begun(corpus)[0]
        assert new.network.vector_width == width
        assert new.network.learnt == head.network.learnt < len(head.text)


def test_pieces_of_words_have_no_vectors(begun):
    with pytest.raises(ValueError, match="vectors: expected tokens that are words, received .*'subword'"):
        begun(tokenizer="subword", min_count=1)


def test_n_grams_alone_read_no_vectors(begun):
    with pytest.raises(ValueError, match="vectors: expected a model with an embedding, .* n-grams alone"):
        begun(model="linear", ensemble=1)


def test_the_vectors_of_the_package_are_30000_words_of_64_numbers():
    words, vectors = word_vectors.read(trained.word_vectors("words-en"))
    assert vectors.shape == (30_000, 64) and words[:4] == ["the", ",", ".", "of"]
    table = {word: vector / np.linalg.norm(vector) for word, vector in zip(words, vectors)}
    near = {word: float(table["good"] @ table[word]) for word in ("bad", "great", "copper", "zoning")}
    assert min(near["bad"], near["great"]) > 0.6 > 0.4 > max(near["copper"], near["zoning"])


def test_those_of_characters_are_8000_of_64_numbers():
    characters, vectors = word_vectors.read(trained.word_vectors("characters-zh"))
    assert vectors.shape == (8000, 64) and all("一" <= character <= "鿿" for character in characters)
    table = {character: vector / np.linalg.norm(vector) for character, vector in zip(characters, vectors)}
    near = {other: float(table["李"] @ table[other]) for other in "陈王茶跑"}    # two more surnames
    assert min(near["陈"], near["王"]) > 0.7 > 0.4 > max(near["茶"], near["跑"])
