"""Streams: the same text whatever its bytes, its blocks and its size; cut where it should be."""
import gzip
import random
import tracemalloc

import pytest

from tasks.generation import streams
from tasks.generation.streams import BLOCK, Stream, opened

WORDS = ("to", "be,", "naïve", "字符", "👍🏽", "не", "a\u0301", "\u2028", "x" * 40)


def prose(characters, seed=0):
    """Random words; every ninth or so is followed by a newline."""
    rng = random.Random(seed)
    words = zip(rng.choices(WORDS, k=characters), rng.choices(" " * 8 + "\n", k=characters))
    return "".join(map("".join, words))[:characters]


def write(folder, name, data):
    path = folder / name
    data = data.encode() if isinstance(data, str) else data
    path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
    return path


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "noending"])
def test_a_character_of_many_bytes_may_lie_on_any_edge(tmp_path, name, offset):
    text = "a" * offset + "字é👍" * 50_000
    stream, warnings = opened([write(tmp_path, name, text)])
    assert "".join(stream) == text and stream.characters == len(text) and not warnings


def test_iterating_again_reads_again_also_in_between(tmp_path):
    text = prose(200_000)
    stream, _ = opened([write(tmp_path, "a.txt", text)])
    first = iter(stream)
    start = next(first)
    assert "".join(stream) == text
    assert start + "".join(first) == text == "".join(stream)


def test_line_ends_become_newlines_and_a_byte_order_mark_is_dropped(tmp_path):
    text = "\ufeff" + "x" * (BLOCK - 1) + "\r\n" + "y\rz\n" + "\r\n" * BLOCK
    stream, _ = opened([write(tmp_path, "a.txt", text)])
    assert "".join(stream) == "x" * (BLOCK - 1) + "\n" + "y\nz\n" + "\n" * BLOCK


def test_cp1252_is_read_as_it_was_written(tmp_path):
    stream, warnings = opened([write(tmp_path, "a.txt", "café au lait, ".encode("cp1252") * 3)])
    assert "".join(stream) == "café au lait, " * 3
    assert warnings == ["a.txt: read as cp1252, for it is not UTF-8 (café); set --encoding if the words "
                        "are wrong"]


@pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig", "gbk"])
def test_other_encodings_are_read(tmp_path, codec):
    text = "我喜欢喝茶。\n" * 20_000
    stream, _ = opened([write(tmp_path, "a.txt", text.encode(codec))], "gbk" if codec == "gbk" else None)
    assert "".join(stream) == text and stream.characters == len(text)


def test_characters_that_were_lost_before_are_counted(tmp_path):
    stream, (warning,) = opened([write(tmp_path, "a.txt", "caf\ufffd au lait")])
    assert "".join(stream) == "caf\ufffd au lait"
    assert warning.startswith("a.txt: 1 characters are U+FFFD: an earlier conversion")


def test_blocks_end_where_lines_or_words_end():
    text = prose(400_000)
    blocks = list(Stream([text], 0, len(text)))
    assert "".join(blocks) == text and len(blocks) > 4
    assert all(block[-1] == "\n" for block in blocks[:-1])
    spaced = text.replace("\n", " ")
    blocks = list(Stream([spaced], 0, len(text)))
    assert "".join(blocks) == spaced and all(block[-1] == " " for block in blocks[:-1])
    assert max(map(len, blocks)) <= 2 * BLOCK


def test_a_text_without_a_space_is_cut_anywhere():
    assert list(map(len, Stream(["字" * (BLOCK + 7)], 0, BLOCK + 7))) == [BLOCK, 7]


@pytest.mark.parametrize("block", [1, 2, 7, 100, BLOCK])
def test_parts_hold_so_many_percent_of_all_sources_together(tmp_path, monkeypatch, block):
    monkeypatch.setattr(streams, "BLOCK", block)
    texts = [prose(n, seed=n) for n in (331, 1, 512, 0, 77)]
    whole = "".join(texts)
    paths = [write(tmp_path, f"{n}.txt", text) for n, text in enumerate(texts)]
    parts = opened(paths)[0].cut(85, 5, 10)
    expected = whole[:782], whole[782:828], whole[828:]        # of 921: 782.85 and 828.9
    assert tuple("".join(part) for part in parts) == expected
    assert [part.characters for part in parts] == list(map(len, expected))


def test_a_part_can_be_cut_again():
    text = prose(1000)
    first = Stream([text], 0, 1000).cut(50, 50)[1]
    assert ["".join(part) for part in first.cut(20, 80)] == [text[500:600], text[600:]]


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = write(tmp_path, "a.txt", ("a line of text\n" * 100_000) * 12)
    tracemalloc.start()
    try:
        stream, _ = opened([path])
        assert sum(map(len, stream.cut(85, 5, 10)[2])) == 1_800_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stream.characters == 18_000_000 and peak < 2_000_000


@pytest.mark.parametrize("name, data, message", [
    ("a.txt", b"", "a.txt: expected text, received an empty file"),
    ("a.txt", b" \r\n\t\n", "received an empty file"),
    ("a.txt", b"\xef\xbb\xbf", "received an empty file"),
    ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.txt, line 3: .*received a binary file"),
    ("a.txt", b"text, " * 100_000 + b"\0", "received a binary file"),
    ("a.txt", "a text".encode("utf-16-le"), "another encoding"),
    ("a.txt", "naïve\ntext ".encode() + b"caf\xe9", "a.txt, line 2: expected utf-8, .* the byte 0xe9"),
    ("a.txt", "Война и мир".encode("koi8-r"), "another encoding"),
    ("a.GZ", b"\x00", "received a binary file"),
])
def test_what_is_no_text_gets_one_clear_line(tmp_path, name, data, message):
    with pytest.raises(ValueError, match=message) as error:
        opened([write(tmp_path, name, data)])
    assert "\n" not in str(error.value)


COMPRESSED = gzip.compress(b"text " * 10_000, mtime=0)


@pytest.mark.parametrize("data", [b"not compressed", COMPRESSED[:-20], COMPRESSED[:30] + b"\xff" * 20],
                         ids=["plain", "cut short", "overwritten"])
def test_a_damaged_gzip_file_gets_one_clear_line(tmp_path, data):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="a.txt.gz: expected a readable file .*gzip") as error:
        opened([path])
    assert "\n" not in str(error.value)
