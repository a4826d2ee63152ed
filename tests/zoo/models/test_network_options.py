"""What the networks take and keep as options."""

import dataclasses
import json
import zipfile

import pytest
import tensorflow as tf
from conftest import ROOT

from zoo import options
from zoo.models import configurations
from zoo.models.classifier import Classifier
from zoo.models.language_model import Generator
from zoo.models.options import ClassifierOptions, GeneratorOptions, TaggerOptions, TranslatorOptions
from zoo.models.tagger import Tagger
from zoo.models.translator import Translator

SMALL = {"units": 4, "embedding": 3}
NETWORKS = {Classifier: (9, 2), Tagger: (9, ["O", "B-x"], "BIO", 5), Generator: (9, ["a", "b"]),
            Translator: (9, 8)}
TABLES = {"CLASSIFIERS": ClassifierOptions, "TAGGERS": TaggerOptions, "GENERATORS": GeneratorOptions,
          "TRANSLATORS": TranslatorOptions}


@pytest.mark.parametrize("table, name", [(table, name) for table in TABLES
                                         for name in getattr(configurations, table)])
def test_a_configuration_is_made_of_options(table, name):
    fields = getattr(configurations, table)[name]
    assert dataclasses.asdict(TABLES[table](**fields)).items() >= fields.items()


@pytest.mark.parametrize("cls", NETWORKS)
def test_a_configuration_is_flat_and_makes_the_same_network(cls):
    network = cls(*NETWORKS[cls], **SMALL, name="mine")
    config = json.loads(json.dumps(network.get_config()))
    again = cls.from_config(config)
    assert config.keys() >= {"name", *cls.arguments, *options.names_of(cls.options_class)}
    assert again.options == network.options == cls.options_class(**SMALL) and again.name == "mine"
    assert [getattr(again, name) for name in cls.arguments] == [
        getattr(network, name) for name in cls.arguments]


def saved_configurations():
    """{name: the configuration of a network that version 0.1.0 saved}."""
    with zipfile.ZipFile(ROOT / "tests" / "saved.zip") as archive:
        for name in archive.namelist():
            if name.startswith("heads/") and name.endswith("model.keras"):
                with archive.open(name) as file, zipfile.ZipFile(file) as saved:
                    yield name, json.loads(saved.read("config.json"))


def test_a_configuration_has_the_form_of_earlier_versions():
    classes = {cls.__name__: cls for cls in NETWORKS}
    found = list(saved_configurations())
    assert len(found) == 10
    earlier = {field.metadata.get("was"): field.name for options_class in TABLES.values()
               for field in options.fields(options_class)}
    for name, saved in found:
        before = {earlier.get(key, key): value for key, value in saved["config"].items()}
        network = classes[saved["class_name"]].from_config(saved["config"])
        after = json.loads(json.dumps(network.get_config()))
        assert {key: after[key] for key in before if key in after and key != "dtype"} == {
            key: value for key, value in before.items() if key in after and key != "dtype"}, name
        assert before.keys() - after.keys() <= {"language_cost"}, name


@pytest.mark.parametrize("cls", NETWORKS)
@pytest.mark.parametrize("wrong, message", [
    ({"units": 0}, "units: expected a whole number of at least 1, received 0"),
    ({"units": 2.5}, "units: expected a whole number of at least 1, received 2.5"),
    ({"cell": "qrnn"}, "cell: expected one of simple, gru, lstm, received 'qrnn'"),
    ({"output_dropout": 1.0}, "output_dropout: expected a number from 0 to below 1, received 1.0"),
    ({"unit": 3}, "expected an option among .*; received 'unit'; did you mean units")])
def test_a_wrong_option_is_refused(cls, wrong, message):
    with pytest.raises(ValueError, match=message):
        cls(*NETWORKS[cls], **wrong)


def test_a_list_of_a_file_is_a_tuple_of_the_options():
    network = Generator.from_config({"vocabulary_size": 9, "labels": [], **SMALL, "cutoffs": [4, 6]})
    assert network.options.cutoffs == (4, 6) and network.get_config()["cutoffs"] == [4, 6]


def test_an_option_is_read_by_its_earlier_name():
    network = Classifier.from_config({"vocabulary_size": 9, "outputs": 2, **SMALL, "members": 3})
    assert network.options.ensemble == len(network.networks()) == network.get_config()["ensemble"] == 3
    assert "members" not in network.get_config()


IDS = tf.constant([[2, 3, 4, 5, 6, 7]])
ONE_WAY = {"bidirectional": False, "truncate": 2}
LAST_OUTPUT = {     # of the last step, which a network makes of all words before
    Classifier: ({**ONE_WAY, "pooling": "last"}, lambda network: network(IDS)),
    Tagger: (ONE_WAY, lambda network: network(IDS)[:, -1]),
    Generator: ({"truncate": 2}, lambda network: network(
        {"ids": IDS, "label": tf.constant([0])})[0][:, -1]),
    Translator: ({**ONE_WAY, "attention": "none"}, lambda network: network(
        {"source": IDS, "target": tf.constant([[2]])}))}


@pytest.mark.parametrize("cls", NETWORKS)
def test_an_error_flows_back_as_many_steps_as_truncate_says(cls):
    options, last_output = LAST_OUTPUT[cls]
    network = cls(*NETWORKS[cls], **SMALL, **options)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(last_output(network) ** 2)
    gradient = tf.convert_to_tensor(tape.gradient(loss, network.embedding.embeddings.value))
    reached = tf.reduce_any(gradient != 0, -1).numpy()
    assert [word for word in IDS.numpy()[0] if reached[word]] == [5, 6, 7]      # t-2, t-1, t


@pytest.mark.parametrize("cls, options, message", [
    (Classifier, {"layers": 0, "ngrams": 64}, "truncate: expected at least 1 recurrent layer"),
    (Tagger, {"layers": 0, "crf": True, "features": 64}, "truncate: expected at least 1 recurrent layer"),
    (Tagger, {"feedback": True}, "truncate: expected no feedback beside it")])
def test_a_truncation_of_nothing_is_refused(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(*NETWORKS[cls], **SMALL, **options, truncate=2)
