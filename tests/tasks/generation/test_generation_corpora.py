"""Corpora of running text: splits by position, files as people have them, errors in one line."""
import collections
import xml.etree.ElementTree as ElementTree

import pytest

from tasks.generation import corpora as text_corpora
from tasks.generation.corpora import load
from tasks.reading import nltk as nltk_corpora, splits
from tasks.reading.splits import SPLITS, Example
from tasks.reading.corpus import OWN_TERMS
from tasks.sentiment import corpora
from test_streams import prose, write

TEXT = prose(10_000)
CUT = (TEXT[:8500], TEXT[8500:9000], TEXT[9000:])


def texts_of(corpus):
    return tuple("".join(getattr(corpus, split)) for split in SPLITS)


# ------------------------------------------------------------------------------------------ files

@pytest.mark.parametrize("name", ["a.txt", "a.TXT.gz", "enwik8", "train.txt", "a,b.txt"])
def test_a_file_is_cut_by_position(tmp_path, name):
    corpus = load(write(tmp_path, name, TEXT))
    assert texts_of(corpus) == CUT
    assert corpus.name == name and corpus.labels == []
    assert corpus.terms.startswith("your own file") and not corpus.warnings


def test_files_without_splits_are_one_text_in_order(tmp_path):
    for at, name in ((0, "1.txt"), (3000, "2.txt.gz"), (6000, "3.text"), (8600, "4.raw")):
        write(tmp_path, name, TEXT[at:{0: 3000, 3000: 6000, 6000: 8600}.get(at)])
    for name in ("README.md", "LICENSE"):
        write(tmp_path, name, "no text of this corpus")
    write(tmp_path, "cover.png", b"\x89PNG\0")
    listed = ",".join(str(tmp_path / name) for name in ("1.txt", "2.txt.gz", "3.text", "4.raw"))
    for path in (tmp_path, listed, listed.replace(",", " , "), f"{tmp_path}/[1-4]*"):
        assert texts_of(load(path)) == CUT
    assert texts_of(load(tmp_path / "1.txt"))[0] == TEXT[:2550]
    assert load(tmp_path).name == tmp_path.name


@pytest.mark.parametrize("validation", [
    "valid.txt", "wiki.valid.tokens", "dev.txt.gz", "val.raw", "validation"])
def test_files_that_are_named_for_splits_are_the_splits(tmp_path, validation):
    write(tmp_path, "train.txt", "first")
    write(tmp_path, validation, "second")
    write(tmp_path, "ptb.test.txt", "third")
    write(tmp_path, "README", "not data")
    assert texts_of(load(tmp_path)) == ("first", "second", "third")
    listed = ",".join(map(str, sorted(tmp_path.iterdir())[1:]))
    assert texts_of(load(f"{tmp_path}/*")) == ("first", "second", "third") == texts_of(load(f"{listed}"))


def test_a_text_that_is_named_for_no_split_is_left_out_beside_them_and_that_is_said(tmp_path):
    for name in ("train.txt", "valid.txt", "test.txt", "vocabulary.txt"):
        write(tmp_path, name, name)
    corpus = load(tmp_path)
    assert texts_of(corpus) == ("train.txt", "valid.txt", "test.txt")
    assert corpus.warnings == ["left out: vocabulary.txt"]


def test_a_missing_split_is_the_end_of_training(tmp_path):
    write(tmp_path, "train.txt", TEXT)
    test = write(tmp_path, "test.txt", "the test")
    assert texts_of(load(tmp_path)) == (TEXT[:9500], TEXT[9500:], "the test")
    test.rename(tmp_path / "dev.txt")
    assert texts_of(load(tmp_path)) == (TEXT[:9000], "the test", TEXT[9000:])


def test_the_fingerprint_is_of_the_text_and_its_splits(tmp_path):
    plain = load(write(tmp_path, "a.txt", TEXT)).fingerprint
    assert load(write(tmp_path, "b.txt.gz", "\ufeff" + TEXT.replace("\n", "\r\n"))).fingerprint == plain
    assert load(write(tmp_path, "c.txt", TEXT[:-1] + "!")).fingerprint != plain
    folder = tmp_path / "splits"
    folder.mkdir()
    for name, text in zip(("train.txt", "valid.txt", "test.txt"), CUT):
        write(folder, name, text)
    assert load(folder).fingerprint == plain
    write(folder, "valid.txt", CUT[1] + CUT[2][:1])
    write(folder, "test.txt", CUT[2][1:])
    assert load(folder).fingerprint != plain


def test_warnings_name_the_file(tmp_path):
    (warning,) = load(write(tmp_path, "a.txt", b"caf\xe9 au lait, " * 10)).warnings
    assert warning.startswith("a.txt: read as cp1252, for it is not UTF-8 (café)")


# ----------------------------------------------------------------------------------- texts with labels

ROWS = "text\tcolour\n" + "\n".join(f"text {n}\t{('red', 'blue')[n % 2]}" for n in range(400))


def test_a_table_holds_texts_with_labels_and_is_split_by_their_hash(tmp_path):
    path = write(tmp_path, "a.tsv.gz", ROWS)
    corpus = load(path, label_column="colour")
    assert corpus.labels == ["blue", "red"] and corpus.terms == OWN_TERMS
    assert Example("text 3", "blue") in corpus.train + corpus.validation + corpus.test
    tenths = [{int(10 * splits.fraction(text)) for text, _ in getattr(corpus, split)} for split in SPLITS]
    assert tenths == [set(range(2, 10)), {1}, {0}]
    assert corpus.fingerprint == corpora.load(path, label_column="colour").fingerprint


def test_a_folder_of_tables_keeps_its_splits(tmp_path):
    for name, labels in (("train.csv", "rb"), ("dev.csv", "rb"), ("test.csv", "b")):
        write(tmp_path, name, "\n".join(f"{name} {label},{label}" for label in labels))
    corpus = load(tmp_path)
    assert corpus.test == [Example("test.csv b", "b")] and corpus.labels == ["b", "r"]


LABELLED = sorted((f"text {n}", ("red", "blue")[n % 2]) for n in range(400))


@pytest.mark.parametrize("name, line", [
    ("a.jsonl", '{{"text": "{0}", "label": "{1}"}}\n'), ("a.txt", "__label__{1} {0}\n"),
    ("a.csv", "{1};{0}\n"), ("one/a.csv", "{1},{0}\n")])
def test_texts_with_labels_are_read_as_for_classification(tmp_path, name, line):
    (tmp_path / "one").mkdir()
    path = write(tmp_path, name, "".join(line.format(*row) for row in LABELLED))
    corpus = load(path.parent if name.startswith("one") else path)
    assert sorted(corpus.train + corpus.validation + corpus.test) == LABELLED
    assert corpus.description[0].endswith(f"2 labels: {label_counts(corpus)}")


def label_counts(corpus):
    counts = collections.Counter(label for _, label in corpus.train).most_common()
    return ", ".join(f"{label} {count}" for label, count in counts)


def test_a_folder_may_have_a_folder_for_each_label(tmp_path):
    for n, (text, label) in enumerate(LABELLED):
        (tmp_path / label).mkdir(exist_ok=True)
        write(tmp_path / label, f"{n}.txt", text)
    assert load(tmp_path).labels == ["blue", "red"]


def test_an_encoding_may_be_named(tmp_path):
    path = write(tmp_path, "a.txt", ("我喜欢喝茶。\n" * 1000).encode("gbk"))
    assert "".join(load(path, encoding="gbk").train) == ("我喜欢喝茶。\n" * 850)
    with pytest.raises(ValueError, match="a.txt, line 1: expected .*set --encoding"):
        load(path)
    with pytest.raises(ValueError, match="a file or folder with encoding, received corpus 'sample'"):
        load("sample", encoding="gbk")


# -------------------------------------------------------------------------------------- bad input

@pytest.mark.parametrize("data, message", [
    ("", "received an empty file"),
    ("ab", "its 2 characters leave the validation split empty; give more"),
    (b"\0\1\2", "binary file"),
])
def test_a_bad_file_gets_one_clear_line(tmp_path, data, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(tmp_path, "a.txt", data))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("empty", ["train.txt", "valid.txt", "test.txt"])
def test_an_empty_split_is_named(tmp_path, empty):
    for name in ("train.txt", "valid.txt", "test.txt"):
        write(tmp_path, name, "" if name == empty else TEXT)
    with pytest.raises(ValueError, match=f"{empty}: expected text, received an empty file"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["nowhere/to/be", "nowhere.txt", "nowhere.txt.gz", "nowhere/*.txt"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="expected a text file or a folder, found nothing at now"):
        load(name)
    with pytest.raises(FileNotFoundError, match="found nothing at nowhere"):
        load(f"{write(tmp_path, 'a.txt', TEXT)},{name}")


@pytest.mark.parametrize("name, message", [
    ("shakespear", "unknown corpus 'shakespear': did you mean 'shakespeare'.*sample.*names"),
    ("zzz", "unknown corpus 'zzz': expected one of"), ("", "unknown corpus ''")])
def test_an_unknown_name_is_answered_with_the_known_ones(name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def test_a_folder_without_text_or_with_two_training_files_is_refused(tmp_path):
    write(tmp_path, "a.png", "")
    with pytest.raises(FileNotFoundError, match="expected text files .*found none"):
        load(tmp_path)
    write(tmp_path, "train.txt", TEXT)
    write(tmp_path, "train.raw", TEXT)
    with pytest.raises(ValueError, match="expected one train file.*train.raw and train.txt; remove one"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["sample", "names", "a.txt"])
def test_columns_are_refused_where_there_are_none(tmp_path, name):
    write(tmp_path, "a.txt", TEXT)
    name = str(tmp_path / name) if name == "a.txt" else name
    with pytest.raises(ValueError, match="received corpus '.*leave those flags out"):
        load(name, text_column=1)


# -------------------------------------------------------------------------------- sample and NLTK's

@pytest.fixture
def offline(monkeypatch):
    """A machine with no NLTK data and no network."""
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(nltk_corpora, "download", lambda name: False)


def test_sample_is_what_python_says_about_itself(offline):
    from pydoc_data.topics import topics
    corpus = load("sample")
    text = "".join(texts_of(corpus))
    assert not corpus.warnings and "Python Software Foundation" in corpus.terms
    assert text.startswith(topics[min(topics)].strip())
    assert text.endswith(topics[max(topics)].strip() + "\n\n\n")
    assert all(topic.strip() in text for topic in topics.values())


def test_auto_falls_back_to_the_sample_and_says_so(offline):
    corpus = load()
    assert corpus.name == "sample"
    assert corpus.warnings[0].startswith("using the built-in sample instead: corpus 'shakespeare' is not")


@pytest.mark.parametrize("name", [name for name in text_corpora.NAMES if name not in ("auto", "sample")])
def test_a_corpus_that_cannot_be_had_is_an_error_with_the_way_out(offline, name):
    with pytest.raises(FileNotFoundError, match=f"'{name}'.*nltk.downloader {name}.*NLTK_DATA") as error:
        load(name)
    assert "\n" not in str(error.value)


class Files:
    """What NLTK's readers of files have."""

    def __init__(self, **texts):
        self.texts = texts

    def fileids(self):
        return list(self.texts)

    def raw(self, name):
        return self.texts[name]

    def xml(self, name):
        return ElementTree.fromstring(self.texts[name])


PLAY = """<PLAY><TITLE>The Play</TITLE><!-- edited --><FM><P>Licence</P></FM>
<PERSONAE><TITLE>Persons</TITLE><PERSONA>ANN</PERSONA></PERSONAE><SCNDESCR>A hill.</SCNDESCR>
<ACT><TITLE>ACT I</TITLE><SCENE><TITLE>SCENE I.  A hill.</TITLE><STAGEDIR>Enter ANN,
and BOB</STAGEDIR>
<SPEECH><SPEAKER>ANN</SPEAKER><SPEAKER>BOB</SPEAKER><LINE>Up &amp; down.</LINE>
<STAGEDIR>They sit</STAGEDIR><LINE><STAGEDIR>Aside</STAGEDIR>  Or not.</LINE><LINE/></SPEECH>
<SPEECH><SPEAKER/><LINE>Now go.<STAGEDIR>Exit</STAGEDIR></LINE></SPEECH></SCENE></ACT></PLAY>"""

PRINTED = """The Play

ACT I

SCENE I. A hill.

[Enter ANN, and BOB]

ANN:
BOB:
Up & down.
[They sit]
[Aside] Or not.

Now go. [Exit]

"""


def test_a_play_reads_as_it_is_printed():
    assert "".join(nltk_corpora.TEXTS["shakespeare"][0](Files(a=PLAY, b=PLAY))) == PRINTED * 2


@pytest.mark.parametrize("name", ["inaugural", "state_union", "webtext"])
def test_documents_stand_apart_and_keep_their_lines(name):
    texts = nltk_corpora.TEXTS[name][0](Files(a="\r\nOne\r\n\r\n two\x85\u2028\r", b="Three\n\n\n"))
    assert "".join(texts) == "One\n\n two\n\nThree\n\n"


@pytest.mark.parametrize("name", ["brown", "treebank"])
def test_a_sentence_of_tokens_is_a_line_without_empty_elements(name):
    class Tagged:
        def tagged_sents(self):
            return [[("I", "PRP"), ("go", "VB"), ("*T*", "-NONE-"), (".", ".")], [("Go", "VB")]]
    assert "".join(nltk_corpora.TEXTS[name][0](Tagged())) == "I go .\nGo\n"


def test_damaged_xml_is_named_in_one_line(monkeypatch):
    import nltk.corpus
    monkeypatch.setattr(nltk_corpora, "require", lambda name: None)
    monkeypatch.setattr(nltk.corpus, "shakespeare", Files(a=PLAY[:200]))
    with pytest.raises(ValueError, match="'shakespeare', received a damaged copy") as error:
        load("shakespeare")
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------ real corpora

@pytest.fixture
def nltk_data(shared, monkeypatch):
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [str(shared / "nltk_data")])


def test_tinyshakespeare_is_cut_at_its_usual_places(shared):
    path = shared / "corpora" / "tinyshakespeare"
    text = (path / "input.txt").read_text()
    assert len(text) == 1_115_394
    assert texts_of(load(path)) == (text[:948_084], text[948_084:1_003_854], text[1_003_854:])


def test_wikitext2_has_its_official_tokens(shared):
    corpus = load(shared / "corpora" / "wikitext2")
    tokens = [sum(len(block.split()) + block.count("\n") for block in getattr(corpus, split))
              for split in SPLITS]
    assert tokens == [2_088_628, 217_646, 245_569] and not corpus.warnings


def test_auto_takes_shakespeare_where_it_is_present(nltk_data):
    from nltk.corpus import shakespeare
    corpus = load()
    text = "".join(texts_of(corpus))
    assert corpus.name == "shakespeare" and "public domain" in corpus.terms
    lines = [line for name in shakespeare.fileids() for line in shakespeare.xml(name).iter("LINE")]
    spoken = {" ".join(line.text.split()) for line in lines if line.text and line.text.strip()}
    assert len(spoken) > 20_000 and not spoken - set(text.split("\n")) - {
        " ".join(line.text.split()) for line in lines if len(line) and line.text}
    assert not set("<>\t\r") & set(text) and "\n\n\n" not in text


@pytest.mark.parametrize("name", ["inaugural", "state_union", "webtext"])
def test_the_prose_of_nltk_is_all_there(nltk_data, name):
    import nltk.corpus
    reader, text = getattr(nltk.corpus, name), "".join(texts_of(load(name)))
    assert text.split() == " ".join(map(reader.raw, reader.fileids())).split() and "\r" not in text


def test_names_are_all_there_and_a_name_of_both_lists_is_in_one_split(nltk_data):
    corpus = load("names")
    rows = [getattr(corpus, split) for split in SPLITS]
    assert corpus.labels == ["female", "male"]
    labels = collections.Counter(label for dataset in rows for _, label in dataset)
    assert labels == {"female": 5001, "male": 2943}
    held = [{splits.normalised(name) for name, _ in dataset} for dataset in rows]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]
    assert all(name == name.strip() and name for dataset in rows for name, _ in dataset)
