"""Tokens are expected as written by hand; for random strings Python's Unicode tables decide."""
import collections
import doctest
import itertools
import json
import os
import random
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

import zoo.text
from conftest import ROOT
from zoo.text.tokenizer import TOKENIZERS, Text
from zoo.text.vocabulary import RESERVED

FAMILY = "👨‍👩‍👧‍👦"  # seven code points, three of them joiners
TEXTS = [
    "A good film, isn't it? A GOOD film!",
    "Not good; not bad.\nUnwatchable…",
    "我爱中国。我爱电影",
    f"{FAMILY} 👍🏽 good 3.14",
    "C:\\temp\r\n",
]
ODD = [
    b"", b"good film", b"not \xff\xfe good \xe4\xb8", b"\x00a\x00", "我爱 unseen 👍🏽".encode(),
    b" \n\t ", "ÉCOLE İSTANBUL".encode(), b"\\n\n\r\\", b"x" * 3000,
]


def split(string, tokenizer, lowercase=True):
    """Tokens of one string, by a Text that knows no token."""
    tokens = Text(list(RESERVED), tokenizer, lowercase).tokens([string]).to_list()[0]
    return [token.decode("utf-8", "surrogateescape") for token in tokens]


def learn(tokenizer, **settings):
    return Text.learn(TEXTS, tokenizer, size=120, **settings)


@pytest.mark.parametrize("string, expected", [
    ("Don't stop: it's well-made (mostly)...",
     ["don't", "stop", ":", "it's", "well", "-", "made", "(", "mostly", ")", ".", ".", "."]),
    ("“It’s the dogs' bowl,” she said",
     ["“", "it's", "the", "dogs", "'", "bowl", ",", "”", "she", "said"]),
    ("In 1999 the 2nd cost $1,000.50, 3.", ["in", "1999", "the", "2nd", "cost", "$", "1,000.50",
                                            ",", "3", "."]),
    ("我爱中国", ["我", "爱", "中", "国"]),
    ("ラーメンを3つ!", ["ラ", "ー", "メ", "ン", "を", "3", "つ", "!"]),
    ("iPhone很好,真的 good", ["iphone", "很", "好", ",", "真", "的", "good"]),
    ("한국어 영화 ÉTÉ naïve cafe\u0301", ["한국어", "영화", "été", "naïve", "cafe\u0301"]),
    (f"wow{FAMILY}👍🏽👍❤️‍🔥🇩🇪🇫🇷!", ["wow", FAMILY, "👍🏽", "👍", "❤️‍🔥", "🇩🇪", "🇫🇷", "!"]),
    ("می‌خواهم", ["می‌خواهم"]),
    ("a\u00a0b\u3000c\td\ne\u2028f\x01g\ufeffh", ["a", "b", "c", "d", "e", "f", "g", "h"]),
    ("[PAD] [UNK]", ["[", "pad", "]", "[", "unk", "]"]),
    ("a\x00b", ["a", "\ufffd", "b"]),
])
def test_words_numbers_ideographs_marks_and_emoji_are_tokens(string, expected):
    assert split(string, "word") == expected


def test_characters_are_code_points_and_bytes_are_bytes():
    assert split("Né 我👍🏽\n", "character") == ["n", "é", " ", "我", "👍", "🏽", "\n"]
    assert split(FAMILY, "character") == list(FAMILY)
    assert split("é\n", "byte") == ["\udcc3", "\udca9", "\n"]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["tr_TR", "lt_LT"])
def test_the_language_of_the_machine_changes_no_letter(language):
    text = "I İ I\u0307 DIŞ J\u030c Į\u0300 I\u0301 Ì Í Ĩ ΑΣ Straße"
    program = ("import sys; from zoo.text import tokenizer; print(ascii(tokenizer.normalise("
               "[sys.argv[1]]).numpy()[0].decode()))")
    done = subprocess.run([sys.executable, "-c", program, text], cwd=ROOT, capture_output=True,
                          encoding="utf-8", check=True,
                          env={**os.environ, "LC_ALL": f"{language}.UTF-8"})
    assert done.stdout.strip() == ascii(text.lower())


def test_case_is_kept_on_request():
    assert split("Don't SHOUT É", "word", lowercase=False) == ["Don't", "SHOUT", "É"]
    assert split("aÉ", "character", lowercase=False) == ["a", "É"]
    assert Text.learn(["Ab ab AB"], lowercase=False).vocabulary[2:] == ["AB", "Ab", "ab"]


@pytest.mark.parametrize("malformed", [b"a\xffb", b"\xe4\xb8", b"\xed\xa0\x80", b"\xc0\xaf",
                                       b"\xf0\x9f\x98 x", b"\xf4\x90\x80\x80", b"\xef\xbb\xbfx"])
def test_malformed_utf8_is_replaced_as_python_replaces_it(malformed):
    assert split(malformed, "character") == list(malformed.decode("utf-8", "replace"))


def test_words_lose_nothing_but_separators():
    generator = random.Random(0)
    pool = [*"ab'’., \n\t-_#1é中ンー\u0301\u200d\u200c\u200b\ufeff\u3000\x00\x85", *FAMILY,
            "👍🏽", "🇩", "\U0001f1ea", "\ufffd"]
    strings = ["".join(generator.choices(pool, k=12)) for _ in range(2000)]
    for string, tokens in zip(strings, Text(list(RESERVED)).tokens(strings).to_list()):
        kept = string.replace("\x00", "\ufffd").replace("’", "'")
        kept = "".join(c for c in kept if not (c.isspace() or c in "\u200b\ufeff"))
        assert b"".join(tokens).decode() == kept
        assert b"" not in tokens


def test_random_characters_split_by_their_unicode_category():
    generator = random.Random(1)
    known = [chr(code) for code in generator.sample(range(1, 0x2fa00), 6000)
             if unicodedata.category(chr(code)) not in ("Cs", "Cn", "Cc")]
    alone = Text(list(RESERVED), lowercase=False).tokens([f"x{c}" for c in known]).to_list()
    for character, tokens in zip(known, alone):
        category = unicodedata.category(character)
        name = unicodedata.name(character, "")
        ideograph = any(part in name for part in ("CJK", "HIRAGANA", "KATAKANA", "HENTAIGANA"))
        if category[0] in "LMN" and not ideograph:
            assert len(tokens) == 1, (hex(ord(character)), category, tokens)
        elif category[0] == "Z":
            assert tokens == [b"x"], (hex(ord(character)), category, tokens)
        elif category[0] == "P":
            assert len(tokens) == 2, (hex(ord(character)), category, tokens)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_empty_strings_and_batches_give_empty_rows(tokenizer):
    text = learn(tokenizer)
    assert text(["", "good"]).row_lengths().numpy()[0] == 0
    assert text([]).to_list() == []
    assert text.dense([]).shape == (0, 1)
    np.testing.assert_array_equal(text.dense(["", ""]), [[0], [0]])


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_megabyte_is_cut_as_a_line_is(tokenizer):
    text = learn(tokenizer)
    pieces = ["The film isn't bad, 我爱 👍! ".encode(), b"a", b" ", b"\xff"]
    lengths = text([(piece * 10**6)[:10**6] for piece in pieces]).row_lengths().numpy()
    one_token = {"word": [1, 0], "subword": [1, 0]}.get(tokenizer, [10**6, 10**6])
    assert lengths[0] > 10**5 and list(lengths[1:3]) == one_token
    assert lengths[3] == (3 if tokenizer == "byte" else 1) * 10**6


@pytest.mark.parametrize("tokenizer", ["word", "character", "byte"])
def test_vocabulary_is_ordered_by_falling_count_then_alphabetically(tokenizer):
    text = learn(tokenizer)
    counts = collections.Counter(token for string in TEXTS for token in split(string, tokenizer))
    encoded = {token: token.encode("utf-8", "surrogateescape") for token in counts}
    expected = sorted(counts, key=lambda token: (-counts[token], encoded[token]))
    assert text.vocabulary == [*RESERVED, *expected]
    assert len(text) == len(text.vocabulary)


def test_size_and_min_count_limit_the_vocabulary():
    texts = ["b b b a a c", "d d d"]
    assert Text.learn(texts).vocabulary == [*RESERVED, "b", "d", "a", "c"]
    assert Text.learn(texts, size=4).vocabulary == [*RESERVED, "b", "d"]
    assert Text.learn(texts, min_count=2).vocabulary == [*RESERVED, "b", "d", "a"]


def test_ids_are_places_in_the_vocabulary_and_unknowns_are_one():
    text = Text([*RESERVED, "good", "film", "!"])
    ids = text(["Good film, good!", "bad"])
    assert ids.to_list() == [[2, 3, 1, 2, 4], [1]]
    assert ids.dtype == tf.int32 and isinstance(ids, tf.RaggedTensor)
    np.testing.assert_array_equal(text.dense(["Good film, good!", "bad"]),
                                  [[2, 3, 1, 2, 4], [1, 0, 0, 0, 0]])
    assert text(["[PAD] [UNK]"]).to_list() == [[1, 1, 1, 1, 1, 1]]


def test_word_pieces_are_the_longest_ones_that_fit():
    text = Text([*RESERVED, "un", "##watch", "##able", "watch", "a", "##b", "爱"], "subword")
    assert text(["Unwatchable watch!", "我爱", "ab unx"]).to_list() == [[2, 3, 4, 5, 1], [1, 8],
                                                                      [6, 7, 1]]
    assert text.tokens(["Unwatchable!"]).to_list() == [[b"un", b"##watch", b"##able", b"[UNK]"]]
    assert Text([*RESERVED, "don't"], "subword")(["Don't don"]).to_list() == [[2, 1]]


def test_learnt_word_pieces_spell_every_learnt_word_within_size():
    texts = [f"{stem}{ending}" for stem in ("walk", "talk", "jump", "play")
             for ending in ("", "ing", "ed", "s") for _ in range(5)]
    for size in (200, 70, 66):
        text = Text.learn(texts, "subword", size=size)
        assert len(text) <= size and text.vocabulary[:2] == list(RESERVED)
        spelt = [b"".join(row).replace(b"##", b"").decode() for row in text.tokens(texts).to_list()]
        assert spelt == texts
    assert "walk" in Text.learn(texts, "subword").vocabulary
    assert len(Text.learn(TEXTS, "subword", size=20)) <= 20


def test_surplus_word_pieces_are_dropped_but_no_character():
    texts = ["".join(letters) for letters in itertools.product("ab", repeat=5)] * 9
    assert len(Text.learn(texts, "subword").vocabulary) > 20
    vocabulary = Text.learn(texts, "subword", size=12).vocabulary
    assert len(vocabulary) == 12 and {"a", "b", "##a", "##b"} < set(vocabulary)


def test_max_length_keeps_the_first_tokens():
    for tokenizer in TOKENIZERS:
        whole, short = learn(tokenizer), learn(tokenizer, max_length=3)
        assert whole.vocabulary == short.vocabulary
        assert short(TEXTS).to_list() == [row[:3] for row in whole(TEXTS).to_list()]
        assert short.tokens(TEXTS).to_list() == [row[:3] for row in whole.tokens(TEXTS).to_list()]


def test_lone_surrogates_of_python_strings_become_replacement_characters():
    text = Text([*RESERVED, "\ufffd", "a"], "character")
    assert set(text(["a\ud83d", "\udcff"]).flat_values.numpy()) == {2, 3}


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_what_is_saved_is_what_loads(tokenizer, tmp_path):
    text = learn(tokenizer, lowercase=False, max_length=30)
    text.save(tmp_path / "new" / "folder")
    loaded = Text.load(tmp_path / "new" / "folder")
    assert loaded.vocabulary == text.vocabulary
    assert (loaded.tokenizer, loaded.lowercase, loaded.max_length) == (tokenizer, False, 30)
    assert loaded(TEXTS + ODD).to_list() == text(TEXTS + ODD).to_list()
    lines = (tmp_path / "new" / "folder" / "vocabulary.txt").read_bytes().split(b"\n")
    assert len(lines) == len(text) + 1 and lines[:2] == [b"[PAD]", b"[UNK]"]


def test_every_byte_and_escape_survives_the_vocabulary_file(tmp_path):
    every_byte = [bytes([code]).decode("utf-8", "surrogateescape") for code in range(256)]
    awkward = ["\\n", "\\\n", "\\\\", "\\x41", "\\xff", "\u2028", "\x85", "  ", "\r\n", "##", ""]
    text = Text([*RESERVED, *every_byte, *awkward], "character")
    text.save(tmp_path)
    assert Text.load(tmp_path).vocabulary == text.vocabulary
    assert len((tmp_path / "vocabulary.txt").read_bytes().split(b"\n")) == len(text) + 1


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_graph_and_tf_data_equal_eager(tokenizer):
    text, strings = learn(tokenizer), TEXTS + ODD
    expected = text(strings).to_list()
    graph = tf.function(text, input_signature=[tf.TensorSpec([None], tf.string)])
    assert graph(tf.constant(strings)).to_list() == expected
    batches = tf.data.Dataset.from_tensor_slices(strings).batch(4).map(text)
    assert [row for batch in batches for row in batch.to_list()] == expected
    dense = tf.data.Dataset.from_tensor_slices(strings).batch(len(strings)).map(text.dense)
    np.testing.assert_array_equal(next(iter(dense)), text.dense(strings))


LOAD = """
import json, sys
import tensorflow as tf

def answers(folder, strings):
    loaded = tf.saved_model.load(folder)
    return loaded.signatures["serving_default"](strings=tf.constant(strings))["ids"]

def session_answers(folder, strings):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signature = model.signature_def["serving_default"]
        return session.run(signature.outputs["ids"].name,
                           {signature.inputs["strings"].name: strings})

root, strings = sys.argv[1], [bytes.fromhex(code) for code in json.loads(sys.argv[2])]
for tokenizer in sys.argv[3:]:
    if tokenizer == "subword":
        assert "tensorflow_text" not in sys.modules
        import tensorflow_text
    for load in (answers, session_answers):
        print("ids", json.dumps(load(f"{root}/{tokenizer}", strings).tolist()
              if load is session_answers
              else load(f"{root}/{tokenizer}", strings).numpy().tolist()))
assert not any(name.split(".")[0] == "zoo" for name in sys.modules)
"""


def save_model(text, folder, tmp_path):
    """A SavedModel around a Text that was read from files which are gone afterwards."""
    text.save(tmp_path / "files")
    module = tf.Module()
    module.text = Text.load(tmp_path / "files")
    module.vocabulary = tf.saved_model.Asset(str(tmp_path / "files" / "vocabulary.txt"))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="strings")])
    def serve(strings):
        return {"ids": module.text.dense(strings)}

    tf.saved_model.save(module, str(folder), signatures=serve)
    for file in (tmp_path / "files").iterdir():
        file.unlink()


def run_python(*arguments, **environment):
    environment = {**os.environ, **environment}
    child = subprocess.run([sys.executable, *arguments], env=environment, timeout=1800,
                           capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-2000:]
    return child.stdout


@pytest.mark.slow
def test_saved_model_answers_alike_in_a_process_without_this_project(tmp_path):
    strings = [string.encode() for string in TEXTS] + ODD
    expected = []
    for tokenizer in TOKENIZERS:
        text = learn(tokenizer, max_length=40)
        save_model(text, tmp_path / tokenizer, tmp_path)
        expected += [text.dense(strings).numpy().tolist()] * 2
        asset = (tmp_path / tokenizer / "assets" / "vocabulary.txt").read_text(encoding="utf-8")
        assert asset.count("\n") == len(text)
    output = run_python("-I", "-c", LOAD, str(tmp_path),
                        json.dumps([string.hex() for string in strings]), *TOKENIZERS)
    answers = [line.removeprefix("ids ") for line in output.splitlines() if line[:4] == "ids "]
    assert [json.loads(answer) for answer in answers] == expected


LEARN = """
import json, sys
from zoo.text.tokenizer import Text
print("vocabulary", json.dumps(Text.learn(json.loads(sys.argv[1]), "subword", size=90).vocabulary))
"""


@pytest.mark.slow
def test_vocabulary_depends_on_neither_the_order_of_texts_nor_hash_seeds():
    for tokenizer in TOKENIZERS:
        vocabulary = Text.learn(TEXTS, tokenizer, size=90).vocabulary
        assert Text.learn(TEXTS[::-1], tokenizer, size=90).vocabulary == vocabulary
    output = run_python("-c", LEARN, json.dumps(TEXTS), PYTHONHASHSEED="7", PYTHONPATH=str(ROOT))
    line = next(line for line in output.splitlines() if line.startswith("vocabulary "))
    assert json.loads(line.removeprefix("vocabulary ")) == vocabulary  # the last one, subword


@pytest.mark.parametrize("call, message", [
    (lambda: Text.learn(["a"], "words"), "expected tokenizer to be one of word, character, byte, "
                                         "subword, received 'words'"),
    (lambda: Text.learn(["a"], size=2), "expected size to be an integer of at least 3, received 2"),
    (lambda: Text.learn(["a"], size=3.5), "received 3.5"),
    (lambda: Text.learn(["a"], min_count=0), "expected min_count .* received 0"),
    (lambda: Text.learn(["a"], max_length=-1), "expected max_length .* received -1"),
    (lambda: Text.learn(["a"], lowercase="no"), "expected lowercase .* received 'no'"),
    (lambda: Text.learn([]), "at least one token .* received 0 texts"),
    (lambda: Text.learn(["", " \n"]), "at least one token .* received 2 texts"),
    (lambda: Text.learn("abc"), "expected a list of texts, received one string"),
    (lambda: Text.learn(["a", None]), "expected strings, received None"),
    (lambda: Text(["a", "b"]), r"starts with \[PAD\], \[UNK\], received \['a', 'b'\]"),
    (lambda: Text([*RESERVED, "a", "a"]), "every token once .* received 'a'"),
    (lambda: Text(list(RESERVED))("good"), r"expected a batch of strings.* received string \(\)"),
    (lambda: Text(list(RESERVED))(tf.constant([[1]])), r"received int32 \(1, 1\)"),
    (lambda: Text(list(RESERVED))([3]), "expected strings, received 3"),
])
def test_wrong_arguments_are_one_line_errors(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_missing_and_damaged_files_are_one_line_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected .*text.json"):
        Text.load(tmp_path)
    learn("word").save(tmp_path)
    vocabulary, settings = tmp_path / "vocabulary.txt", tmp_path / "text.json"
    vocabulary.write_bytes(vocabulary.read_bytes()[:50])
    with pytest.raises(ValueError, match="expected .* tokens in .*vocabulary.txt, received"):
        Text.load(tmp_path)
    settings.write_text('{"tokenizer": "word"}')
    with pytest.raises(ValueError, match="expected the settings lowercase, .* received tokenizer"):
        Text.load(tmp_path)
    settings.write_text('{"tokenizer')
    with pytest.raises(ValueError, match="expected JSON in .*text.json"):
        Text.load(tmp_path)


def test_docstring_examples_run():
    results = [doctest.testmod(module) for module in (zoo.text.tokenizer, zoo.text.vocabulary)]
    assert not any(result.failed for result in results) and all(result.attempted for result in results)
