"""Encodings: found where the bytes leave no doubt, else refused in one line; nothing is garbled."""
import bz2
import gzip
import lzma

import pytest

from tasks.reading import encoding

GERMAN = "Größe: Müller kauft Äpfel – 5 € für „gute“ Straßen.\n" * 3
FRENCH = "J'ai été à l'école où il a créé l’élève, là-bas. Voilà, ça coûte 5 €.\n" * 3
OTHERS = {"cp1251": "Война и мир. Она читает книгу", "koi8-r": "Война и мир", "gbk": "我喜欢喝茶 tea 和咖啡",
          "big5": "我喜歡喝茶 movie 很好看", "shift_jis": "これはペンです。カタカナ", "euc-jp": "これはペンです",
          "euc-kr": "한국어 문장 good", "cp1253": "Καλημέρα κόσμε", "cp1255": "שלום עולם",
          "tis-620": "ภาษาไทย", "cp1256": "أهلا بالعالم"}


def write(folder, data, name="a.txt"):
    path = folder / name
    path.write_bytes(data)
    return path


def read(folder, data, name="a.txt", codec=None):
    return encoding.text(write(folder, data, name), "text", codec)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("text", [GERMAN, FRENCH], ids=["German", "French"])
def test_the_text_of_a_file_is_what_was_written(tmp_path, text, codec):
    found, notes = read(tmp_path, text.encode(codec))
    assert found == text and bool(notes) == (codec == "cp1252")


def test_the_note_on_cp1252_shows_three_of_its_words(tmp_path):
    (note,) = read(tmp_path, GERMAN.encode("cp1252"))[1]
    assert note.startswith("read as cp1252, for it is not UTF-8 (Größe, Müller, Äpfel); set --encoding")


@pytest.mark.parametrize("codec", OTHERS)
def test_other_encodings_are_refused_unless_they_are_named(tmp_path, codec):
    data = (OTHERS[codec] + "\n").encode(codec) * 5
    with pytest.raises(ValueError, match="a.txt, line 1: expected .*set --encoding") as error:
        read(tmp_path, data)
    assert "\n" not in str(error.value)
    assert read(tmp_path, data, codec=codec) == ((OTHERS[codec] + "\n") * 5, [])


WRONG = {   # what these say in cp1252: ksi¹¿ka, gr”áe, MŠdchen, þehir, graþi
    "Polish": ("cp1250", "Wczoraj był święty dzień, a książka leżała na stole"),
    "Turkish": ("cp1254", "Güzel bir şehir, ağaçlar ve ışık. Bugün sinema yok"),
    "Lithuanian": ("cp1257", "Šiandien yra graži diena, žmonės eina į mokyklą"),
    "DOS": ("cp850", "Das ist schön. Er hört zu und läuft"),
    "Macintosh": ("mac_roman", "Die schöne Größe. Das Mädchen hört Musik"),
    "control": ("cp1252", "caf\x01é"), "undefined": ("cp1250", "ťuká na dveře")}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_cp1252_is_refused(tmp_path, name):
    codec, text = WRONG[name]
    with pytest.raises(ValueError, match="a.txt, line 1: expected UTF-8.*set --encoding"):
        read(tmp_path, text.encode(codec))
    assert read(tmp_path, text.encode(codec), codec=codec)[0] == text


@pytest.mark.parametrize("text", [
    "Það var einu sinni maður sem hét Jón, þetta er ágætt, sögðu þau öll", "¿Dónde está el niño? Mañana",
    "Tämä on hyvää työtä, jää on pää täynnä", "ÜBER DIE STRASSE. GRÜSSE", "L’été à la plage. Ça coûte",
    "She said “no” — it’s 20° and £5 for a café… m² ½ cup, don´t", "El col·legi és a la plaça"])
def test_languages_of_western_europe_are_read_as_cp1252(tmp_path, text):
    assert read(tmp_path, text.encode("cp1252"))[0] == text


def test_words_that_are_others_in_other_code_pages_are_shown_first(tmp_path):
    text = "A könyv az asztalon volt, és a nő a fűben ült. Őszi szellő"
    found, (note,) = read(tmp_path, text.encode("cp1250"))
    assert found.startswith("A könyv") and "(nõ, fûben, Õszi)" in note and "to cp1250 for Central" in note


@pytest.mark.parametrize("data, message", [
    (b"%PDF-1.7\n%x", "a PDF file"), (b"PK\3\4\0\0", "a ZIP archive"), (b"PAR1\x15\0", "a Parquet file"),
    (gzip.compress(b"tea", mtime=0), "gzip, which ends in .gz"), (bz2.compress(b"tea"), "bzip2, which"),
    (lzma.compress(b"tea"), "xz, which ends"), (b"\xd0\xcf\x11\xe0\xa1", "an old Office file"),
    (b"{\\rtf1\\ansi tea}", "an RTF file"), (b"\n<!DOCTYPE html>\n<p>tea", "an HTML page"),
    (b"<!-- x -->\n<HTML lang=en>", "an HTML page")])
def test_files_of_another_kind_are_named(tmp_path, data, message):
    with pytest.raises(ValueError, match=f"a.txt: expected text, received {message}.*; .*save it"):
        read(tmp_path, data)
    if b"<" not in data:
        with pytest.raises(ValueError, match=f"a.txt: expected text, received {message}"):
            encoding.codec_of_file(write(tmp_path, data))


def test_lines_end_and_files_begin_as_their_writers_meant(tmp_path):
    assert read(tmp_path, b"one\rtwo\r") == ("one\ntwo\n", [])
    found, notes = read(tmp_path, "one\n\ufefftwo\n".encode("utf-8-sig"))
    assert found == "one\ntwo\n" and notes == ["1 byte order marks within it are dropped"]


@pytest.mark.parametrize("codec", ["latin-1", "utf-8"])
def test_an_encoding_that_leaves_zeros_is_refused(tmp_path, codec):
    with pytest.raises(ValueError, match=f"a.txt, line 2: expected {codec}, received the character U"):
        read(tmp_path, b"tea\na\0", codec=codec)


def test_a_few_bad_bytes_in_utf8_are_refused_with_their_line(tmp_path):
    data = "naïve\nplain\ncaf".encode() + b"\xe9\n"
    with pytest.raises(ValueError, match="a.txt, line 3: expected utf-8, .* 0xe9 after 'caf'"):
        read(tmp_path, data)


def test_an_encoding_that_the_file_is_not_in_is_refused_with_the_line(tmp_path):
    with pytest.raises(ValueError, match="line 2: expected ascii, received the byte 0xc3 after 'M'"):
        read(tmp_path, "plain\nMüller\n".encode(), codec="ascii")


@pytest.mark.parametrize("codec", ["no-such", "hex", "rot13"])
def test_an_encoding_of_no_text_is_refused(tmp_path, codec):
    with pytest.raises(ValueError, match=f"an encoding of text .* received '{codec}'; correct"):
        read(tmp_path, b"text", codec=codec)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_is_read_and_a_damaged_one_refused(tmp_path, pack):
    name = {gzip.compress: "a.txt.gz", bz2.compress: "a.txt.bz2", lzma.compress: "a.txt.XZ"}[pack]
    data = pack(GERMAN.encode())
    assert read(tmp_path, data, name)[0] == GERMAN
    for damaged in (data[:-9], b"not packed"):
        with pytest.raises(ValueError, match="expected a readable file") as error:
            read(tmp_path, damaged, name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("data, message", [
    (b"", "expected text, received an empty file"), (b" \n\t", "received an empty file"),
    (b"\xef\xbb\xbf\n", "received an empty file"), (b"\x89PNG\r\n\x1a\n\0", "received a binary file")])
def test_what_is_no_text_is_refused(tmp_path, data, message):
    with pytest.raises(ValueError, match=f"a.txt.*: .*{message}"):
        read(tmp_path, data)


def test_blocks_and_the_whole_file_have_one_codec(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "BLOCK", 3)
    for data in (GERMAN.encode(), GERMAN.encode("utf-8-sig"), GERMAN.encode("utf-16"),
                 GERMAN.encode("cp1252"), b"plain"):
        codec, notes = encoding.codec_of_file(write(tmp_path, data))
        assert data.decode(codec) == encoding.text(write(tmp_path, data), "text")[0]
        assert notes == encoding.codec_of("a.txt", data)[1]
