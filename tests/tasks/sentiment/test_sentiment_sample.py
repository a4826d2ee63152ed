"""The built-in corpus: splits do not share patterns, words alone do not give the label away."""
import collections
import random
import re

import pytest

from tasks import naive_bayes
from tasks.sentiment import sample


@pytest.fixture(scope="module")
def datasets():
    return sample.generate()


def words(text):
    return re.findall(r"\w+", text.lower())


def test_sizes_are_as_stated_and_labels_balanced(datasets):
    assert {split: len(rows) for split, rows in datasets.items()} == sample.SIZES
    for rows in datasets.values():
        count = collections.Counter(label for _, label in rows)
        assert count["negative"] == count["positive"]


def test_no_sentence_occurs_twice(datasets):
    texts = [text for rows in datasets.values() for text, _ in rows]
    assert len(set(texts)) == len(texts)


def test_the_same_seed_gives_the_same_corpus(datasets):
    assert sample.generate(0) == datasets
    assert sample.generate(1) != datasets


def test_no_pattern_belongs_to_two_splits():
    for split, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not set(sample.PATTERNS[split]) & set(sample.PATTERNS[other])


def test_every_word_of_the_held_out_splits_occurs_in_training(datasets):
    known = {word for text, _ in datasets["train"] for word in words(text)}
    for split in ("validation", "test"):
        assert {word for text, _ in datasets[split] for word in words(text)} <= known


def test_no_frequent_word_but_the_verbs_of_feeling_leans_to_a_label(datasets):
    verbs = {verb + "d" for verb in ("love", "like", "admire", "hate", "dislike", "despise")}
    count = collections.Counter((word, label) for text, label in datasets["train"]
                                for word in set(words(text)) - verbs)
    for word in {word for word, _ in count}:
        positive, negative = count[word, "positive"], count[word, "negative"]
        if positive + negative >= 150:
            assert 0.35 < positive / (positive + negative) < 0.65, word


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("model", [naive_bayes.naive_bayes, naive_bayes.multinomial_naive_bayes])
def test_a_bag_of_words_is_misled(datasets, model, split):
    texts, labels = zip(*datasets[split])
    found = model(datasets["train"], texts, list(sample.LABELS)).argmax(axis=1)
    right = sum(sample.LABELS[guess] == label for guess, label in zip(found, labels))
    assert right / len(labels) <= 0.80


def polarity(text):
    """Reads a single clause by rule: the adjective or verb, turned round by a negation."""
    good = {word for domain in sample.DOMAINS for word in domain.good.split("|")}
    good |= set(words(sample.GOOD)) | {form for verb in ("love", "like", "admire")
                                       for form in (verb, verb + "d")}
    turned = set(words(text)) & {"not", "hardly", "but", "far", "never", "nothing"}
    return bool(set(words(text)) & good) != bool(turned)


@pytest.mark.parametrize("pattern", ["{main}.", "hardly {unlike}, the {aspect}.", "{like}.",
                                     "not a {unlike} {thing}.", "anything but {unlike}."])
@pytest.mark.parametrize("positive", [True, False])
def test_labels_follow_the_negation(pattern, positive):
    rng = random.Random(3)
    for _ in range(200):
        text = sample.sentence(pattern, positive, rng)
        assert polarity(text) == positive, text


@pytest.mark.parametrize("pattern, divider, main", [
    ("{other}, but {main}.", ", but ", 1), ("{main}, although {other}.", ", although ", 0)])
def test_the_contrast_decides_by_its_main_clause(pattern, divider, main):
    rng = random.Random(5)
    for positive in (True, False) * 100:
        clauses = sample.sentence(pattern, positive, rng).split(divider)
        assert polarity(clauses[main]) == positive != polarity(clauses[1 - main])


@pytest.mark.parametrize("positive, word", [(True, "bad"), (False, "good")])
def test_not_bad_at_all_is_praise_and_not_good_at_all_is_blame(positive, word):
    rng = random.Random(0)
    texts = {sample.sentence("not {unlike} at all.", positive, rng) for _ in range(500)}
    assert f"Not {word} at all." in texts
    assert f"Not {'good' if positive else 'bad'} at all." not in texts


def test_sentences_are_written_as_english_is(datasets):
    for rows in datasets.values():
        for text, _ in rows:
            assert re.fullmatch(r"[A-Z][A-Za-z ,.]*\.", text), text
            assert not re.search(r"[{}]|  |\ba [aeio]|\ba un|\ban us|\. [a-z]", text), text


def test_no_word_is_drawn_twice(datasets):
    drawn = {word for domain in sample.DOMAINS for field in domain for word in words(field)}
    for text, _ in datasets["test"]:
        count = collections.Counter(words(text))
        assert all(count[word] <= 1 for word in drawn), text
