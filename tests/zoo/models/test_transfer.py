"""A head that starts from another: rows and columns go by the names of words and labels."""

import numpy as np
import pytest

from conftest import slow_but
from zoo.models.classifier import Classifier, TextClassifier
from zoo.models.language_model import Generator, TextGenerator
from zoo.models.tagger import Tagger, TextTagger
from zoo.models.translator import TextTranslator, Translator
from zoo.text.subwords import Subwords
from zoo.text.text_pair import TextPair
from zoo.text.token_features import Tokens
from zoo.text.tokenizer import Text

NEW = 7.0       # what the weights of a head are before it starts from another
TEXTS = ["a good film, not bad", "a bad film"]
BAYES = {"naive_bayes": True, "filters": 2, "pooling": "max+attention", "ensemble": 2}


def classified(labels=("bad", "good"), more=(), fill=None, **options):
    text = Text.learn(TEXTS)
    text = Text.learn([*more]).after(text) if more else text
    network = Classifier(len(text), len(labels), units=4, embedding=3, **options)
    return filled(TextClassifier(network, text, labels), fill)


def tagged(labels=("B-X", "I-X", "O"), more=(), fill=None, **options):
    text = Tokens.learn([["a", "good", "Film"]])
    text = Tokens.learn([list(more)]).after(text) if more else text
    options = {"units": 4, "embedding": 3, "characters": "cnn", "character_embedding": 3,
               "character_units": 2, "affixes": 2, "shapes": True, **options}
    network = Tagger(len(text.words), labels, "BIO", alphabet_size=len(text.alphabet), **options)
    return filled(TextTagger(network, text), fill)


def generated(labels=(), more=(), fill=None, **options):
    text = Subwords.learn(["sing o muse"], "character")
    text = Subwords.learn(list(more), "character").after(text) if more else text
    network = Generator(len(text), labels, units=4, embedding=3, **options)
    return filled(TextGenerator(network, text), fill)


def translated(more=(), fill=None, **options):
    sides = [Subwords.learn([text], "word") for text in ("ja nein", "yes no")]
    text = TextPair(*sides)
    if more:
        text = TextPair(*(Subwords.learn([one], "word") for one in more)).after(text)
    network = Translator(len(text.source), len(text.target), units=4, embedding=3, **options)
    return filled(TextTranslator(network, text), fill)


def filled(head, fill):
    """The head, its weights at random or all of one number."""
    rng = np.random.default_rng(1)
    for weight in head.network.weights:
        weight.assign(rng.normal(size=weight.shape) if fill is None else np.full(weight.shape, fill))
    return head


ALIKE = {
    "classifier": (classified, "a good film", {}),
    "naive Bayes": (classified, "a good film", BAYES),
    "word vectors": (classified, "a good film", {"vector_width": 2, "learnt": 4, **BAYES}),
    "n-grams": (classified, "a good film", {"ngrams": 64}),
    "several labels": (classified, "a good film", {"pooling": "last", "bidirectional": False}),
    "crf": (tagged, "a good Film", {"crf": True}),
    "character lstm": (tagged, "a good Film", {"characters": "lstm"}),
    "feedback": (tagged, "a good Film", {"feedback": True, "layers": 0}),
    "generator": (generated, "sing", {}),
    "tied": (generated, "sing", {"tied": True, "layers": 2}),
    "adaptive": (generated, "sing", {"cutoffs": [5, 8]}),
    "adaptive and tied": (generated, "sing", {"cutoffs": [5, 8], "tied": True}),
    "labelled": (generated, "ode", {"labels": ["ode", "epic"], "vector": "every"}),
    "translator": (translated, "ja nein", {"tied": False}),
    "additive": (translated, "ja nein", {"attention": "additive", "feeds": "context", "coverage": True}),
    "vector": (translated, "ja nein", {"attention": "none", "context": "transformed"})}


@pytest.mark.parametrize("name", slow_but(
    ["word vectors", "n-grams", "crf", "adaptive and tied", "additive"], ALIKE))
def test_a_head_that_is_built_as_another_predicts_as_it_does(name):
    make, text, options = ALIKE[name]
    old, new = make(**options), make(fill=0.0, **options)
    assert new.predict(text) != old.predict(text)
    said = new.start_from(old)
    assert "new" not in said and "all other layers" in said
    assert new.predict(text) == old.predict(text)


def test_what_is_fitted_beside_the_weights_is_taken():
    old, new = classified(), classified(fill=0.0)
    old.temperature, old.mean, old.deviation = 1.5, 2.0, 3.0
    new.start_from(old)
    assert (new.temperature, new.mean, new.deviation) == (1.5, 2.0, 3.0)
    old = TextClassifier(old.network, old.text, ["a", "b"], "multi", thresholds=[0.2, 0.3])
    new = TextClassifier(new.network, new.text, ["b", "c"], "multi", thresholds=[0.6, 0.7])
    new.start_from(old)
    assert new.thresholds == [0.3, 0.7]


def test_columns_of_the_linear_model_of_ngrams_go_by_their_labels():
    old, new = classified(ngrams=64), classified(("good", "new"), fill=NEW, ngrams=64)
    new.start_from(old)
    ours, theirs = new.network.wide, old.network.wide
    np.testing.assert_array_equal(ours.kernel[:, 0], theirs.kernel[:, 1])
    np.testing.assert_array_equal(ours.idf, theirs.idf)
    assert (np.array(ours.kernel)[:, 1] == NEW).all() and float(ours.bias[1]) == NEW


@pytest.mark.parametrize("options", [{}, BAYES])
def test_columns_of_known_labels_are_taken_and_those_of_new_ones_are_new(options):
    old = classified(("bad", "good", "odd"), **options)
    new = classified(("new", "good", "bad"), ["entirely unseen"], NEW, **options)
    said = new.start_from(old)
    for ours, theirs in zip(new.network.networks(), old.network.networks()):
        np.testing.assert_array_equal(ours.linear.kernel[:, 1], theirs.linear.kernel[:, 1])
        np.testing.assert_array_equal(ours.linear.kernel[:, 2], theirs.linear.kernel[:, 0])
        bias = theirs.linear.bias.numpy()
        np.testing.assert_array_equal(ours.linear.bias, [NEW, bias[1], bias[0]])
        assert (np.array(ours.linear.kernel)[:, 0] == NEW).all()
        size = len(old.text)
        np.testing.assert_array_equal(ours.embedding.embeddings[:size], theirs.embedding.embeddings)
        assert (np.array(ours.embedding.embeddings)[size:] == NEW).all()
        assert len(new.text) == size + 2
    assert said == ("8 of 10 words, recurrent layers, all other layers, outputs of 2 labels; "
                    "new: 2 words, labels new; left out: labels odd")


def test_what_reads_the_ratios_of_a_label_goes_with_the_label():
    old = classified(("bad", "good", "odd"), **BAYES)
    new = classified(("new", "good", "bad"), ["entirely unseen"], NEW, **BAYES)
    new.start_from(old)
    # Of the embedding, then the ratios of words of each label, then those of pairs.
    ours, theirs = [0, 1, 2, 4, 5, 7, 8], [0, 1, 2, 4, 3, 7, 6]
    for mine, other in zip(new.network.recurrent.weights, old.network.recurrent.weights):
        if mine.name == "kernel":
            np.testing.assert_array_equal(np.array(mine)[ours], np.array(other)[theirs])
            assert (np.array(mine)[[3, 6]] == NEW).all()
        else:
            np.testing.assert_array_equal(mine, other)
    mine, other = (head.network.ngrams.convolutions[1].kernel.numpy() for head in (new, old))
    np.testing.assert_array_equal(mine[:, ours], other[:, theirs])
    size = len(old.text)
    np.testing.assert_array_equal(new.network.ratios.words[:size, 2], old.network.ratios.words[:, 0])
    np.testing.assert_array_equal(new.network.ratios.pairs[:, 1], old.network.ratios.pairs[:, 1])


def test_transitions_of_known_tags_are_taken_in_both_directions():
    old = tagged(("B-X", "I-X", "O"), crf=True)
    new = tagged(("B-X", "B-Y", "I-X", "I-Y", "O"), ["entirely", "zzz"], NEW, crf=True)
    said = new.start_from(old)
    known = [0, 2, 4]
    ours, theirs = new.network, old.network
    transitions = np.full((5, 5), NEW, np.float32)
    transitions[np.ix_(known, known)] = theirs.crf.transitions
    np.testing.assert_array_equal(ours.crf.transitions, transitions)
    for mine, other in ((ours.crf.start, theirs.crf.start), (ours.crf.end, theirs.crf.end),
                        (ours.linear.bias, theirs.linear.bias)):
        expected = np.full(5, NEW, np.float32)
        expected[known] = other
        np.testing.assert_array_equal(mine, expected)
    np.testing.assert_array_equal(np.array(ours.linear.kernel)[:, known], theirs.linear.kernel)
    letters = len(old.text.alphabet)
    table = np.array(ours.characters.embedding.embeddings)
    np.testing.assert_array_equal(table[:letters], theirs.characters.embedding.embeddings)
    assert (table[letters:] == NEW).all() and len(table) > letters
    assert said.endswith("outputs of 3 labels; new: 2 words, 6 characters, labels B-Y, I-Y")


def test_a_tagger_that_reads_its_last_tag_reads_known_tags_as_before():
    old = tagged(("B-X", "I-X", "O"), feedback=True, layers=0)
    new = tagged(("B-Y", "B-X", "I-X", "O"), (), NEW, feedback=True, layers=0)
    new.start_from(old)
    ours, theirs = (head.network.feedback for head in (new, old))
    width = theirs.reader.kernel.shape[0] - 3
    kernel = np.array(ours.reader.kernel)
    np.testing.assert_array_equal(np.delete(kernel, width, 0), theirs.reader.kernel)
    assert (kernel[width] == NEW).all()
    np.testing.assert_array_equal(np.array(ours.writer.kernel)[:, 1:], theirs.writer.kernel)


@pytest.mark.parametrize("tied", [False, True])
def test_rows_of_known_symbols_are_taken(tied):
    old, new = generated(tied=tied), generated(more=["xyz"], fill=NEW, tied=tied)
    said, size = new.start_from(old), len(old.text)
    assert len(new.text) == size + 3 and said.endswith("all other layers; new: 3 symbols")
    rows = [(new.network.softmax.bias, old.network.softmax.bias),
            (new.network.embedding.embeddings, old.network.embedding.embeddings)]
    if not tied:
        rows.append((new.network.softmax.kernel, old.network.softmax.kernel))
    for mine, other in rows:
        np.testing.assert_array_equal(mine[:size], other)
        assert (np.array(mine)[size:] == NEW).all()


def test_the_clusters_of_an_adaptive_softmax_are_taken_if_they_begin_at_the_same_words():
    old, new = generated(cutoffs=[5, 8]), generated(more=["xyz"], fill=NEW, cutoffs=[5, 8])
    new.start_from(old)
    ours, theirs = new.network.softmax, old.network.softmax
    for mine, other in zip([*ours.kernels[:2], *ours.projections],
                           [*theirs.kernels[:2], *theirs.projections]):
        np.testing.assert_array_equal(mine, other)
    size = len(old.text) - 8
    np.testing.assert_array_equal(ours.kernels[2][:size], theirs.kernels[2])
    assert (np.array(ours.kernels[2])[size:] == NEW).all()
    moved = generated(fill=NEW, cutoffs=[5, 9])
    assert moved.start_from(old).endswith("; new: all other layers (another --cutoffs)")
    assert all((np.array(weight) == NEW).all() for weight in moved.network.softmax.weights)


def test_vectors_of_known_labels_are_taken():
    old, new = generated(["ode", "epic"]), generated(["elegy", "epic"], fill=NEW)
    said = new.start_from(old)
    ours, theirs = (head.network.label_embedding.embeddings.numpy() for head in (new, old))
    np.testing.assert_array_equal(ours[1], theirs[1])
    assert (ours[0] == NEW).all() and said.endswith("new: labels elegy; left out: labels ode")


@pytest.mark.parametrize("tied", [False, True])
def test_both_sides_of_a_translator_go_by_their_own_words(tied):
    old = translated(tied=tied)
    new = translated(more=("ja vielleicht", "perhaps not no"), fill=NEW, tied=tied)
    said = new.start_from(old)
    assert said == ("6 of 7 symbols of the source, 6 of 8 symbols of the target, recurrent layers, all "
                    "other layers; new: 1 symbols of the source, 2 symbols of the target")
    rows = [(new.network.embedding.embeddings, old.network.embedding.embeddings),
            (new.network.target_embedding.embeddings, old.network.target_embedding.embeddings),
            (new.network.softmax.bias, old.network.softmax.bias)]
    if not tied:
        rows.append((new.network.softmax.kernel, old.network.softmax.kernel))
    for mine, other in rows:
        np.testing.assert_array_equal(mine[:6], other)
        assert (np.array(mine)[6:] == NEW).all()


@pytest.mark.parametrize("make, options, changed, why", [
    (classified, {}, {"pooling": "max"}, "another --pooling"),
    (classified, {"filters": 2}, {"filters": 3}, "other shapes"),
    (tagged, {}, {"crf": True}, "another --crf"), (tagged, {}, {"character_units": 4}, "other shapes"),
    (generated, {}, {"cutoffs": [5]}, "another --cutoffs"),
    (translated, {}, {"attention": "dot"}, "another --attention")])
def test_layers_that_are_built_in_another_way_stay_new_as_a_whole(make, options, changed, why):
    old, new = make(**options), make(fill=NEW, **{**options, **changed})
    assert new.start_from(old).endswith(f"; new: all other layers ({why})")
    taken = {id(weight) for one in new.backbones() for weight, _ in one.weights()}
    rest = [weight for weight in new.network.weights if id(weight) not in taken]
    assert rest and all((np.array(weight) == NEW).all() for weight in rest)
    np.testing.assert_array_equal(new.backbones()[0].table, old.backbones()[0].table)


def test_rows_found_by_hashing_are_not_taken_under_other_ids():
    old, new = classified(**BAYES), classified(fill=NEW, **BAYES)
    new.text = Text.learn(["film bad a , not good"])
    assert new.text.vocabulary != old.text.vocabulary and len(new.text) == len(old.text)
    assert new.start_from(old).endswith("new: all other layers (another vocabulary)")
    assert (np.array(new.network.linear.kernel) == NEW).all()


def test_a_head_of_another_kind_gives_its_words_and_layers_only():
    old = classified(bidirectional=False)
    new = filled(TextClassifier(Classifier(len(old.text), 2, units=4, embedding=3, bidirectional=False),
                                old.text, ["a", "b"], "multi"), NEW)
    assert new.start_from(old) == ("8 of 8 words, recurrent layers; new: all other layers "
                                   "(another kind of model)")
    other = tagged(bidirectional=False, fill=NEW, characters=None, affixes=0, shapes=False)
    assert "another kind of model" in other.start_from(old)
    row = other.text.vocabulary.index("film"), old.text.vocabulary.index("film")
    np.testing.assert_array_equal(other.network.embedding.embeddings[row[0]],
                                  old.network.embedding.embeddings[row[1]])


def test_word_pieces_grow_by_characters_alone_so_that_known_texts_keep_their_ids():
    old = Subwords.learn(["A good film.", "A bad film."] * 9, size=60)
    new = Subwords.learn(["A goodish xylophone."] * 9, size=200).after(old)
    assert new.vocabulary[:len(old)] == old.vocabulary
    added = new.vocabulary[len(old):]
    assert "##x" in added and "##h" in added
    assert all(len(token.removeprefix("##")) == 1 for token in added)
    known = ["A bad film.", "A good bad film"]
    assert new(known).to_list() == old(known).to_list()
    assert 1 not in new(["A xylophone."]).to_list()[0]


@pytest.mark.parametrize("make", [
    lambda: Text.learn(["a"], "character").after(Text.learn(["a"])),
    lambda: Subwords.learn(["a"], "word").after(Subwords.learn(["a"], "character")),
    lambda: Tokens.learn([["a"]], tokenizer="space").after(Tokens.learn([["a"]])),
    lambda: TextPair(*2 * [Subwords.learn(["a"], "word")]).after(
        TextPair(Subwords.learn(["a"], "word"), Subwords.learn(["a"], "character")))])
def test_a_vocabulary_does_not_go_on_under_another_tokenizer(make):
    with pytest.raises(ValueError, match="init_from: expected tokenizer '[a-z]+', as the earlier model"):
        make()
