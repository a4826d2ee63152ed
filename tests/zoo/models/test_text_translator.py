"""The head of translation: the same translations from every runtime, unknown words, phrases."""

import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import slow_but
from export import saved_model, stock_ops
from heads import as_lite, translator as head_of
from zoo.text.subwords import GENERATED, Subwords

TEXTS = ["我爱中国", "", "茶好 猫", "他不爱茶"]
NO = {"attention": "none"}
KINDS = {
    "luong": {},
    "bahdanau": {"attention": "additive", "feeds": "context", "cell": "gru", "coverage": True},
    "every": {**NO, "vector": "every"}}


@pytest.fixture(scope="module", params=slow_but(["bahdanau", "every"], KINDS))
def head(request):
    return head_of(**KINDS[request.param])


@pytest.fixture(scope="module")
def luong():
    return head_of()


def by_hand(head, ids, said):
    """log p of a translation, its end included, from steps alone."""
    source, states = head.network.encode(tf.constant([ids]))
    last, total = head.text.target.start, 0.0
    for wanted in said:
        z, states, *_ = head.network.step(tf.constant([last]), states, source)
        total, last = total + float(tf.nn.log_softmax(z)[0, wanted]), wanted
    return total


def test_scores_are_the_sums_of_the_steps_log_probabilities(head):
    ids, end = head.ids(TEXTS), head.text.target.end
    target = tf.constant([[4, 5, end, 0], [6, end, 0, 0], [4, 4, 8, end], [end, 0, 0, 0]])
    scores = head.score(ids, target)
    for n in range(len(TEXTS)):
        said = [int(one) for one in target[n] if one]
        expected = by_hand(head, ids[n].numpy().tolist(), said)
        np.testing.assert_allclose(np.sum(scores[n]), expected, rtol=1e-4)
    found = head.search(ids, 3, 0.5)
    for n, (said, length) in enumerate(zip(found["ids"][:, 0].numpy(), found["lengths"][:, 0].numpy())):
        expected = by_hand(head, ids[n].numpy().tolist(), said[:length].tolist()) / length ** 0.5
        np.testing.assert_allclose(found["scores"][n, 0], expected, rtol=1e-4)


def test_greedy_takes_the_likeliest_word_again_and_again(head):
    ids = head.ids(TEXTS)
    found = head.lite_signatures()["greedy"](ids=ids)["ids"][:, 0].numpy()
    for n, row in enumerate(found):
        source, states = head.network.encode(ids[n:n + 1])
        last, said, most = head.text.target.start, [], head.longest * np.count_nonzero(ids[n]) + 10
        while len(said) < most and last != head.text.target.end:
            z, states, *_ = head.network.step(tf.constant([last]), states, source)
            z = np.where(np.isin(np.arange(z.shape[1]), head.forbidden), -np.inf, z[0])
            last = int(z.argmax())
            said.append(last)
        assert row[:len(said)].tolist() == said and not row[len(said):].any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bahdanau", "every"])
def test_every_runtime_translates_the_same(kind, tmp_path):
    head = head_of(**KINDS[kind])
    questions, signatures = head.example_inputs(tf.constant(TEXTS)), head.lite_signatures()
    with stock_ops():
        saved_model._save(head, head.signatures(), tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    served, lite = loaded.signatures, as_lite(tmp_path / "lite", head.variables, **signatures)
    assert set(lite.signatures) == {"ids", "init", "step", "greedy", "beam"}
    for name, mine in ((name, signatures[name](**questions[name])) for name in signatures):
        assert set(mine) == set(lite.signatures[name]["outputs"])
        for found in (served[name](**questions[name]), lite(name, **questions[name])):
            for key, value in mine.items():
                np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-4, err_msg=name + key)
    for width, alpha in ((1, 0.0), (4, 1.0)):
        beam = {"width": tf.constant(width), "alpha": tf.constant(alpha)}
        expected = head.n_best(tf.constant(TEXTS), width, alpha)
        answer = served["n_best"](text=tf.constant(TEXTS), **beam)
        assert answer["translations"].shape == (4, width)
        assert answer["translations"].numpy().tolist() == expected["translations"].numpy().tolist()
        found = lite("beam", ids=head.ids(TEXTS), **beam)
        said = head.text.target.joined(head.pieces(found, TEXTS))
        assert said.numpy().tolist() == expected["translations"].numpy().tolist()


def test_the_best_translation_is_served_and_predicted(luong):
    best = luong.n_best(TEXTS, 5, 0.75)
    rows = luong.predict(TEXTS)
    assert [row["translation"].encode() for row in rows] == best["translations"][:, 0].numpy().tolist()
    np.testing.assert_allclose([row["score"] for row in rows], best["scores"][:, 0], rtol=1e-4)


def test_a_text_alone_is_translated_as_in_a_batch():
    head = head_of()    # untrained: it hardly ever ends by itself
    together = head.n_best(TEXTS, 3)
    for n, text in enumerate(TEXTS):
        alone = head.n_best([text], 3)
        same = tf.equal(alone["translations"][0], together["translations"][n])
        assert same.numpy().all()
        np.testing.assert_allclose(alone["scores"][0], together["scores"][n], rtol=1e-4)


def found_of(alignments, ids):
    return {"ids": tf.constant([[ids]]), "alignments": tf.constant([[alignments]])}


def test_an_unknown_word_is_the_one_that_attention_looked_at(luong):
    end = luong.text.target.end
    china = luong.text.target.vocabulary.index(" China")
    found = found_of([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.0, 0.1, 0.9], [1.0, 0.0, 0.0]],
                     [1, china, 1, end])
    pieces = luong.pieces(found, ["我爱猫"])
    assert luong.text.target.joined(pieces).numpy()[0, 0].decode() == "爱 China 猫"


def test_the_whole_word_is_copied_where_tokens_are_pieces():
    text = Subwords.learn(["a film", "a good film", "food"] * 9, size=60)
    strings = ["a foolm film", "\u20ac2 film", ""]
    words, ids = text.words(strings), text(strings)
    assert words.row_lengths().numpy().tolist() == ids.row_lengths().numpy().tolist()
    pieces = [piece.decode() for piece in text.pieces(ids)[0].numpy()]
    joined = {}
    for word, piece in zip(words.to_list()[0], pieces):
        joined[word.decode()] = joined.get(word.decode(), "") + piece
    assert all(word == spelt for word, spelt in joined.items()) and " foolm" in joined


def test_without_attention_no_unknown_word_is_written():
    head, unknown = head_of(**NO), GENERATED.index("[UNK]")
    head.network.softmax.bias.assign(tf.one_hot(unknown, len(head.text.target), 50.0))
    assert not (head.search(head.ids(TEXTS))["ids"].numpy() == unknown).any()
    head = head_of()
    head.network.softmax.bias.assign(tf.one_hot(unknown, len(head.text.target), 50.0))
    assert (head.search(head.ids(TEXTS))["ids"].numpy() == unknown).any()


def test_phrases_are_said_or_left_out(luong):
    free = luong.n_best(TEXTS, 4)["translations"].numpy()
    said = luong.n_best(TEXTS, 4, required=["tea love"])["translations"].numpy()
    assert not all(b"tea love" in text for text in free[:, 0])
    assert all(b"tea love" in text for text in said[:, 0])
    word = free[0, 0].split()[0]
    left = luong.n_best(TEXTS, 4, banned=[word.decode()])["translations"].numpy()
    assert not any(word in text.split() for text in left.ravel())


def test_a_beam_wider_than_the_vocabulary_is_searched(luong):
    found = luong.n_best(["我爱"], 40)
    assert found["translations"].shape == (1, 40)
    assert (np.diff(found["scores"][0]) <= 1e-6).all()


def test_a_head_is_loaded_as_it_was_saved(luong, tmp_path):
    luong.longest = 3
    luong.save(tmp_path)
    again = zoo.load(tmp_path)
    luong.longest = 2
    assert again.longest == 3 and again.text.target.vocabulary == luong.text.target.vocabulary
    again.longest = 2
    assert again.predict(TEXTS) == luong.predict(TEXTS)
