"""The classifier network and its head."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import diagonal, slow_but
from export import tflite
from zoo import names
from zoo.models.blocks import CELLS, drop_words
from zoo.models.classifier import Classifier, TextClassifier
from zoo.models.configurations import CLASSIFIERS, configuration
from zoo.text.tokenizer import Text

TEXTS = ["a good film", "a bad film", "not a good film at all", "", "好电影"]
IDS = tf.constant([[2, 3, 4, 0, 0], [5, 6, 0, 0, 0], [2, 2, 7, 8, 9], [0, 0, 0, 0, 0]])


CODE_POINTS = Text(["[PAD]", "[UNK]"]).code_points(TEXTS[1:])
INPUTS = {"ids": IDS, "code_points": CODE_POINTS}


def network(**options):
    small = {"units": 5, "embedding": 4, "vocabulary_size": 12, "outputs": 3}
    built = Classifier(**{**small, **options})
    built({**INPUTS, "ids": tf.minimum(IDS, built.vocabulary_size - 1)})
    return built


def configured(name):
    """A network of a configuration, with two layers if it has any, and no weight as in a new one."""
    options = configuration(CLASSIFIERS, name, {})
    built = network(**{**options, "layers": 2 * options.get("layers", 1)})
    for weight in built.weights:
        weight.assign(weight + 0.1 * keras.random.normal(weight.shape, seed=1))
    return built


def head(kind="single", labels=("bad", "good", "neither"), **options):
    text = Text.learn(TEXTS)
    return TextClassifier(network(vocabulary_size=len(text), outputs=len(labels), **options), text,
                          labels, kind)


each_configuration = pytest.mark.parametrize("name", slow_but([
    "nb_linear_bilstm", "linear", "birnn", "gru", "attention"], CLASSIFIERS))


@each_configuration
def test_every_configuration_gives_logits_that_padding_does_not_change(name):
    built = configured(name)
    padded = {key: tf.pad(value, [[0, 0], *[[0, 4]] * (value.ndim - 1)]) for key, value in INPUTS.items()}
    assert built(INPUTS).shape == (4, 3)
    np.testing.assert_allclose(built(INPUTS), built(padded), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_pooled_states_are_those_of_the_recurrent_layer(cell):
    built = network(cell=cell, pooling="mean")
    h = built.recurrent(built.embedding(IDS), mask=IDS != 0)
    np.testing.assert_allclose(built.represent(IDS)[0], tf.reduce_mean(h[0, :3], 0), rtol=1e-5)


def test_an_ensemble_s_logits_are_the_mean_of_networks_that_start_apart_and_share_their_ratios():
    built = network(ensemble=3, naive_bayes=True, filters=2)
    for seed, weight in enumerate(built.weights):
        weight.assign(keras.random.normal(weight.shape, seed=seed))
    each, trained = [], built(IDS, training=True)
    for one in built.networks():
        assert one.ratios is built.ratios
        pooled = np.asarray(one.read(IDS), np.float64)
        each.append(pooled @ np.array(one.linear.kernel) + np.array(one.linear.bias))
    total = np.array(built.ratios.sum(IDS, built.ratios(IDS)))
    np.testing.assert_allclose(built(IDS), np.mean(each, 0) + total, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trained, np.array(each) + total, rtol=1e-4, atol=1e-5)
    assert np.abs(each[0] - each[1]).max() > 0.1 < np.abs(each[1] - each[2]).max()
    assert sum(weight is built.ratios.words for weight in built.weights) == 1


@pytest.mark.parametrize("options", [{}, {"ensemble": 2, "naive_bayes": True}])
def test_a_network_starts_as_the_linear_model_of_n_grams_that_it_corrects(options):
    built = network(ngrams=64, **options)
    built.wide.kernel.assign(keras.random.normal(built.wide.kernel.shape, seed=1))
    z = np.array(built.wide(CODE_POINTS))
    assert built.reads == ["ids", "code_points"] and np.abs(z[:3]).max() > 0.1
    np.testing.assert_allclose(built(INPUTS), z, atol=1e-6)
    other = built({"ids": IDS, "wide": z + 1.0}, training=True)
    np.testing.assert_allclose(other, tf.broadcast_to(z + 1.0, other.shape), atol=1e-6)
    built.linear.bias.assign([0.5, 0.0, 0.0])
    np.testing.assert_allclose(built(INPUTS)[:, 0], z[:, 0] + 0.5 / len(built.networks()), atol=1e-6)
    assert not any(weight is built.wide.kernel for weight in built.trainable_weights)


def test_a_network_that_corrects_nothing_learns_without_the_n_grams_and_predicts_with_them():
    built, other = network(ngrams=64, corrects=False), network(ngrams=64)
    other.set_weights(built.get_weights())
    wide = tf.random.stateless_normal([4, 3], [0, 0])
    given = {"ids": IDS, "wide": wide}
    np.testing.assert_allclose(built(given, training=True) + wide, other(given, training=True), atol=1e-5)
    np.testing.assert_allclose(built(given), other(given), atol=1e-6)
    assert np.abs(built(given, training=True)).max() > 0.001


def test_without_layers_only_n_grams_are_read_and_a_bias_is_trained():
    built = network(layers=0, ngrams=64)
    built.wide.kernel.assign(keras.random.normal(built.wide.kernel.shape, seed=1))
    built.bias.assign([1.0, 2.0, 3.0])
    assert built.reads == ["code_points"] and len(built.trainable_weights) == 1
    np.testing.assert_allclose(built({"code_points": CODE_POINTS}), built.wide(CODE_POINTS) + built.bias)


def test_with_many_labels_there_are_fewer_buckets():
    built = network(outputs=33, layers=0, ngrams=1 << 16)
    assert built.wide.kernel.shape == (31774, 33)  # 2^20 / 33


def test_the_representation_holds_states_and_n_grams_of_the_whole_ensemble():
    built = network(ensemble=2, pooling="max", filters=3)
    expected = [part for one in built.networks() for part in (
        tf.reduce_max(one.recurrent(one.embedding(IDS[2:3])), 1),
        one.ngrams(one.embedding(IDS[2:3]), IDS[2:3] != 0))]
    np.testing.assert_allclose(built.represent(IDS)[2:3], tf.concat(expected, -1), rtol=1e-5)
    assert built.represent(IDS).shape == (4, 2 * (10 + 9))


V = np.arange(24, dtype=np.float32).reshape(12, 2)


def with_vectors(**options):
    built = network(vector_width=2, learnt=6, **options)
    built.vectors.give(V)
    return built


def test_a_word_that_was_not_learnt_is_unknown_but_for_its_vector():
    built = with_vectors(pooling="mean")
    rows = np.array(built.embedding.embeddings)
    assert rows.shape == (6, 4)
    x = np.concatenate([rows[[2, 3, 5, 1, 1]], V[[2, 3, 5, 8, 11]]], -1)[None]
    h = built.recurrent(tf.constant(x))
    np.testing.assert_allclose(built.represent(tf.constant([[2, 3, 5, 8, 11]])), tf.reduce_mean(h, 1),
                               rtol=1e-5)


def test_what_is_counted_of_a_word_that_was_not_learnt_is_what_is_counted_of_unknown_ones():
    built = with_vectors(naive_bayes=True)
    built.ratios.words.assign(keras.random.normal(built.ratios.words.shape, seed=1))
    built.vectors.give(np.zeros_like(V))
    np.testing.assert_allclose(built(tf.constant([[2, 7, 11]])), built(tf.constant([[2, 1, 1]])),
                               rtol=1e-6)


def test_an_ensemble_shares_its_vectors():
    built = with_vectors(ensemble=3)
    assert all(one.vectors is built.vectors for one in built.networks())
    assert sum(tuple(weight.shape) == V.shape for weight in built.weights) == 1


@pytest.mark.parametrize("how, options", diagonal(names.VECTORS, [
    {}, {"naive_bayes": True, "ensemble": 2, "filters": 2}]))
def test_given_vectors_survive_a_keras_file(tmp_path, how, options):
    built = with_vectors(vectors_as=how, **options)
    built.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.vectors.table.embeddings, V)
    np.testing.assert_array_equal(built(IDS), again(IDS))


@pytest.mark.slow
@pytest.mark.parametrize("how", names.VECTORS)
def test_an_int8_file_holds_one_byte_a_number_of_the_vectors(tmp_path, how):
    text = Text(["[PAD]", "[UNK]", *(f"w{n}" for n in range(3998))])
    built = Classifier(len(text), 2, vector_width=50, learnt=9, units=3, embedding=3, vectors_as=how)
    vectors = np.random.default_rng(0).normal(size=(4000, 50)).astype(np.float32)
    built.vectors.give(vectors)
    one = TextClassifier(built, text, ["a", "b"])
    written = tflite.write(one, tmp_path, variants=["int8"])
    assert 200_000 < written["int8"]["bytes"] < 300_000
    found = tflite.Lite(tmp_path / written["int8"]["file"])(ids=[[2, 700, 3999]])["probabilities"]
    np.testing.assert_allclose(found, one.predict_ids({"ids": tf.constant([[2, 700, 3999]])})[
        "probabilities"], atol=0.02)


def test_a_new_embedding_fills_its_range():
    table = np.array(network(vocabulary_size=500, embedding_range=0.25).embedding.embeddings)
    assert 0.24 < table.max() <= 0.25 and -0.25 <= table.min() < -0.24


def test_a_gradient_reaches_every_weight():
    built = network(pooling="mean+max+attention", layers=2, filters=3, ensemble=2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(built(IDS, training=True)))
    gradients = tape.gradient(loss, built.trainable_variables)
    assert all(float(tf.reduce_max(tf.abs(g))) > 0 for g in map(tf.convert_to_tensor, gradients))


def test_word_dropout_reads_words_as_unknown_while_training_and_leaves_padding():
    built = network(word_dropout=0.5)
    ids = tf.fill([50, 20], 7) * tf.constant([1] * 15 + [0] * 5)
    read = drop_words(ids, built.options.word_dropout, built.seed_generator).numpy()
    assert set(np.unique(read[:, :15])) == {1, 7} and not read[:, 15:].any()
    assert 0.4 < (read[:, :15] == 1).mean() < 0.6
    np.testing.assert_array_equal(built(IDS), built(IDS, training=False))


@each_configuration
def test_every_configuration_survives_a_keras_file(tmp_path, name):
    built = configured(name)
    built.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(built(INPUTS), again(INPUTS))
    assert len(again.weights) == len(built.weights) > 3


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16", "mixed_float16"])
def test_every_precision_gives_nearly_the_same_logits(policy):
    built = network(naive_bayes=True, pooling="mean+max+attention")
    built.ratios.words.assign(keras.random.normal(built.ratios.words.shape, seed=1))
    other = network(naive_bayes=True, pooling="mean+max+attention", dtype=policy)
    other.set_weights(built.get_weights())
    np.testing.assert_allclose(tf.cast(other(IDS), tf.float32), built(IDS), atol=0.05)


@pytest.mark.parametrize("pooling", ["first", "last+mean", "mean+last", "", "mean+", "mean+mean"])
def test_an_unknown_pooling_is_refused(pooling):
    with pytest.raises(ValueError, match="pooling: expected 'last'"):
        network(pooling=pooling)


def test_an_unknown_cell_or_model_is_refused():
    with pytest.raises(ValueError, match="cell: expected one of .*received 'transformer'"):
        network(cell="transformer")
    for others in ({}, {"ngrams": 64, "filters": 2}, {"ngrams": 64, "naive_bayes": True},
                   {"ngrams": 64, "ensemble": 2}):
        with pytest.raises(ValueError, match="layers: expected at least 1, or ngrams .* received 0"):
            network(layers=0, **others)
    with pytest.raises(ValueError, match="expected a model among nb_bilstm.*received 'bert'"):
        configuration(CLASSIFIERS, "bert", {})


def test_probabilities_are_the_softmax_of_the_logits_over_the_temperature():
    one = head()
    one.temperature = 2.5
    logits = one.network(IDS).numpy() / 2.5
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(one.predict_ids(IDS)["probabilities"], expected, rtol=1e-5)


def test_several_labels_are_those_above_a_half():
    several = head("multi")
    several.network.linear.bias.assign([9.0, -9.0, 9.0])
    several.network.linear.kernel.assign(tf.zeros_like(several.network.linear.kernel))
    assert several.predict(["a film"])[0]["label"] == "bad|neither"
    several.network.linear.bias.assign([-9.0, -9.0, -9.0])
    assert several.predict(["a film"])[0]["label"] == ""


def test_regression_gives_the_number_on_its_own_scale():
    number = head("regression", ["stars"])
    number.mean, number.deviation = 3.0, 2.0
    logit = float(number.network(number.text.dense(["a good film"]))[0, 0])
    answer = number.predict(["a good film"])[0]["values"]["stars"]
    assert answer == pytest.approx(3.0 + 2.0 * logit)


def test_predict_keeps_the_order_of_texts_and_takes_any_bytes():
    one = head()
    texts = [*TEXTS * 20, "good " * 3000, "ab\udcff"]
    alone = [one.predict([text])[0]["probabilities"]["good"] for text in texts[-3:]]
    together = [row["probabilities"]["good"] for row in one.predict(texts)[-3:]]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert one.predict([]) == []


def test_predict_follows_a_new_temperature():
    one = head()
    before = one.predict(["a good film"])
    one.temperature = 5.0
    assert one.predict(["a good film"]) != before


def test_a_saved_head_answers_as_before(tmp_path):
    one = head()
    one.temperature = 1.7
    one.save(tmp_path)
    assert zoo.load(tmp_path).predict(TEXTS) == one.predict(TEXTS)


def test_loading_from_an_empty_folder_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="train one first"):
        zoo.load(tmp_path)


def test_starting_from_another_head_takes_its_words_and_layers_only():
    old, new = head(), head()
    new.text = Text.learn(["film good new words"])
    new.network = network(vocabulary_size=len(new.text))
    before = np.array(new.network.embedding.embeddings)
    new.start_from(old)
    after = np.array(new.network.embedding.embeddings)
    row = new.text.vocabulary.index("film"), old.text.vocabulary.index("film")
    np.testing.assert_array_equal(after[row[0]], old.network.embedding.embeddings[row[1]])
    unseen = new.text.vocabulary.index("words")
    np.testing.assert_array_equal(after[unseen], before[unseen])
    for ours, theirs in zip(new.network.recurrent.weights, old.network.recurrent.weights):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="init_from: expected recurrent layers of shapes"):
        new.start_from(head(units=6))


def test_starting_from_another_head_takes_the_words_of_the_whole_ensemble():
    old, new = head(ensemble=2), head(ensemble=2)
    new.start_from(old)
    for ours, theirs in zip(new.network.networks(), old.network.networks()):
        np.testing.assert_array_equal(ours.embedding.embeddings, theirs.embedding.embeddings)
        for our, their in zip(ours.recurrent.weights, theirs.recurrent.weights):
            np.testing.assert_array_equal(our, their)
    with pytest.raises(ValueError, match="embedding and ensemble"):
        new.start_from(head())


def test_starting_from_a_head_with_other_labels_leaves_what_reads_their_ratios_new():
    old, new = head(naive_bayes=True), head(labels=("yes", "no"), naive_bayes=True)
    kernel = next(w for w in new.network.recurrent.weights if w.name == "kernel")
    before = np.array(kernel)
    new.start_from(old)
    theirs = next(w for w in old.network.recurrent.weights if w.name == "kernel")
    np.testing.assert_array_equal(np.array(kernel)[:4], np.array(theirs)[:4])
    np.testing.assert_array_equal(np.array(kernel)[4:], before[4:])


@pytest.mark.parametrize("kind", TextClassifier.KINDS)
def test_a_served_answer_names_the_labels_of_its_numbers(kind):
    one = head(kind)
    answer = one.signatures()["serving_default"](text=tf.constant(TEXTS))
    numbers = answer["values" if kind == "regression" else "probabilities"].numpy()
    assert answer["labels"].shape == numbers.shape == (len(TEXTS), 3)
    for row, labels, predicted in zip(numbers, answer["labels"].numpy(), one.predict(TEXTS)):
        named = dict(zip([label.decode() for label in labels], row))
        found = predicted["values" if kind == "regression" else "probabilities"]
        assert found == pytest.approx(named, abs=1e-6) and list(found) == one.labels
        assert kind != "single" or predicted["label"] == max(named, key=named.get)


def middle(sequence, mask):
    """The state in the middle of each text."""
    place = tf.reduce_sum(tf.cast(mask, tf.int32), 1) // 2
    return tf.gather(sequence, place, batch_dims=1)


class Powers(keras.layers.Layer):
    """Learnt multiples of the sum of the states and of their squares: [B, 2·H]."""

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def build(self, sequence_shape, mask_shape=None):
        self.scale = self.add_weight(name="scale", shape=(2 * sequence_shape[-1],), initializer="ones")

    def call(self, sequence, mask):
        shown = tf.where(mask[..., None], sequence, 0.0)
        return self.scale * tf.reduce_sum(tf.concat([shown, shown ** 2], -1), 1)

    def compute_output_shape(self, sequence_shape):
        return sequence_shape[0], 2 * sequence_shape[-1]


@pytest.mark.parametrize("added, also", diagonal([(middle, 10), (Powers, 20)], ["", "+attention+mean"]))
def test_a_pooling_is_added_in_one_place(tmp_path, monkeypatch, added, also):
    added, width = added
    monkeypatch.setitem(names.POOLINGS, "new", added)
    one = head(pooling="new" + also)
    states = one.network.recurrent(one.network.embedding(IDS), mask=IDS != 0)
    np.testing.assert_allclose(one.network.represent(IDS)[:, :width], one.network.poolings["new"](
        states, IDS != 0), rtol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(one.network(IDS, training=True) ** 2)
    gradients = tape.gradient(loss, one.network.trainable_variables)
    keras.optimizers.SGD(0.1).apply(gradients, one.network.trainable_variables)
    assert tf.reduce_sum(one.network(IDS) ** 2) < loss
    one.save(tmp_path)
    assert zoo.load(tmp_path).predict(TEXTS) == one.predict(TEXTS)


def test_thresholds_decide_the_labels_in_every_form(tmp_path):
    text = Text.learn(["good bad film"] * 3)
    model = TextClassifier(Classifier(len(text), 3, units=2, embedding=2), text, ["a", "b", "c"], "multi")
    p = model.predict("good film")[0]["probabilities"]
    model.thresholds = [p["a"] - 0.01, p["b"] + 0.01, p["c"] - 0.01]
    row = model.predict("good film")[0]
    assert row["label"] == "a|c" and row["chosen"] == ["a", "c"]
    model.save(tmp_path)
    again = zoo.load(tmp_path)
    assert again.thresholds == model.thresholds and again.predict("good film")[0]["label"] == "a|c"
