"""The tagging network and its head."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import slow_but
from zoo.models.configurations import TAGGERS, configuration
from zoo.models.tagger import Tagger, TextTagger
from zoo.text.spans import convert
from zoo.text.token_features import Tokens

LABELS = ["B-place", "I-place", "O"]
SENTENCES = [["What", "time", "in", "New", "York", "?"], ["Boston", "42"], ["in"]]
TEXTS = ["What time is it in New York?", "", "Łódź 42", "in Boston"]


def network(name="bilstm", **options):
    small = {"units": 5, "embedding": 4, "vocabulary_size": 12, "alphabet_size": 9, "labels": LABELS,
             "scheme": "BIO", "character_units": 6, "character_embedding": 3}
    built = Tagger(**configuration(TAGGERS, name, {**small, **options}))
    random = np.random.default_rng(4)
    for weight in built.trainable_weights:
        weight.assign(random.normal(0, 0.6, weight.shape))
    return built


def inputs(built, steps=5):
    random = np.random.default_rng(2)
    lengths = [[5], [2], [4], [0]]
    there = np.arange(steps) < lengths
    found = {"ids": random.integers(1, 12, [4, steps]) * there,
             "characters": random.integers(1, 9, [4, steps, 3]) * there[..., None],
             "shapes": random.integers(1, 8, [4, steps]) * there,
             "code_points": random.integers(97, 123, [4, steps, 3]) * there[..., None]}
    return {name: tf.constant(found[name], tf.int32) for name in built.reads}


def head(name="bilstm_char_crf", **options):
    text = Tokens.learn(SENTENCES)
    return TextTagger(network(name, vocabulary_size=len(text.words), alphabet_size=len(text.alphabet),
                              **options), text)


def padded(given, steps=4):
    return {name: tf.pad(array, [[0, 0], [0, steps]] + [[0, 0]] * (array.shape.rank - 2))
            for name, array in given.items()}


@pytest.mark.parametrize("name", TAGGERS)
def test_every_configuration_gives_tags_and_a_loss_that_padding_does_not_change(name):
    built = network(name)
    given, tags = inputs(built), np.random.default_rng(1).integers(0, 3, [4, 5])
    tags = tf.constant(np.where(given["ids"] != 0, tags, -1), tf.int32)
    wide, wide_tags = padded(given), tf.pad(tags, [[0, 0], [0, 4]], constant_values=-1)
    assert built(given).shape == (4, 5, 3)
    for one, other in ((built.decode(built(given), given["ids"] != 0),
                        built.decode(built(wide), wide["ids"] != 0)),):
        np.testing.assert_array_equal(one["tags"], other["tags"][:, :5])
        np.testing.assert_allclose(one["marginals"], other["marginals"][:, :5], atol=1e-5)
    np.testing.assert_allclose(built.loss_of(tags, built(given)), built.loss_of(wide_tags, built(wide)),
                               rtol=1e-5)


@pytest.mark.parametrize("name", slow_but(
    ["wide_bilstm_char_crf", "bilstm_charlstm_crf", "crf", "output_rnn", "rnn"], TAGGERS))
def test_every_configuration_survives_a_keras_file(tmp_path, name):
    built = network(name)
    built.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(built(inputs(built)), again(inputs(again)))
    assert len(again.weights) == len(built.weights)


@pytest.mark.parametrize("name", TAGGERS)
def test_a_gradient_reaches_every_weight_in_training(name):
    built = network(name, word_dropout=0.2, sampling=0.5 if name == "output_rnn" else 0.0, affixes=3)
    given = inputs(built)
    tags = tf.where(given["ids"] != 0, tf.ones([4, 5], tf.int32), -1)
    with tf.GradientTape() as tape:
        loss = built.loss_of(tags, built({**given, "tags": tags}, training=True))
    gradients = map(tf.convert_to_tensor, tape.gradient(loss, built.trainable_variables))
    assert all(float(tf.reduce_max(tf.abs(g))) > 0 for g in gradients)


def test_the_softmax_loss_is_the_sum_over_tokens():
    built = network()
    given = inputs(built)
    logits, tags = built(given).numpy().astype(float), [[0, 2, 1, 2, 0], [1, 1], [2, 0, 1, 1], []]
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -sum(np.log(p[b, t, tag]) for b, row in enumerate(tags) for t, tag in enumerate(row))
    dense = tf.constant([row + [-1] * (5 - len(row)) for row in tags])
    np.testing.assert_allclose(built.loss_of(dense, built(given)), expected, rtol=1e-5)


def test_a_crf_gives_only_sequences_that_the_scheme_allows():
    built = network("bilstm_crf")
    given = {"ids": tf.random.stateless_uniform([50, 20], [1, 2], 1, 12, tf.int32),
             "shapes": tf.ones([50, 20], tf.int32)}
    tags = built.decode(built(given), given["ids"] != 0)["tags"].numpy()
    assert all(convert(row, "BIO") == row for row in np.array(LABELS)[tags].tolist())
    assert len(np.unique(tags)) == 3


@pytest.mark.parametrize("name", ["lstm", "rnn", "output_rnn"])
def test_a_stream_gives_the_tags_of_the_whole_sentence(name):
    one = head(name, layers=2 if name != "output_rnn" else 0)
    tokens = tf.constant([["What", "time", "in", "Boston"], ["42", "in", "York", "Ulm"]])
    whole, signatures = one.predict_tokens(tokens), one.signatures()
    states = signatures["init"](token=tokens[:, 0])
    for t in range(4):
        answer = signatures["step"](token=tokens[:, t], **states)
        states = {key: value for key, value in answer.items() if key.startswith("state")}
        np.testing.assert_array_equal(answer["tag"], whole["tags"][:, t])
        np.testing.assert_allclose(answer["probability"], whole["probability"][:, t], atol=1e-5)


def test_only_what_needs_no_future_streams():
    assert not network("bilstm").streams and not network("bilstm_crf", bidirectional=False).streams


@pytest.mark.parametrize("name", slow_but(["bilstm_char_crf", "output_rnn"], [
    "bilstm_char_crf", "bilstm_crf", "output_rnn", "bilstm"]))
def test_a_saved_head_answers_as_before_and_offsets_are_those_of_the_request(tmp_path, name):
    one = head(name)
    one.save(tmp_path)
    answers = one.predict(TEXTS)
    assert zoo.load(tmp_path).predict(TEXTS) == answers
    for text, answer in zip(TEXTS, answers):
        assert answer["tokens"] == [text[a:b] for a, b in zip(answer["start_char"], answer["end_char"])]
        assert answer["tokens"] == [text.encode()[a:b].decode() for a, b in zip(
            answer["start_byte"], answer["end_byte"])]
        assert len(answer["tags"]) == len(answer["probability"]) == len(answer["tokens"])
        assert all(0 < p <= 1.0001 for p in answer["probability"])


def test_the_probability_of_a_crf_is_the_marginal_of_the_chosen_tag():
    one = head()
    tokens = tf.constant(SENTENCES[:1])
    answer, inputs = one.predict_tokens(tokens), one.read(tokens)
    marginals = one.network.crf.marginals(one.network(inputs)).numpy()[0]
    expected = [row[LABELS.index(tag.decode())] for row, tag in zip(marginals, answer["tags"].numpy()[0])]
    np.testing.assert_allclose(answer["probability"][0], expected, rtol=1e-5)


def test_a_tagger_starts_from_another():
    old, new = head(), head()
    new.network.embedding.embeddings.assign(tf.zeros_like(new.network.embedding.embeddings))
    new.start_from(old)
    np.testing.assert_array_equal(new.network.embedding.embeddings, old.network.embedding.embeddings)
    for ours, theirs in zip(new.network.recurrent.weights, old.network.recurrent.weights):
        np.testing.assert_array_equal(np.array(ours)[:4], np.array(theirs)[:4])


def test_five_thousand_tokens_are_answered():
    answer = head().predict(["Boston in " * 2500])[0]
    assert len(answer["tags"]) == 5000 and answer["end_byte"][-1] == 24999


@pytest.mark.parametrize("labels, scheme, expected", [
    (["B-x", "I-x", "O"], "BIO", ["B-x", "I-x", "I-x"]), (["B-x", "I-x", "O"], None, 3 * ["I-x"]),
    (["B-x", "E-x", "I-x", "O", "S-x"], "BIOES", ["B-x", "I-x", "E-x"])])
@pytest.mark.parametrize("name", ["bilstm_crf", "bilstm_char_crf"])
def test_a_crf_keeps_to_the_scheme_whatever_the_network_scores(name, labels, scheme, expected):
    built = network(name, labels=labels, scheme=scheme)
    for weight in (built.linear.kernel, *built.crf.weights):
        weight.assign(tf.zeros_like(weight))
    built.linear.bias.assign([{"I-x": 9.0, "O": -9.0}.get(label, 0.0) for label in labels])
    given = {name: tensor[:1, :3] for name, tensor in inputs(built).items()}
    answer = built.decode(built(given), given["ids"] != 0)
    assert [labels[tag] for tag in answer["tags"][0]] == expected
    assert (tf.gather(answer["marginals"], answer["tags"], batch_dims=2)[0] > 0.9).numpy().all()


@pytest.mark.parametrize("rate, rare_rate, read", [
    (0.0, 0.999999, [2, 5, 1, 1, 0]), (0.999999, 1e-9, [1, 1, 6, 9, 0]), (0.0, 0.0, [2, 5, 6, 9, 0])])
def test_rare_words_are_read_as_unknown_at_a_rate_of_their_own(rate, rare_rate, read):
    built = network("bilstm", word_dropout=rate, rare_dropout=rare_rate, rare=6)
    ids = tf.constant([[2, 5, 6, 9, 0]])
    np.testing.assert_array_equal(built.embed({"ids": ids}, training=True),
                                  built.embed({"ids": tf.constant([read])}))


def test_affixes_are_read_beside_characters_and_alone():
    for options in ({"characters": "cnn"}, {"characters": None}):
        built = network("bilstm", affixes=7, **options)
        assert built.reads == ["ids", "characters"]
        given = inputs(built)
        np.testing.assert_allclose(built.embed(given)[..., -7:], built.affixes(given["characters"]))


@pytest.mark.parametrize("options, message", [
    ({"crf": True, "feedback": True}, "no crf beside it"), ({"layers": 0}, "at least 1, or feedback"),
    ({"characters": "bpe"}, "characters: expected one of cnn, lstm, received 'bpe'"),
    ({"cell": "transformer"}, "cell: expected one of")])
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        network("bilstm", **options)


def test_the_scores_of_features_are_added_to_those_of_the_network():
    both = network("wide_bilstm_char_crf", features=64)
    given = inputs(both)
    alone = both.features(given["code_points"], given["shapes"])
    deep = both.linear(both.represent(given))
    np.testing.assert_allclose(both(given), deep + alone, rtol=1e-5)
    crf = network("crf", features=64)
    crf.features.set_weights(both.features.get_weights())
    np.testing.assert_array_equal(crf({name: given[name] for name in crf.reads}), alone)
    assert not crf.streams and crf.engine_in_use == "none" and crf.embedding is None


def test_features_do_not_stand_beside_feedback():
    with pytest.raises(ValueError, match="^feedback: expected no features beside it"):
        network("output_rnn", features=64)
    with pytest.raises(ValueError, match="^layers: expected at least 1, or feedback or features"):
        network("bilstm", layers=0)


def test_nothing_starts_from_a_network_without_an_embedding():
    with pytest.raises(ValueError, match="^init_from: expected models with an embedding"):
        head("crf", features=64).backbones()


def test_a_word_that_only_the_vectors_know_is_read_as_unknown_with_its_vector():
    built = network("bilstm", vector_width=2, learnt=4)
    built.vectors.give(np.arange(24.).reshape(12, 2))
    x = built.embed({"ids": tf.constant([[3, 7, 0]])})
    table = np.array(built.embedding.embeddings)
    assert table.shape == (4, 4)
    np.testing.assert_array_equal(x, [[[*table[3], 6, 7], [*table[1], 14, 15], [*table[0], 0, 1]]])


def test_word_dropout_leaves_the_vectors():
    built = network("bilstm", vector_width=2, word_dropout=0.999)
    built.vectors.give(np.arange(24.).reshape(12, 2))
    x = built.embed({"ids": tf.constant([[3, 7, 9]])}, training=True)
    np.testing.assert_array_equal(x[0, :, 4:], [[6, 7], [14, 15], [18, 19]])
    np.testing.assert_array_equal(x[0, :, :4], [np.array(built.embedding.embeddings)[1]] * 3)


INTENTS = ["ask", "order", "tell"]


@pytest.mark.parametrize("name", TAGGERS)
def test_with_intents_the_loss_is_that_of_tags_and_of_labels_by_their_weight(name):
    built = network(name, intents=INTENTS, intent_weight=0.5, ngrams=64)
    given = inputs(built)
    outputs = built(given)
    tags = tf.where(given["ids"] != 0, 1, -1)
    z, intents = outputs["intent"].numpy(), [2, 0, 1, 0]
    surprise = np.log(np.exp(z).sum(1)) - z[np.arange(4), intents]
    found = built.loss_of({"tags": tags, "intent": tf.constant(intents)}, outputs)
    np.testing.assert_allclose(found - built.loss_of_tags(tags, outputs["tags"]), 0.5 * surprise.sum(),
                               rtol=2e-3)      # a difference of two sums


def test_the_probabilities_of_intents_add_to_the_logits_of_tags():
    built = network("bilstm", intents=INTENTS, ngrams=0)
    given = inputs(built)
    before = built(given)
    built.intent.given.kernel.assign(built.intent.given.kernel + 1.0)     # one more for every tag
    np.testing.assert_allclose(built(given)["tags"], before["tags"] + 1.0, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(built(given)["intent"], before["intent"])


def test_padding_changes_no_intent():
    built = network("bilstm_char_crf", intents=INTENTS, ngrams=64)
    given = inputs(built)
    np.testing.assert_allclose(built(given)["intent"], built(padded(given))["intent"], rtol=1e-4,
                               atol=1e-5)


def test_one_call_gives_tags_spans_and_the_intent_with_its_confidence(tmp_path):
    one = head(intents=INTENTS, ngrams=64)
    one.temperature = 2.0
    one.save(tmp_path)
    again = zoo.load(tmp_path)
    for row, other in zip(one.predict(TEXTS), again.predict(TEXTS), strict=True):
        assert list(row["intents"]) == INTENTS and sum(row["intents"].values()) == pytest.approx(1)
        assert row["intent"] == max(row["intents"], key=row["intents"].get)
        assert row["confidence"] == pytest.approx(row["intents"][row["intent"]])
        assert len(row["tags"]) == len(row["tokens"]) and "spans" in row
        assert other["intent"] == row["intent"] and other["tags"] == row["tags"]
        assert other["confidence"] == pytest.approx(row["confidence"], abs=1e-6)


def test_the_confidence_is_that_of_the_logits_over_the_temperature():
    one = head(intents=INTENTS, ngrams=64)
    given = one.read(tf.constant([SENTENCES[0]]))
    one.temperature = 3.0
    odds = np.exp(one.network(given)["intent"].numpy() / 3.0)
    np.testing.assert_allclose(one.predict_ids(given)["intents"], odds / odds.sum(), rtol=1e-5)


def test_without_intents_nothing_is_said_of_them():
    row = head().predict("in Boston")[0]
    assert not {"intent", "confidence", "intents"} & set(row)
    assert set(head().facts()) == {"labels", "scheme"}


def test_another_tagger_starts_from_one_with_intents_by_their_names():
    old, new = (head(intents=names, ngrams=64) for names in (["ask", "tell"], ["order", "tell"]))
    old.temperature = 4.0
    said = new.start_from(old)
    np.testing.assert_array_equal(new.network.intent.linear.kernel[:, 1],
                                  old.network.intent.linear.kernel[:, 1])
    np.testing.assert_array_equal(new.network.intent.given.kernel[1], old.network.intent.given.kernel[1])
    assert new.temperature == 4.0 and "all other layers" in said
