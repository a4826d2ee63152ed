"""Text to ids and back: what comes out is what Python says went in."""
import json
import random
import subprocess
import sys
from pydoc_data.topics import topics

import numpy as np
import pytest
import tensorflow as tf

from zoo.text.subwords import GENERATED, Subwords
from zoo.text.tokenizer import Text

TEXTS = [
    "A good film, isn't it? A GOOD film!",
    "Not good; not bad.\nUnwatchable…",
    "我爱中国。我爱电影 (2019)",
    "Zwei Männer\r\n\tgehen  nach Hause #1 ##2",
    "3.14 good C:\\temp ▁ ’s [END]",
]
LEVELS = ("subword", "word", "character")


def learn(level, **settings):
    settings = {"size": 2000 if level != "subword" else 400, **settings}
    return Subwords.learn(TEXTS * 4, level, **settings)


def back(text, strings, **options):
    return [string.decode() for string in text.strings(text(strings), **options).numpy()]


def test_random_strings_over_the_known_alphabet_come_back_as_they_were():
    generator = random.Random(0)
    alphabet = sorted(set("".join(TEXTS)))
    strings = ["".join(generator.choices([*alphabet, " ", "\n", "A", "a"], k=generator.randrange(30)))
               for _ in range(3000)]
    for level in ("subword", "character"):
        assert back(learn(level), strings) == strings, level


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("string", [
    *TEXTS, "", " ", "\n", "  ", "\n\n", " \n ", "A\n", "\nA", " A", "  A", "A ", "A  good", "\n\n A\n\n",
    "A\n\n\ngood", "A good\t film", "我爱 中国", "我\n爱"])
def test_spaces_and_line_ends_come_back_as_they_were(level, string):
    text = Subwords.learn([*TEXTS, "A good\nA 我 爱\n我 中\n good film\nfilm A 中 爱 film\n爱"], level, 2000)
    assert back(text, [string]) == [string]


@pytest.mark.parametrize("level", LEVELS)
def test_malformed_utf8_and_u0000_come_back_replaced(level):
    text = Subwords.learn(["a\ufffdb a", "\ufffd"], level, 40)
    assert back(text, [b"a\xffb", b"a\x00b a"]) == ["a\ufffdb", "a\ufffdb a"]


def test_the_pieces_of_a_text_are_the_text():
    text = learn("subword")
    tokens = [token.decode() for token in text.tokens([TEXTS[3]]).to_list()[0]]
    said = [token.removeprefix("##") for token in tokens]
    assert "".join(said) == " Zwei Männer\r\n \tgehen  nach Hause #1 ##2"
    assert [piece.decode() for piece in text.pieces(text([TEXTS[3]])).numpy()[0]] == said


def test_the_first_word_of_a_line_is_the_word_inside_a_line():
    for level in ("subword", "word"):
        text = learn(level)
        first, inside, second = (text([string]).to_list()[0] for string in
                                 ("good film", "A good film", "A\ngood film"))
        assert inside[-len(first):] == first == second[-len(first):]


@pytest.mark.parametrize("level, string, expected", [
    ("subword", "A 👍 good, 👍film", "A � good, �film"),
    ("word", "A goodness good, 👍", "A � good, �"),
    ("character", "A👍 good", "A� good"),
])
def test_what_is_unknown_is_shown_as_such(level, string, expected):
    text = learn(level)
    assert back(text, [string]) == [expected]
    assert back(text, [string], unknown=" ?") == [expected.replace(" �", " ?").replace("A�", "A ?")]
    assert text([string]).flat_values.numpy().tolist().count(1) == expected.count("�")


def test_what_replaces_the_unknown_may_differ_from_id_to_id():
    text = Subwords([*GENERATED, " a"], "word")
    ids = text(["x a y"])
    written = text.strings(ids, unknown=tf.constant([[" Xaver", "no", " Yves"]]))
    assert written.numpy().tolist() == [b"Xaver a Yves"]


@pytest.mark.parametrize("level", LEVELS)
def test_padding_marks_and_what_follows_the_end_are_not_written(level):
    text = learn(level)
    a, b = text(["A good", "film"]).to_list()
    rows = [[text.start, *a, text.end, *b, text.end, 0], [0, *b, text.end, 1, *a, 0, 0]]
    rows = [row + [0] * (max(map(len, rows)) - len(row)) for row in rows]
    assert text.strings(rows).numpy().tolist() == [b"A good", b"film"]
    assert text.strings([rows]).numpy().tolist() == [[b"A good", b"film"]]
    assert (text.start, text.end) == (2, 3) and text.vocabulary[2:4] == ["[START]", "[END]"]


@pytest.mark.parametrize("level", LEVELS)
def test_no_text_has_a_reserved_id_but_the_unknown(level):
    text = learn(level)
    ids = text([*TEXTS, "[PAD] [START][END] [UNK]", " [END]", "##END"]).flat_values.numpy()
    assert not set(ids.tolist()) & {0, 2, 3}


def test_text_goes_on_inside_a_line():
    text = learn("subword")
    ids = text(["A good film\nA good\n"]).to_list()[0]
    assert [piece.decode() for piece in text.pieces(ids).numpy()] == [
        " A", " good", " film", "\n", " A", " good", "\n"]
    assert text.strings(ids[1:], inside=True).numpy() == b" good film\nA good\n"
    assert text.strings(ids[1:]).numpy() == b"good film\nA good\n"


def test_case_is_kept_unless_it_is_not_wanted():
    assert back(learn("subword"), ["A GOOD film"]) == ["A GOOD film"]
    assert back(learn("subword", lowercase=True), ["A GOOD film"]) == ["a good film"]
    assert back(Subwords([*GENERATED, " A", " a"], "word"), ["A a"]) == ["A a"]


def test_words_of_any_length_have_pieces():
    text = learn("subword")
    assert back(text, ["A" * 5000, "A" * 100, "A" * 101]) == ["A" * 5000, "A" * 100, "A" * 101]


def test_max_length_keeps_the_first_tokens():
    text = learn("word", max_length=3)
    assert back(text, ["A good film, isn't it?", "A"]) == ["A good film", "A"]


@pytest.mark.parametrize("level", LEVELS)
def test_frequent_words_are_one_piece_and_dense_pads_at_the_right(level):
    text = learn(level)
    first = {"character": "A"}.get(level, " A")
    assert text.vocabulary[int(text.dense(["A good", ""])[0, 0])] == first
    assert not text.dense(["A good", ""])[1].numpy().any()


@pytest.mark.parametrize("level", LEVELS)
def test_saved_and_loaded_it_reads_and_writes_alike(tmp_path, level):
    text = learn(level, max_length=40)
    text.save(tmp_path)
    again = Subwords.load(tmp_path)
    assert again.vocabulary == text.vocabulary and again.max_length == 40
    assert back(again, TEXTS) == back(text, TEXTS)
    assert set(text.files()) == {"vocabulary.txt", "text.json"} and not again.lowercase


def test_a_vocabulary_without_start_and_end_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"starts with \[PAD\], \[UNK\], \[START\], \[END\], received"):
        Subwords(["[PAD]", "[UNK]", "a"])
    Text.learn(TEXTS).save(tmp_path)
    with pytest.raises(ValueError, match="starts with"):
        Subwords.load(tmp_path)


def test_bytes_are_no_level_of_generated_text():
    with pytest.raises(ValueError, match="one of subword, word, separated, character, received 'byte'"):
        Subwords.learn(TEXTS, "byte")
    with pytest.raises(ValueError, match="size to be an integer of at least 5"):
        Subwords.learn(TEXTS, size=4)


class Echo(tf.Module):
    """A graph from strings to strings."""

    def __init__(self, text):
        super().__init__()
        self.text = text

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(self, texts):
        return {"texts": self.text.strings(self.text.dense(texts))}


@pytest.mark.slow
def test_a_saved_model_writes_text_in_a_process_without_this_project(tmp_path):
    """The round trip needs nothing but TensorFlow and tensorflow-text's op."""
    strings = [*TEXTS, "", " A\n\n good "]
    for level in ("subword", "character"):
        echo = Echo(learn(level))
        tf.saved_model.save(echo, tmp_path / level, signatures=echo.serve)
    program = (
        "import json, sys, tensorflow as tf, tensorflow_text\n"
        "for level in ('subword', 'character'):\n"
        "    serve = tf.saved_model.load(level).signatures['serving_default']\n"
        "    texts = serve(texts=tf.constant(json.loads(sys.argv[1])))['texts'].numpy()\n"
        "    print(json.dumps([text.decode() for text in texts]))\n")
    done = subprocess.run([sys.executable, "-c", program, json.dumps(strings)], cwd=tmp_path,
                          capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [strings, strings]


def test_prose_that_python_ships_comes_back_as_it_was():
    prose = list(topics.values())[:40]
    text = Subwords.learn(prose, size=1500)
    assert back(text, prose) == [string.replace("\x00", "\ufffd") for string in prose]
    ids = text(prose).flat_values.numpy()
    assert len(ids) < 0.45 * len("".join(prose)) and not np.any(ids == 1)
