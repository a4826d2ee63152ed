"""The built-in corpus of tagging: deterministic, legal, and out of reach for word counts."""
import collections
import random
import re

import pytest

from tasks.reading.splits import normalised
from tasks.tagging import metrics, sample
from tasks.tagging.baselines import hidden_markov, most_frequent_tag
from zoo.text import spans


@pytest.fixture(scope="module")
def datasets():
    return sample.generate()


def test_sizes_are_as_stated_and_every_token_has_a_tag(datasets):
    assert {split: len(rows) for split, rows in datasets.items()} == sample.SIZES
    assert all(len(tokens) == len(tags) > 0 for rows in datasets.values() for tokens, tags in rows)


def test_the_same_seed_gives_the_same_corpus(datasets):
    assert sample.generate(0) == datasets
    assert sample.generate(1) != datasets


def test_no_sentence_occurs_twice_however_it_is_written(datasets):
    texts = [normalised(" ".join(tokens).removesuffix("?"))
             for rows in datasets.values() for tokens, _ in rows]
    assert len(set(texts)) == len(texts)


def test_tags_are_legal_and_all_slots_occur_often(datasets):
    for rows in datasets.values():
        assert all(spans.convert(tags, "BIO") == [*tags] for _, tags in rows)
        count = collections.Counter(kind for _, tags in rows for _, _, kind in spans.spans(tags))
        assert set(count) == set(sample.SLOTS)
        assert min(count.values()) > 0.05 * len(rows)


def test_half_is_written_and_half_is_heard(datasets):
    for rows in datasets.values():
        heard = [tokens for tokens, _ in rows if not re.search("[A-Z?]", " ".join(tokens))]
        assert len(heard) == len(rows) / 2
        for tokens, _ in rows:
            if tokens not in heard:
                assert re.match("[A-Z]", tokens[0]), tokens


def test_nothing_of_the_grammar_is_left_in_a_sentence(datasets):
    for rows in datasets.values():
        for tokens, _ in rows:
            assert all(re.fullmatch(r"[A-Za-z']+|\?", token) for token in tokens), tokens


def test_every_rule_that_is_named_exists_and_every_rule_is_used():
    lists = [*sample.PATTERNS.values(), sample.GRAMMAR.values()]
    named = {name for texts in lists for text in texts for name in re.findall("{(.*?)}", text)}
    rules = {name.rpartition(":")[2] for name in named}
    assert rules == set(sample.GRAMMAR)
    assert {name.partition(":")[0] for name in named if ":" in name} <= set(sample.SLOTS)


def test_held_out_splits_have_patterns_and_names_of_their_own(datasets):
    train, validation, test = (set(sample.PATTERNS[split]) for split in datasets)
    assert not train & validation and not train & test and not validation & test
    known = {token.lower() for tokens, _ in datasets["train"] for token in tokens}
    for split in ("validation", "test"):
        names = " ".join(sample.UNSEEN[split].values()).lower()
        names = set(re.findall(r"\w+", names))
        assert not names & known
        found = {token.lower() for tokens, _ in datasets[split] for token in tokens}
        assert found - known <= names and len(found - known) > 5


def test_one_word_fills_many_slots(datasets):
    slots = collections.defaultdict(set)
    for tokens, tags in datasets["train"]:
        for token, tag in zip(tokens, tags):
            slots[token.lower()].add(tag[2:])
    assert slots["jordan"] >= {"place", "origin", "destination", "person", "song", "artist", "message"}
    assert slots["six"] >= {"time", "guests", "amount", "song", "message"}


def test_a_slot_inside_another_is_part_of_it():
    grammar = {**sample.rules({}), "message": ["in {city} at {time}"]}
    tokens, tags = sample.sentence("tell Ann {message}", grammar, random.Random(2))
    assert tags == ("O", "O", "B-message", *["I-message"] * (len(tokens) - 3))


def test_counting_misses_what_stands_far_away(datasets):
    tokens, gold = zip(*datasets["validation"])
    f1 = {model: metrics.span_scores(gold, model(datasets["train"], tokens))["f1"]
          for model in (most_frequent_tag, hidden_markov)}
    assert f1[most_frequent_tag] < 0.4 and f1[hidden_markov] < 0.75
