"""What all heads share: a text alone is one text, and one graph answers all calls."""
import copy
import json

import numpy as np
import pytest
import tensorflow as tf

import zoo
from export import saved_model
from export.serving import client
from conftest import slow_but
from heads import classifier, generator, tagger, translator
from zoo.models.classifier import Classifier
from zoo.models import language_model, transfer
from zoo.models.head import IDS, TEXTS, Head, Signature
from zoo.text.tokenizer import Text

UNIFORM = np.full([1, 3], 0.5, np.float32)
# A head, a text to ask it, and its methods that take texts.
HEADS = {
    "classifier": (lambda: classifier("gru", "mean"), "not bad", ["predict_text", "embed"]),
    "n-grams": (lambda: classifier("gru", "mean", ngrams=64), "not bad", ["predict_text", "embed"]),
    "linear": (lambda: classifier("gru", "mean", layers=0, ngrams=64), "not bad", ["predict_text"]),
    "tagger": (lambda: tagger("bilstm"), "not bad", ["predict_text", "embed"]),
    "generator": (generator, "sing o", ["predict_text", "embed", "score_text", "search"]),
    "labels": (lambda: generator(["ode", "epic"]), "epic", ["predict_text"]),
    "translator": (translator, "我爱中国", ["predict_text", "embed", "n_best"])}
# The generator has what one with labels has, the n-grams beside a network what they have alone.
each_kind = pytest.mark.parametrize("name", slow_but(HEADS.keys() - {"labels", "linear"}, HEADS))


@each_kind
def test_a_text_alone_is_one_text(name, monkeypatch):
    monkeypatch.setattr(language_model, "LENGTH", 20)
    make, text, methods = HEADS[name]
    head = make()
    assert head.predict(text) == head.predict([text]) == head.predict(text.encode())
    for method in methods:
        short = {"length": 20} if method == "search" else {}
        alone, listed = getattr(head, method)(text, **short), getattr(head, method)([text], **short)
        for key in listed:
            np.testing.assert_array_equal(alone[key], listed[key])


def test_a_label_and_a_phrase_alone_are_one():
    head, other = generator(["ode", "epic"]), translator()
    for method, more in (("score_text", ()), ("generate", [UNIFORM])):
        alone, listed = (getattr(head, method)(*given[0], *more, given[1])
                         for given in ((["of"], "epic"), ([["of"]], ["epic"])))
        np.testing.assert_array_equal(alone["log_probability"], listed["log_probability"])
    alone, listed = (other.n_best("我爱", banned=said)["scores"] for said in ("China", ["China"]))
    np.testing.assert_array_equal(alone, listed)


def test_a_client_sends_a_text_alone_as_a_column_of_one(monkeypatch):
    sent = []

    class Stopped(Exception):
        pass

    def opened(request, timeout):
        sent.append(request.data)
        raise Stopped
    monkeypatch.setattr("urllib.request.urlopen", opened)
    for inputs in ("not bad", ["not bad"], {"text": "not bad"}, {"text": ["not bad"]}):
        with pytest.raises(Stopped):
            client.rest("http://127.0.0.1:1/v1/models/m", inputs)
    assert sent[0] == sent[1] and sent[2] == sent[3]


@pytest.mark.slow
def test_an_export_is_verified_with_a_text_alone(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(saved_model, "_verify", lambda path, answers, server: seen.append(answers) or {})
    saved_model.write(tagger("lstm"), tmp_path, "a good film")
    assert seen[0]["serving_default"][0]["text"].tolist() == [b"a good film"]


@each_kind
def test_predictions_are_traced_once(name):
    make, text, _ = HEADS[name]
    head = make()
    traced, predict_text = [], head.predict_text
    head.predict_text = lambda texts: traced.append(1) or predict_text(texts)
    for texts in ([text], [text, text], [text, text + " " + text if name != "labels" else text]):
        head.predict(texts)
    assert len(traced) == 1


def test_predictions_follow_what_has_changed_in_the_head():
    head = classifier("gru", "mean")
    before = head.predict("not bad")[0]["probabilities"]
    head.temperature = 0.1
    assert head.predict("not bad") != [before]
    probabilities = head.predict("not bad")[0]["probabilities"]
    logits = head.network(head.text.dense(["not bad"]))[0] / 0.1
    np.testing.assert_allclose(list(probabilities.values()), tf.nn.softmax(logits), rtol=1e-5)
    head.network = classifier("lstm", "mean").network
    logits = head.network(head.text.dense(["not bad"]))[0] / 0.1
    found = list(head.predict("not bad")[0]["probabilities"].values())
    np.testing.assert_allclose(found, tf.nn.softmax(logits), rtol=1e-5)
    head.network.linear.bias.assign([0.0, 1.0])
    logits = head.network(head.text.dense(["not bad"]))[0] / 0.1
    found = list(head.predict("not bad")[0]["probabilities"].values())
    np.testing.assert_allclose(found, tf.nn.softmax(logits), rtol=1e-5)


def other(name):
    """A head of the same kind with other weights."""
    head = HEADS[name][0]()
    for weight in head.network.weights:
        weight.assign(np.full(weight.shape, 7, weight.dtype))
    return head


@pytest.mark.parametrize("name", sorted(HEADS.keys() - {"linear", "labels"}))
def test_a_head_starts_from_the_embeddings_and_the_recurrent_layers_of_another(name, monkeypatch):
    old, new = HEADS[name][0](), other(name)
    monkeypatch.setattr(transfer, "difference", lambda ours, theirs: "built in another way")
    assert new.start_from(old).endswith("; new: all other layers (built in another way)")
    taken = [pair for reader in new.backbones() for pair in reader.weights()]
    given = [pair for reader in old.backbones() for pair in reader.weights()]
    assert len(taken) > 3
    for (_, ours), (_, theirs) in zip(taken, given, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(new.backbones(), old.backbones()):
        np.testing.assert_array_equal(ours.table, theirs.table)
    kept = {id(weight) for weight in new.network.weights} - {id(weight) for weight, _ in taken}
    assert kept and all((np.array(w) == 7).all() for w in new.network.weights if id(w) in kept)


def test_a_head_that_cannot_start_from_another_stays_as_it_is():
    head, wide = other("generator"), generator()
    wide.network = type(wide.network)(len(wide.text), units=12, embedding=5, layers=2)
    with pytest.raises(ValueError, match="init_from: expected recurrent layers of shapes"):
        head.start_from(wide)
    with pytest.raises(ValueError, match="init_from: expected 1 embeddings.*received 2"):
        head.start_from(translator())
    with pytest.raises(ValueError, match="init_from: expected models with an embedding and layers"):
        HEADS["linear"][0]().start_from(HEADS["classifier"][0]())
    assert all((np.array(weight) == 7).all() for weight in head.network.weights)


@each_kind
def test_a_signature_is_stated_once(name):
    head, stated = HEADS[name][0](), HEADS[name][0]().signature_table()
    added = {"shout": Signature(lambda text: {"loud": tf.strings.upper(text)}, {"text": TEXTS}),
             "power": Signature(lambda ids, exponent: {"power": tf.cast(ids, tf.float32) ** exponent},
                                {"ids": IDS}, lambda strings: {"ids": tf.fill([len(strings), 1], 3)},
                                {"exponent": 2.0}, {"exponent": 3.0, "size": 9})}
    numeric, limits = list(head.lite_signatures()), head.limits()
    head.signature_table = lambda: {**stated, **added}
    assert list(head.signatures()) == list(head.example_inputs(tf.constant(["ode"]))) == [*stated, *added]
    assert list(head.lite_signatures()) == [*numeric, "power"]
    graphs, questions = head.signatures(), head.example_inputs(tf.constant(["epic", "ode"]))
    assert graphs["shout"](**questions["shout"])["loud"].numpy().tolist() == [b"EPIC", b"ODE"]
    assert questions["power"]["exponent"] == 2 and graphs["power"](ids=[[3]])["power"] == 9
    assert graphs["power"](**questions["power"])["power"].numpy().tolist() == [[9], [9]]
    assert graphs["power"](ids=[[3]], exponent=1e9)["power"] == 27  # cut in the graph, for any server
    assert head.limits() == {**limits, "power": {"exponent": 3.0, "size": 9}}
    assert graphs["power"].input_signature == (tf.TensorSpec([None, None], tf.int32, "ids"),
                                               tf.TensorSpec([], tf.float32, "exponent"))


@pytest.mark.parametrize("name", ["classifier", "generator", "translator"])
def test_a_head_that_has_predicted_can_be_copied(name):
    make, text, _ = HEADS[name]
    head = make()
    assert head.predict(text) == copy.deepcopy(head).predict(text)


def test_a_label_that_is_unknown_is_refused():
    with pytest.raises(ValueError, match="expected a label among ode, epic, received 'sonnet'"):
        generator(["ode", "epic"]).predict("sonnet")
    with pytest.raises(tf.errors.InvalidArgumentError, match="label: expected one of ode, epic, rec"):
        generator(["ode", "epic"]).predict_text(["sonnet"])


def test_a_head_is_added_where_it_is_defined(tmp_path, monkeypatch):
    monkeypatch.setattr(Head, "classes", dict(Head.classes))

    class Lengths(Head):
        """The first state of each text, and how long it is."""

        name, text_class, settings = "lengths", Text, ("unit",)

        def __init__(self, network, text, unit="words"):
            self.network, self.text, self.unit, self.labels = network, text, unit, []

        def predict_text(self, text):
            ids = self.text.dense(text)
            return {"state": self.network.represent(ids)[:, 0],
                    "length": tf.reduce_sum(tf.cast(ids > 0, tf.int32), 1)}

        @staticmethod
        def readable(row, facts):
            return f"{row['state']:.3f} {row['length']} {facts['unit']}"

    text = Text.learn(["not bad"])
    head = Lengths(Classifier(len(text), 1, units=3, embedding=2), text, "tokens")
    head.save(tmp_path)
    assert type(zoo.load(tmp_path)) is Lengths
    assert zoo.load(tmp_path).predict(["not bad", "bad"]) == head.predict(["not bad", "bad"])
    assert head.predict("not bad")[0].endswith("2 tokens")


def test_a_head_whose_module_is_not_imported_is_refused(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"head": "parser"}))
    with pytest.raises(ValueError, match="head: expected one of classifier, generator, tagger, "
                                         "translator in .*, received 'parser'; import the module"):
        zoo.load(tmp_path)


def test_a_head_that_inherits_its_name_leaves_its_parent_registered():
    class Louder(Head.classes["tagger"]):
        """A tagger of the same name."""

    assert Head.classes["tagger"] is not Louder
