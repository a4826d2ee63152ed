"""`init_from` in every task: what is known goes on, what is new is added, and a line says which."""

import types

import numpy as np
import pytest

import zoo
from conftest import slow_but
from tasks import generation, results, sentiment, tagging, translation, tuning
from tasks.fitting import corpus_of
from tasks.generation.options import Settings as GenerationSettings
from tasks.generation.task import Generation
from tasks.sentiment.options import Settings as SentimentSettings
from tasks.sentiment.task import Sentiment
from tasks.tagging.options import Settings as TaggingSettings
from tasks.tagging.task import Tagging
from tasks.translation.options import Settings as TranslationSettings
from tasks.translation.task import Translation
from zoo.models.configurations import CLASSIFIERS, GENERATORS, TAGGERS, TRANSLATORS, nearest
from zoo.models.options import ClassifierOptions, GeneratorOptions, TaggerOptions, TranslatorOptions
from zoo.options import names_of

TINY = {"units": 4, "embedding": 4, "epochs": 1}
PEOPLE, PLACES = ["Ada", "Bo", "Cy", "Di"], ["Rome", "Oslo", "Bath", "Lima"]
SENTENCES = [[one, verb, "in", place, "."]
             for one in PEOPLE for place in PLACES for verb in ("is", "was")]
TEXTS = [" ".join(words) for words in SENTENCES]


def reviews(more=()):
    labels = ["yes" if "is" in words else "no" for words in SENTENCES]
    return [*TEXTS, *more], [*labels, *["perhaps"] * len(more)]


def places(more=()):
    tags = [["O", "O", "O", "B-place", "O"]] * len(SENTENCES)
    return ([*SENTENCES, *([one, "sings"] for one in more)],
            [*tags, *[["B-singer", "O"]] * len(more)])


def pairs(more=()):
    return [*TEXTS, *more], [text.upper() for text in [*TEXTS, *more]]


# A task: its class, its settings, its `fit`, its data, options, a text, and what is new with more of it.
TASKS = {
    "sentiment": (Sentiment, SentimentSettings, sentiment.fit, reviews,
                  {"model": "bilstm", "vectors": "none"},
                  ["Zoe Zoe"] * 9, "labels perhaps"),
    "naive Bayes": (Sentiment, SentimentSettings, sentiment.fit, reviews, {"tokenizer": "character"},
                    ["Zoe Zoe"] * 9, "labels perhaps"),
    "tagging": (Tagging, TaggingSettings, tagging.fit, places, {"digits": False, "affixes": 3},
                ["Zoe"] * 9, "labels S-singer"),
    "generation": (Generation, GenerationSettings, generation.fit,
                   lambda more=(): ([*TEXTS, *more], None), {"window": 8, "level": "word"},
                   ["Zoe Zoe"] * 9, "symbols"),
    "translation": (Translation, TranslationSettings, translation.fit, pairs,
                    {"source_level": "word", "target_level": "character"}, ["Zoe Zoe"] * 9,
                    "symbols of the target")}
each = pytest.mark.parametrize("name", slow_but(["sentiment", "generation"], TASKS))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """name → the folder of a run of a task, trained once."""
    folders = {}

    def folder_of(name):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("runs") / "a run"
            _, _, fit, data, options, *_ = TASKS[name]
            columns = [column for column in data() if column is not None]
            fit(*columns, verbose=False, output_dir=str(folders[name]), **TINY, **options)
        return folders[name]
    return folder_of


def begun(name, folder, tmp_path, more=(), **options):
    """A head that is about to be trained, from the run in a folder."""
    make, settings, _, data, *_ = TASKS[name]
    task = make(settings.of(**{**TINY, "init_from": str(folder), "output_dir": str(tmp_path), **options}))
    task.follow_earlier()
    corpus = corpus_of(task, data(more))
    head, _ = task.begun(corpus)
    return task, head, corpus


def model_of(name):
    """Options of the network that the run has and a new one must repeat."""
    return {key: value for key, value in TASKS[name][4].items() if key in ("model", "affixes", "window")}


@each
def test_on_the_same_corpus_a_head_starts_where_the_other_ended(name, trained, tmp_path, capsys):
    folder = trained(name)
    old, text = zoo.load(folder), TEXTS[0]
    _, new, _ = begun(name, folder, tmp_path, **model_of(name))
    assert new.predict(text) == old.predict(text)
    assert [*new.text.files().items()] == [*old.text.files().items()]
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith(f"init_from {folder}: ") and "new" not in said and "all other layers" in said


@each
def test_words_and_labels_of_another_corpus_are_added(name, trained, tmp_path, capsys):
    *_, more, expected = TASKS[name]
    folder = trained(name)
    old = zoo.load(folder)
    task, new, corpus = begun(name, folder, tmp_path, more, **model_of(name))
    for (_, ours), (_, theirs) in zip(new.vocabularies().items(), old.vocabularies().items()):
        assert ours[:len(theirs)] == theirs and len(ours) > len(theirs)
    assert {*old.text.vocabulary} <= {*new.text.vocabulary}
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.split("; new: ")[1].endswith(expected)
    before = [np.array(one.table) for one in new.backbones()]
    for ours, theirs in zip(before, old.backbones()):
        np.testing.assert_array_equal(ours[:len(theirs.table)], theirs.table)
    data = task.datasets(new, corpus, ("train", "validation"))     # what is read has the new ids
    assert len(data["train"]) > 0
    again, same, _ = begun(name, folder, tmp_path, more, **model_of(name))      # resumes the same run
    for ours, theirs in zip(new.network.weights, same.network.weights):
        np.testing.assert_array_equal(ours, theirs)
    assert again.settings == task.settings


def test_the_network_of_the_earlier_model_keeps_its_name_and_is_not_tuned(trained, tmp_path):
    task, new, corpus = begun("sentiment", trained("sentiment"), tmp_path)
    assert new.network.options == zoo.load(trained("sentiment")).network.options
    assert task.settings.model == "bilstm"
    of_network = {"model", *names_of(ClassifierOptions)}
    assert not any(of_network & options.keys() for options in tuning.candidates(task, {}))


@pytest.mark.parametrize("vectors, settings, said", [
    (True, {"vectors": "words-en"}, " Its tokens are read with the vectors of words-en."),
    (True, {"init_from": "runs/a"}, " Its tokens are read with the vectors of runs/a."),
    (None, {"vectors": "words-en"}, "")])      # --model=auto took the n-grams
def test_a_card_names_the_vectors_that_the_network_has(vectors, settings, said):
    head = types.SimpleNamespace(network=types.SimpleNamespace(vectors=vectors))
    assert results.read_with(head, SentimentSettings.of(**settings)) == said


@pytest.mark.parametrize("table, options_class", [
    (CLASSIFIERS, ClassifierOptions), (TAGGERS, TaggerOptions), (GENERATORS, GeneratorOptions),
    (TRANSLATORS, TranslatorOptions)])
def test_a_network_is_nearest_to_its_own_configuration(table, options_class):
    found = [nearest(table, options_class(**{**fields, "units": 78})) for fields in table.values()]
    assert found == [*table]
    wide = TaggerOptions(**{**TAGGERS["wide_bilstm_char_crf"], "features": 30000, "feature_rank": 16})
    assert nearest(TAGGERS, wide) == "wide_bilstm_char_crf"


@pytest.mark.parametrize("name, options", [
    ("sentiment", {"tokenizer": "subword"}), ("generation", {"level": "character"}),
    pytest.param("tagging", {"digits": True}, marks=pytest.mark.slow),
    pytest.param("translation", {"target_level": "word"}, marks=pytest.mark.slow)])
def test_another_way_to_read_texts_is_refused(name, options, trained, tmp_path):
    expected = "init_from: expected (tokenizer|digits) .*, as the earlier"
    with pytest.raises(ValueError, match=expected) as error:
        begun(name, trained(name), tmp_path, **model_of(name), **options)
    assert "\n" not in str(error.value) and not (tmp_path / "settings.json").exists()


def test_a_classifier_trains_on_from_another_with_a_label_more(trained, tmp_path, capsys):
    more = TASKS["sentiment"][5]
    head = sentiment.fit(*reviews(more), init_from=str(trained("sentiment")), model="bilstm",
                         output_dir=str(tmp_path), **{**TINY, "epochs": 2})
    assert sorted(head.labels) == ["no", "perhaps", "yes"]
    assert "outputs of 2 labels; new: 1 words, labels perhaps" in capsys.readouterr().out
    assert zoo.load(tmp_path).predict("Zoe") == head.predict("Zoe")
