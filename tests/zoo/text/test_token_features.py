"""Tokens: their places in a text, and what is looked up of them."""

import re

import pytest
import tensorflow as tf

from zoo.text.token_features import TOKENS, Tokens

TEXTS = ["What time is it in Boston?", "", "  Łódź,  3.5 €! ", "我爱中国 ok", "It’s Zoé's 👨‍👩‍👧 café", "\t\n",
         "a\x00b\x1fc", "Zoe\u0308 🏴\U000e0067\U000e007f 𠮷野家 x"]


def tokens(tokenizer="word", **options):
    return Tokens.learn([["what", "Boston", "in", "12"]], tokenizer=tokenizer, **options)


def triples(text, string):
    """[(token, start, end)] of one string, in bytes."""
    found, offsets = text.split([string])
    found, start, end = (array.numpy()[0] for array in (
        found, offsets["start_byte"], offsets["end_byte"]))
    return [(token.decode("utf-8", "replace"), int(a), int(b)) for token, a, b in zip(found, start, end)
            if token]


@pytest.mark.parametrize("tokenizer", TOKENS)
@pytest.mark.parametrize("string", TEXTS)
def test_a_token_is_the_slice_of_the_text_between_its_offsets(tokenizer, string):
    encoded = string.encode()
    for token, start, end in triples(tokens(tokenizer), string):
        assert encoded[start:end].decode() == token != ""


@pytest.mark.parametrize("tokenizer", TOKENS)
@pytest.mark.parametrize("string", TEXTS)
def test_an_offset_counts_characters_or_the_units_of_utf16(tokenizer, string):
    found, offsets = tokens(tokenizer).split([string])
    units = string.encode("utf-16-le")
    rows = zip(found.numpy()[0], *(offsets[name].numpy()[0] for name in (
        "start_char", "end_char", "start_utf16", "end_utf16")))
    for token, *places in rows:
        a, b, c, d = places
        assert token.decode() == string[a:b] == units[2 * c:2 * d].decode("utf-16-le")


def test_space_and_character_tokens_are_those_of_python():
    for string in TEXTS[:4]:
        spaced = [(m[0], len(string[:m.start()].encode()), len(string[:m.end()].encode()))
                  for m in re.finditer(r"\S+", string)]
        single = [(m[0], len(string[:m.start()].encode()), len(string[:m.end()].encode()))
                  for m in re.finditer(r"\S", string)]
        assert triples(tokens("space"), string) == spaced
        assert triples(tokens("character"), string) == single


def test_words_are_cut_as_a_reader_would():
    assert [token for token, _, _ in triples(tokens(), "Łódź, 3.5 €! It’s 我爱")] == [
        "Łódź", ",", "3.5", "€", "!", "It’s", "我", "爱"]


def test_malformed_bytes_are_skipped_and_move_no_offset():
    string = b"\xff\xfeab \xe4\xbd cd\xff"
    found, offsets = tokens().split(tf.constant([string]))
    assert found.numpy()[0].tolist() == [b"ab", b"cd"]
    places = {name: array.numpy()[0].tolist() for name, array in offsets.items()}
    assert places["start_byte"] == [2, 8] and places["end_byte"] == [4, 10]
    text = string.decode("utf-8", "surrogateescape")
    assert [text[a:b] for a, b in zip(places["start_char"], places["end_char"])] == ["ab", "cd"]


def test_a_batch_of_empty_texts_has_one_column_of_nothing():
    text = tokens()
    found, offsets = text.split(["", " "])
    assert found.numpy().tolist() == [[b""], [b""]]
    assert not any(array.numpy().any() for array in offsets.values())
    assert {name: array.numpy().tolist() for name, array in text(found).items()} == {
        "ids": [[0], [0]], "characters": [[[0]], [[0]]], "shapes": [[0], [0]],
        "code_points": [[[0]], [[0]]]}


def test_words_are_looked_up_in_lower_case_with_digits_as_zeros_and_characters_as_they_are():
    text = tokens()
    read = text(tf.constant([["WHAT", "77", "Boston", ""], ["boston", "xyz", "", ""]]))
    words, letters = text.words.tokens, text.alphabet.tokens
    assert read["ids"].numpy().tolist() == [
        [words.index("what"), words.index("00"), words.index("boston"), 0],
        [words.index("boston"), 1, 0, 0]]
    assert read["characters"].numpy()[0, 2].tolist() == [letters.index(c) for c in "Boston"]
    unknown, nothing = read["characters"].numpy()[1, 1:3]
    assert unknown[0] == 1 and not nothing.any()
    assert read["shapes"].numpy().tolist() == [[3, 5, 2, 0], [1, 1, 0, 0]]
    assert int(tokens(digits=False)(tf.constant([["77"]]))["ids"][0, 0]) == 1


def test_long_words_are_read_up_to_a_width():
    read = tokens(max_characters=5)(tf.constant([["what" * 1000]]))
    assert read["characters"].shape == (1, 1, 5)


def test_a_saved_lookup_is_the_same(tmp_path):
    text = Tokens.learn([["a\\b", "\n", "é", "[UNK2]"]], digits=False, tokenizer="space")
    text.save(tmp_path)
    again = Tokens.load(tmp_path)
    assert (again.words.tokens, again.alphabet.tokens) == (text.words.tokens, text.alphabet.tokens)
    for name in text.options:
        assert getattr(again, name) == getattr(text, name)


def test_mistakes_are_one_clear_line():
    with pytest.raises(ValueError, match="tokenizer to be one of word, space, character, received 'bpe'"):
        tokens("bpe")
    with pytest.raises(ValueError, match="at least one token, received none"):
        Tokens.learn([[], []])
