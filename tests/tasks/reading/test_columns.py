"""Files of tokens and tags as people have them: every format in plain and in odd dress, and what is
said of what cannot be right. All files and expectations are written by hand."""
import random

import pytest

from tasks.reading import columns
from tasks.reading.columns import Form
from tasks.reading.splits import Sentence

SENTENCES = [Sentence(("Ada", "Byron", "wrote", "#", "1"), ("B-PER", "I-PER", "O", "O", "O")),
             Sentence(("#", "Oslo"), ("O", "B-LOC")),
             Sentence(("Rain", "in", "Lima"), ("O", "O", "B-LOC")),
             Sentence(("Oslo",), ("B-LOC",))]


def read(tmp_path, text, form=Form(), name="a.txt"):
    """The training sentences of one file, and the warnings."""
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    datasets, warnings, _ = columns.read(str(tmp_path / name), form)
    return datasets["train"], warnings


def written(line, head="", sentences=SENTENCES, blank="\n"):
    """A file with a line for every token and a head before every sentence, as format strings."""
    blocks = [head.format(n=n) + "".join(
        line.format(n=number, token=token, tag=tag) + "\n"
        for number, (token, tag) in enumerate(zip(*sentence[:2]), 1))
        for n, sentence in enumerate(sentences)]
    return blank.join(blocks)


LINES = {"spaces": "{token} {tag}", "tabs": "{token}\t{tag}", "four columns": "{token} NN x {tag}",
         "CoNLL-U": "{n}\t{token}\t_\t{tag}\t_\t_\t0\troot\t_\t_",
         "CoNLL-U Plus": "{n}\t{token}\t{tag}\t_", "index": "{n} {token} {tag}"}
FIRST = {"CoNLL-U Plus": "# global.columns = ID FORM UPOS PARSEME:MWE\n"}
HEADS = {"plain": "", "sent_id": "# sent_id = {n}\n# text = Ada\n", "id": "# id {n:08x}\tdomain=en\n",
         "as many cells": "# sent id {n}\n", "no space": "#sent{n}\n",
         "document": "-DOCSTART- -X- O O\n\n"}
DRESS = {"plain": str, "BOM": lambda text: "\ufeff" + text,
         "CRLF": lambda text: text.replace("\n", "\r\n"),
         "CR": lambda text: text.replace("\n", "\r"), "empty lines": lambda text: "\n \n" + text.replace(
             "\n\n", "\n\n\t\n\n") + "\n\n", "no last line end": lambda text: text.rstrip("\n")}


@pytest.mark.parametrize("dress", DRESS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("form", LINES)
def test_every_format_in_every_dress_gives_the_sentences(tmp_path, form, head, dress):
    text = FIRST.get(form, "") * (dress != "empty lines") + written(LINES[form], HEADS[head])
    expected = Form(tag_column=3) if form == "CoNLL-U Plus" and dress == "empty lines" else Form()
    assert read(tmp_path, DRESS[dress](text), expected)[0] == SENTENCES


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("form", LINES)
def test_one_bad_row_is_named(tmp_path, form, head):
    text = FIRST.get(form, "") + written(LINES[form], HEADS[head])
    last = text.count("\n")
    rest = LINES[form].format(n=2, token="x", tag="O")
    for bad in (rest.rpartition("\t" if "\t" in rest else " ")[0], rest + rest[-2] + "more"):
        with pytest.raises(ValueError, match=rf"a\.txt, line {last + 1}: expected \d+ columns") as error:
            read(tmp_path, text + bad + "\n")
        assert "\n" not in str(error.value) and "correct the line" in str(error.value)


def test_a_bad_first_row_is_named_not_the_rows_after_it(tmp_path):
    with pytest.raises(ValueError, match="line 1: expected 2 columns as in the other lines, received 1"):
        read(tmp_path, "Ada\n" + written("{token}\t{tag}"))


# ------------------------------------------------------------------------------------------ comments

TOKENS = written("{token} NN {tag}", sentences=SENTENCES[:1] * 30)


@pytest.mark.parametrize("line, token", [
    ("# NN O", "#"),                       # cells as other tokens have them
    ("#tag NN O", "#tag"),
    ("#tag xx O", "#tag"),                 # a hashtag with a tag that is known
    ("# # #", "#"),                        # its own part of speech, as in the Penn Treebank
])
def test_tokens_with_a_number_sign_are_no_comments(tmp_path, line, token):
    for head in ("", "# sent_id = {n}\n", "# id {n}\n"):
        text = written("{token} NN {tag}", head, SENTENCES[:1] * 30) + f"\n{line}\nx NN O\n"
        assert read(tmp_path, text)[0][-1].tokens == (token, "x")


def test_what_follows_a_token_is_a_token(tmp_path):
    found, warnings = read(tmp_path, TOKENS + "\nx NN O\n# id 7\n#y # Z\n")
    assert found[-1] == Sentence(("x", "#", "#y"), ("O", "7", "Z")) and not warnings


def test_a_comment_with_a_tag_that_is_known_begins_as_other_comments_do(tmp_path):
    text = written("{token} NN {tag}", "# text is long {n}\n", SENTENCES[:1] * 30)
    assert read(tmp_path, text + "\n# text O\nx NN O\n")[0][-1].tokens == ("x",)


def test_comments_as_wide_as_tokens_are_counted(tmp_path):
    _, (warning,) = read(tmp_path, written("{token} NN {tag}", "# id {n}\n"))
    assert warning == ("a.txt: 4 lines that start with # have as many columns as tokens and are read as "
                       "comments, the first in line 1; set comments to false if they are tokens")


@pytest.mark.parametrize("line", ["# yy O", "#yy Z", "#yy"])
def test_a_line_that_may_be_either_is_refused_unless_the_user_decides(tmp_path, line):
    text = written("{token} {tag}" if line.count(" ") == 1 else "{token} NN {tag}") + f"\n{line}\nx" \
        f"{' NN' * (line.count(' ') != 1)} O\n"
    with pytest.raises(ValueError, match=f"a.txt, line 16: expected a token.*'{line}'.*set comments"):
        read(tmp_path, text)
    assert read(tmp_path, text, Form(comments=True))[0][-1].tokens == ("x",)
    if line != "#yy":
        assert read(tmp_path, text, Form(comments=False))[0][-1].tokens[1:] == ("x",)


# ------------------------------------------------------------------------------------- which column

NESTED = "{n}\t{token}\t{tag}\t"


@pytest.mark.parametrize("inner", ["O", "B-PER"])
def test_the_first_of_two_layers_is_the_tag_and_the_nested_one_is_named(tmp_path, inner):
    text = written(NESTED + "O", "#\thttp://x.org/{n}\t[2009-10-17]\n").replace(
        "Byron\tI-PER\tO", f"Byron\tI-PER\t{inner}")
    found, warnings = read(tmp_path, text)
    assert found == SENTENCES
    assert warnings == ["a.txt: the token is column 2, the tag is column 3",
                        "a.txt: column 4 holds another layer of tags; tag_column=4 takes it"]
    assert read(tmp_path, text, Form(tag_column=4))[0][0].tags == ("O", inner, "O", "O", "O")


def test_layers_of_different_types_are_no_nesting(tmp_path):
    text = written("{token} NN {tag} {tag}")
    for chunk, name in (("NP", "PER B"), ("NP", "PER I"), ("VP", "LOC B")):
        text = text.replace(f"{name}-", f"{chunk}{name[3:]}-")
    assert " B-NP B-PER" in text and read(tmp_path, text) == (SENTENCES, [])


@pytest.mark.parametrize("number", ["{n}", "{{n}}", "zero"])
def test_columns_that_count_are_no_tokens(tmp_path, number):
    """In the sentence from 1 or from 0, or in the whole file."""
    count = iter(range(100))
    lines = written("{n}\t{token}\t{tag}").split("\n")
    if number == "{{n}}":
        lines = [line and f"{next(count)}\t{line.partition(chr(9))[2]}" for line in lines]
    if number == "zero":
        lines = [line and f"{int(line[0]) - 1}{line[1:]}" for line in lines]
    assert read(tmp_path, "\n".join(lines))[0] == SENTENCES


def test_a_number_of_the_sentence_is_no_token(tmp_path):
    text = "\n".join("".join(f"{n} {token} {tag}\n" for token, tag in zip(*sentence[:2]))
                     for n, sentence in enumerate(SENTENCES, 7))
    assert read(tmp_path, text)[0] == SENTENCES


def test_sentences_of_one_token_have_an_index_too(tmp_path):
    rows = [Sentence((f"w{n}",), (f"T{n % 2}",)) for n in range(9)]
    assert read(tmp_path, written("{n}\t{token}\t{tag}", sentences=rows))[0] == rows


def test_numbers_that_do_not_count_are_tokens(tmp_path):
    rows = [Sentence(("7", "3", "12"), ("B-NUM", "O", "O")), Sentence(("1", "4"), ("O", "B-NUM"))]
    assert read(tmp_path, written("{token} x {tag}", sentences=rows))[0] == rows


def test_an_index_and_one_more_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a token and its tag, received an index and one column"):
        read(tmp_path, written("{n} {token}"))
    text = "1 a\n2 b\n\n1 a\n2 c\n"
    assert read(tmp_path, text, Form(token_column=1))[0][0] == Sentence(("1", "2"), ("a", "b"))


def test_a_row_without_its_number_is_named(tmp_path):
    with pytest.raises(ValueError, match="line 16: expected a number in the first column, received 'x'"):
        read(tmp_path, written(LINES["index"]) + "\nx y O\n")


PLUS = ("# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC PARSEME:MWE\n" +
        written("{n}\t{token}\tl{n}\t{tag}\tX\t_\t0\troot\t_\t_\t*", "# sent_id = {n}\n").replace(
            "Oslo\tl2\tB-LOC\tX\t_\t0\troot\t_\t_\t*", "Oslo\tl2\tB-LOC\tX\t_\t0\troot\t_\t_\t1:VID"))


@pytest.mark.parametrize("column, tag", [
    (None, "B-LOC"), ("UPOS", "B-LOC"), ("upos", "B-LOC"), (4, "B-LOC"), ("PARSEME:MWE", "1:VID"),
    (-1, "1:VID"), ("XPOS", "X")])
def test_any_column_of_conll_u_plus_can_be_the_tag(tmp_path, column, tag):
    found, _ = read(tmp_path, PLUS, Form(tag_column=column))
    assert found[1] == Sentence(("#", "Oslo"), (found[1].tags[0], tag))
    found, _ = read(tmp_path, PLUS, Form(token_column="LEMMA", tag_column=column))
    assert found[1].tokens == ("l1", "l2")


def test_conll_u_plus_without_its_first_line_has_no_numbers_for_tokens(tmp_path):
    found, _ = read(tmp_path, PLUS.partition("\n")[2], Form(tag_column=4))
    assert found == SENTENCES


def test_files_of_one_corpus_have_the_same_columns(tmp_path):
    for name, names in (("train", "ID FORM UPOS"), ("test", "ID UPOS FORM")):
        (tmp_path / f"{name}.conllu").write_text(f"# global.columns = {names}\n1\ta\tb\n2\tc\td\n")
    with pytest.raises(ValueError, match="test.conllu: expected the columns ID FORM UPOS .*ID UPOS FORM"):
        columns.read(str(tmp_path))


def test_a_header_is_no_token_in_any_file(tmp_path):
    for name, header in (("train", "mot ner"), ("dev", "MOT NER"), ("test", None)):
        (tmp_path / f"{name}.txt").write_text(f"{header or ''}\n" + written("{token} {tag}"))
    datasets, _, _ = columns.read(str(tmp_path), Form("mot", "ner"))
    assert datasets == dict.fromkeys(("train", "validation", "test"), SENTENCES)
    (tmp_path / "test.txt").write_text("ner token\nO x\n")
    with pytest.raises(ValueError, match="test.txt: expected the columns mot ner as in .*ner token; re"):
        columns.read(str(tmp_path), Form("mot", "ner"))


def test_files_of_one_split_and_those_that_are_not_used_are_named(tmp_path):
    for name in ("train1.conll", "train2.conll", "test.conll", "notes.conll", "README"):
        (tmp_path / name).write_text(written("{token} {tag}"))
    datasets, warnings, _ = columns.read(str(tmp_path))
    assert datasets == {"train": SENTENCES * 2, "test": SENTENCES}
    assert warnings == ["train: 2 files are read together, train1.conll to train2.conll",
                        "left out: notes.conll"]


def test_an_encoding_may_be_named(tmp_path):
    text = written("{token} {tag}", sentences=[Sentence(("我", "喝茶"), ("O", "B-X"))] * 9)
    with pytest.raises(ValueError, match="a.txt, line 1: expected .*set --encoding"):
        read(tmp_path, text.encode("gbk"))
    assert read(tmp_path, text.encode("gbk"), Form(encoding="gbk"))[0][0].tokens == ("我", "喝茶")
    (tmp_path / "seq.in").write_bytes("我 喝茶\n".encode("gbk"))
    (tmp_path / "seq.out").write_bytes(b"O B-X\n")
    datasets, _, _ = columns.read(str(tmp_path), Form(encoding="gbk"))
    assert datasets["train"][0].tokens == ("我", "喝茶")


def test_the_training_file_decides_for_all(tmp_path):
    """Alone, the last column of the test file would be the tag."""
    (tmp_path / "train.txt").write_text(written(NESTED + "O"))
    (tmp_path / "test.txt").write_text("5\tAda\tB-PER\tB-NP\n")
    datasets, _, first = columns.read(str(tmp_path))
    assert datasets["test"] == [Sentence(("Ada",), ("B-PER",))]
    assert first["B-PER"] == "train.txt, line 1" and "B-NP" not in first


# ------------------------------------------------------------------------------------------ headers

@pytest.mark.parametrize("header, form", [
    ("word pos ner", Form()), ("Token\tPOS\tTag", Form()), ("w p t", Form("w", "t")),
    ("ner pos form", Form(tag_column="ner")), ("mot classe étiquette", Form()), ("v1 v2 v3", Form(1, 3))])
def test_a_line_that_names_the_columns_is_no_token(tmp_path, header, form):
    line = "{tag} NN {token}" if header.startswith("ner") else "{token} NN {tag}"
    rows = written(line.replace(" ", "\t" if "\t" in header else " "), sentences=SENTENCES * 20)
    for blank in ("", "\n"):
        found, warnings = read(tmp_path, header + "\n" + blank + rows, form)
        assert found == SENTENCES * 20
        assert warnings[0].startswith("a.txt, line 1 names the columns: the token is `")


def test_a_first_token_like_any_other_is_no_header(tmp_path):
    """Its word and its tag occur once; but its other cell recurs, or its tag marks a span."""
    for line, first in (("{token} NN {tag}", "Xen NN SYM"), ("{token} {tag}", "Xen B-ORG")):
        text = f"{first}\n" + written(line, sentences=SENTENCES * 20)
        assert read(tmp_path, text)[0][0].tokens[0] == "Xen"


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    text = "word pos ner\n" + written("{token} NN {tag}")
    for form, flag in ((Form(tag_column="iob"), "tag_column"), (Form("mot"), "token_column")):
        with pytest.raises(ValueError, match=f"no column '[a-z]+'; set {flag} to a.*word, pos, ner"):
            read(tmp_path, text, form)
    with pytest.raises(ValueError, match="two columns, received column 1 as token and as tag"):
        read(tmp_path, text, Form(1, "word"))


@pytest.mark.parametrize("line", ["{tag} {token}", "{token} {token}{n}"])
def test_columns_that_cannot_be_token_and_tag_are_refused(tmp_path, line):
    rows = [Sentence((f"a{n}", f"b{n}"), ("B-X", "O")) for n in range(40)]
    with pytest.raises(ValueError, match="a.txt: expected .* in column .*; set token_column and"):
        read(tmp_path, written(line, sentences=rows))
    assert read(tmp_path, written("{tag} {token}", sentences=rows), Form(2, 1))[0] == rows


def test_tokens_that_are_empty_and_outside_are_counted(tmp_path):
    found, warnings = read(tmp_path, written("{token}\t{tag}") + "\tO\n \tO\n")
    assert found == SENTENCES and warnings == ["2 lines were left out: an empty token with tag O"]


# -------------------------------------------------------------------------------------- round trips

WORDS = ["#", "##", "#tag", "-", "—", "1", "2", "12.5", "0", "a", "Zoë", "所", "👍🏽", "[", "{", '"', "'s",
         "O", "B-x", "\u00a0", "\u2028", "-DOC", "_", "=", "id"]


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("head", ["", "# sent_id = {n}\n", "# id {n}\tx=y\n"])
def test_random_sentences_are_read_back(tmp_path, form, head):
    rng = random.Random(3)
    rows = []
    for _ in range(200):
        length = rng.randint(1, 9)
        rows.append(Sentence(tuple(rng.choices(WORDS, k=length)),
                             tuple(rng.choices(["O", "B-PER", "I-PER", "B-LOC"], k=length))))
    text = FIRST.get(form, "") + written(LINES[form], head, rows)
    assert read(tmp_path, text)[0] == rows
