"""The built-in corpus of translation: deterministic, one translation a sentence, no new word."""
import collections
import random
import re

import pytest

from tasks.reading.splits import normalised
from tasks.translation import sample

WRITTEN = re.compile("[。？]$")


@pytest.fixture(scope="module")
def datasets():
    return sample.generate()


def everything(datasets):
    return [pair for rows in datasets.values() for pair in rows]


def test_sizes_are_as_stated(datasets):
    assert {split: len(rows) for split, rows in datasets.items()} == sample.SIZES
    train, validation, test = sample.SIZES.values()
    assert train == 8 * validation == 8 * test


def test_the_same_seed_gives_the_same_corpus(datasets):
    assert sample.generate(0) == datasets
    assert sample.generate(1) != datasets


def test_the_sentence_of_the_encoder_decoder_example_is_among_them(datasets):
    assert ("我爱中国", "I love China.") in datasets["train"]


def test_no_sentence_occurs_twice_however_it_ends(datasets):
    for side in (0, 1):
        texts = [normalised(WRITTEN.sub("", pair[side])) for pair in everything(datasets)]
        assert len(set(texts)) == len(texts)


def test_a_chinese_sentence_has_one_translation_whatever_the_seed():
    found = collections.defaultdict(set)
    for seed in range(6):
        for chinese, english in everything(sample.generate(seed)):
            found[WRITTEN.sub("", chinese)].add(english)
    assert len(found) > 12000 and {len(translations) for translations in found.values()} == {1}


def test_the_words_of_the_held_out_splits_are_in_training(datasets):
    small = [sample.generate(seed, {"train": 150, "validation": 100, "test": 100})
             for seed in range(5)]
    for some in (datasets, *small):
        for side, units in ((0, list), (1, str.split)):
            known = {unit for pair in some["train"] for unit in units(pair[side])}
            for split in ("validation", "test"):
                assert {unit for pair in some[split] for unit in units(pair[side])} <= known


def test_every_pattern_and_every_word_is_used_often(datasets):
    count = collections.Counter(unit for chinese, english in datasets["train"]
                                for unit in (*chinese, *re.findall(r"\w+", english)))
    assert min(count.values()) >= 5
    assert 100 < len({character for chinese, _ in datasets["train"] for character in chinese}) < 200


def test_one_sentence_in_four_is_not_ended(datasets):
    rows = everything(datasets)
    ended = [pair for pair in rows if WRITTEN.search(pair[0])]
    assert 0.72 < len(ended) / len(rows) < 0.78
    for chinese, english in ended:
        assert (chinese[-1] == "？") == (english[-1] == "?"), (chinese, english)


def test_nothing_of_the_grammar_is_left_in_a_sentence(datasets):
    for chinese, english in everything(datasets):
        assert re.fullmatch(r"[\u4e00-\u9fff]+[。？]?", chinese), chinese
        assert re.fullmatch(r"[A-Z][A-Za-z]*( [A-Za-z]+)+[.?]", english), english


def test_every_slot_that_is_named_exists_and_every_slot_is_used():
    slots = sample.slots(random.Random(0))
    for side in (0, 1):
        named = {slot for pattern in sample.PATTERNS
                 for slot in re.findall("{(.*?)}", pattern[side])}
        assert named == {slot for slot, words in slots.items() if words[side]}


def test_times_and_places_change_sides(datasets):
    rows = [pair for pair in everything(datasets) if re.search("昨天在北京", pair[0])]
    assert len(rows) > 5
    for chinese, english in rows:
        verb = re.search("在北京(..?)了|没在北京", chinese)
        assert verb and chinese.index("昨天") < chinese.index("北京")
        assert re.search("in Beijing yesterday[.]", english), english


def test_verbs_agree_and_have_tenses(datasets):
    for chinese, english in everything(datasets):
        if re.search("(昨天|前天|上个星期|去年).*(了|没)", chinese):
            assert not re.search(r"\b(does|do|will|drinks|buys)\b", english), english
        if re.search("(买|卖|吃|喝|看|写|画|见|去)了(?!吗)|的那.*[。]", chinese):
            assert re.search("bought|sold|ate|drank|read|watched|wrote|drew|saw|went", english), english
        if re.match("(他|她)(喜欢|爱)(?!.*吗)", chinese):
            assert re.match("S?[Hh]e (likes|loves) ", english), (chinese, english)
        if re.match("我(喜欢|爱)", chinese):
            assert not re.search(r"\b(likes|loves)\b", english), english


def test_what_is_looked_at_decides_what_is_done(datasets):
    for chinese, english in everything(datasets):
        if re.search("看(?!见)", chinese):
            assert bool(re.search("电影", chinese)) == bool(re.search("watch", english)), english
            assert bool(re.search("书(?!馆)|信", chinese)) == bool(re.search("read", english)), english


def test_measure_words_belong_to_their_nouns(datasets):
    measure = {noun.zh: noun.measure for noun in sample.NOUNS.values()}
    for chinese, _ in everything(datasets):
        for found, noun in re.findall(r"[一两三四五六十]([本封部张辆个块杯朵只])(?:..的)?"
                                      f"({'|'.join(measure)})", chinese):
            assert measure[noun] == found, chinese


def test_articles_suit_what_follows(datasets):
    for _, english in everything(datasets):
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", english), english
    assert any(" an apple" in english for _, english in datasets["train"])
