"""Corpora of tagged sentences: formats, schemes, splits, and what is said of bad input."""
import collections
import gzip
import json
import random
import subprocess
import sys

import pytest
from conftest import ROOT

from tasks.reading import columns, nltk as nltk_corpora
from tasks.reading.splits import Sentence, normalised
from tasks.tagging import corpora, sample
from zoo.text import spans
from zoo.text.token_features import Tokens

SPLITS = ("train", "validation", "test")


def sentences(count, tags=("B-x", "I-x", "O"), start=0):
    """Distinct sentences of one to four tokens."""
    return [Sentence((f"w{i}", *"abc"[:i % 4]), (tags[i % 3 % 2 * 2], *(tags * 2)[:i % 4]))
            for i in range(start, start + count)]


def conll(rows, line="{token} {tag}"):
    return "\n\n".join("\n".join(line.format(token=token, tag=tag, n=n) for n, (token, tag) in
                                 enumerate(zip(*row[:2]), 1)) for row in rows) + "\n"


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(path)


def everything(corpus):
    return sorted(sentence for split in SPLITS for sentence in getattr(corpus, split))


def sizes(corpus):
    return [len(getattr(corpus, split)) for split in SPLITS]


# ---------------------------------------------------------------------------------------------- formats

LEGAL = [Sentence(tokens, tuple(spans.convert(tags, "BIO"))) for tokens, tags, _ in sentences(60)]
UD = "{n}\t{token}\tl\t{tag}\tX{tag}\t_\t0\tr\t_\t_"


@pytest.mark.parametrize("name, line, options", [
    ("a.txt", "{token} {tag}", {}),
    ("a.conll", "{token}\t{tag}", {}),
    ("a.txt", "{token}  NN   {tag} \r", {}),
    ("a.txt.gz", "{token}\t_\t{tag}\r", {}),
    ("a.bio", "{token} {tag} NN", {"tag_column": 2}),
    ("a.tsv", "{token}\t{tag}\tNN", {"tag_column": "2"}),
    ("a.txt", "\ufeff{token} {tag}", {}),
    ("a.txt", "{token} NN {tag}", {"tag_column": -1}),
    ("a.conllu", UD, {}),
    ("a.txt", UD, {"tag_column": "upos"}),
    ("a.conllu.gz", UD, {"tag_column": 4}),
])
def test_columns_of_many_shapes_give_the_same_sentences(tmp_path, name, line, options):
    text = conll(LEGAL, line.removeprefix("\ufeff"))
    text = "\ufeff" * line.startswith("\ufeff") + text
    corpus = corpora.load(write(tmp_path, name, text), **options)
    assert everything(corpus) == sorted(LEGAL) and corpus.scheme == "BIO"
    assert corpus.labels == ["B-x", "I-x", "O"] and corpus.terms.startswith("your own file")
    assert not corpus.warnings


def test_conll_u_has_other_columns_comments_ranges_and_empty_nodes(tmp_path):
    rest = "\t_" * 8 + "\n"
    rows = conll(LEGAL, UD).replace("1\tw7\t", f"# text = w7 a b\n1-2\tw7a{rest}1\tw7\t")
    rows = rows.replace("2\tb\t", "2\ta\t").replace("2\ta\t", f"1.1\tghost{rest}2\ta\t", 3)
    corpus = corpora.load(write(tmp_path, "a.conllu", rows), tag_column="XPOS")
    assert [s.tokens for s in everything(corpus)] == [s.tokens for s in sorted(LEGAL)]
    assert set(corpus.labels) == {"XB-x", "XI-x", "XO"} and corpus.scheme is None
    assert sorted(corpus.warnings) == ["1 lines were left out: multiword tokens, whose words follow",
                                       "3 lines were left out: empty nodes of CoNLL-U"]


def test_the_borders_of_documents_are_no_tokens(tmp_path):
    text = "-DOCSTART- -X- O\n\n" + conll(LEGAL, "{token} NN {tag}").replace("w7 NN", "-DOCSTART-\nw7 NN")
    corpus = corpora.load(write(tmp_path, "a.txt", text))
    assert everything(corpus) == sorted(LEGAL)
    assert corpus.warnings == ["2 lines were left out: -DOCSTART-"]


def test_many_blank_lines_are_one_border(tmp_path):
    text = "\n \n" + conll(LEGAL).replace("\n\n", "\n\t\n\r\n\n") + "\n\n"
    assert everything(corpora.load(write(tmp_path, "a.txt", text))) == sorted(LEGAL)


@pytest.mark.parametrize("token", ["a\u00a0b", "\u3000", "#", "\u2028", "no 1", "👍🏽", "所", "-DOC"])
def test_only_tabs_spaces_and_line_ends_separate(tmp_path, token):
    strange = Sentence((token, "x"), ("B-x", "O"))
    line = "{token}\t{tag}" if " " in token else "{token} {tag}"
    corpus = corpora.load(write(tmp_path, "a.txt", conll([*LEGAL, strange], line)))
    assert strange in everything(corpus)


def pair(folder, rows, ending=""):
    for side, name in enumerate(("seq.in", "seq.out")):
        write(folder, name + ending, "\n".join(" ".join(row[side]) + " " for row in rows) + "\n")
    return folder


@pytest.mark.parametrize("ending, file", [("", ""), ("", "seq.in"), (".gz", ""), (".gz", "seq.in.gz")])
def test_a_pair_of_files_is_one_corpus(tmp_path, ending, file):
    corpus = corpora.load(str(pair(tmp_path, LEGAL, ending) / file))
    assert everything(corpus) == sorted(LEGAL) and corpus.scheme == "BIO"


def test_empty_sentences_of_a_pair_are_skipped_and_counted(tmp_path):
    empty = Sentence((), ())
    corpus = corpora.load(str(pair(tmp_path, [empty, *LEGAL[:30], empty, *LEGAL[30:]])))
    assert everything(corpus) == sorted(LEGAL)
    assert corpus.warnings == ["2 lines were left out: empty sentences"]


def test_a_folder_of_pairs_keeps_its_split(tmp_path):
    for split, rows in (("train", LEGAL[:40]), ("valid", LEGAL[40:45]), ("test", LEGAL[45:])):
        pair(tmp_path / split, rows)
        write(tmp_path / split, "label", "Intent\n" * len(rows))
    corpus = corpora.load(str(tmp_path))
    assert (corpus.train, corpus.validation, corpus.test) == (LEGAL[:40], LEGAL[40:45], LEGAL[45:])


@pytest.mark.parametrize("names", [
    ("train.txt", "dev.txt", "test.txt"), ("esp.train", "esp.testa", "esp.testb"),
    ("en-ud-train.conll.gz", "en-ud-dev.conll", "en-ud-test.conll"),
    ("2nd_conll.train", "2nd_conll.validation", "2nd_conll.test")])
def test_a_folder_of_files_keeps_its_split(tmp_path, names):
    for name, rows in zip(names, (LEGAL[:40], LEGAL[40:45], LEGAL[45:])):
        write(tmp_path, name, conll(rows))
    write(tmp_path, "README.md", "How the training went.")
    corpus = corpora.load(str(tmp_path))
    assert (corpus.train, corpus.validation, corpus.test) == (LEGAL[:40], LEGAL[40:45], LEGAL[45:])


# ------------------------------------------------------------------------------------------------ split

def test_without_an_official_split_the_text_decides(tmp_path):
    rows = [*sentences(1500), *sentences(300)]
    straight = corpora.load(write(tmp_path, "a.txt", conll(rows)), scheme="none")
    random.Random(1).shuffle(rows)
    mixed = corpora.load(write(tmp_path, "b.txt", conll(rows)), scheme="none")
    held = [{normalised(s.text) for s in getattr(straight, split)} for split in SPLITS]
    assert held == [{normalised(s.text) for s in getattr(mixed, split)} for split in SPLITS]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]
    assert all(abs(size - expected) < 60 for size, expected in zip(sizes(straight), (1440, 180, 180)))
    assert straight.fingerprint != mixed.fingerprint


def test_five_folds_cover_everything_once(tmp_path):
    rows = sentences(503)
    path = write(tmp_path, "a.txt", conll(rows))
    folds = [corpora.load(path, scheme="none", fold=fold) for fold in range(5)]
    assert sorted(row for fold in folds for row in fold.test) == sorted(rows)
    for fold in folds:
        assert sorted(everything(fold)) == sorted(rows)
        assert len(fold.test) in (100, 101) and 30 < len(fold.validation) < 70    # an eighth of 402
    with pytest.raises(ValueError, match="fold from 0 to 4, received 5"):
        corpora.load(path, fold=5)
    with pytest.raises(ValueError, match="'sample' has an official split: leave fold out"):
        corpora.load("sample", fold=0)


def test_a_missing_validation_split_comes_from_training(tmp_path):
    write(tmp_path, "train.txt", conll(sentences(600)))
    write(tmp_path, "test.txt", conll(sentences(50, start=590)))
    corpus = corpora.load(str(tmp_path), scheme="none")
    assert len(corpus.test) == 50 and len(corpus.train) + len(corpus.validation) == 600
    assert 40 < len(corpus.validation) < 80
    assert any("texts of the test split also occur in training" in said for said in corpus.warnings)


def test_the_fingerprint_sees_every_token_tag_and_split(tmp_path):
    def fingerprint(rows):
        return corpora.load(write(tmp_path, "a.txt", conll(rows))).fingerprint

    first = fingerprint(LEGAL)
    assert fingerprint(LEGAL) == first
    assert fingerprint([*LEGAL[:-1], LEGAL[-1]._replace(tags=("O",) * len(LEGAL[-1].tags))]) != first
    assert fingerprint([*LEGAL[:-1], Sentence(("other",), ("O",))]) != first


# ---------------------------------------------------------------------------------------------- schemes

def random_spans(rng, length):
    found, at = [], rng.randint(0, 1)
    while at < length:
        end = min(at + rng.randint(1, 3), length)
        found.append((at, end, rng.choice("xy")))
        at = end + rng.randint(0, 2)
    return found


@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES"])
def test_schemes_are_detected(scheme):
    rng = random.Random(0)
    tags = [tuple(spans.tags_of(random_spans(rng, 8), 8, scheme)) for _ in range(50)]
    assert corpora.detect(tags) == (scheme, [])


@pytest.mark.parametrize("tags", [
    ("NOUN", "VERB"), ("NN", "."), ("X", "O"), ("B-x", "NN"), ("O-x", "B-x"), ("_",)])
def test_other_tags_are_no_spans(tags):
    assert corpora.detect([tags]) == (None, [])


def test_spans_of_one_type_in_a_row_are_no_doubt():
    assert corpora.detect([("I-x", "B-x", "B-x", "B-x")]) == ("IOB1", [])
    assert corpora.detect([("B-x", "B-x", "B-x", "I-x")])[0] == "BIO"


def test_an_unknown_scheme_of_spans_is_said():
    scheme, (warning,) = corpora.detect([("B-x", "Q-x", "O", "V-y")])
    assert scheme is None and "an unknown scheme of the letters B O Q V" in warning


def test_a_scheme_that_is_not_clear_is_said():
    scheme, (warning,) = corpora.detect([("B-x", "O")] * 5 + [("I-x", "O")] * 3)
    assert scheme == "BIO" and "3 tags break BIO, 5 break IOB1" in warning
    assert corpora.detect([("B-x", "O")] * 50 + [("I-x", "O")] * 3) == ("BIO", [])


def test_a_scheme_can_be_forced(tmp_path):
    path = write(tmp_path, "a.txt", conll(LEGAL))
    for scheme, expected in (("none", None), ("BIOES", "BIOES"), ("IOB1", "IOB1")):
        assert corpora.load(path, scheme=scheme).scheme == expected


def test_tags_that_break_the_scheme_are_counted_and_rewritten_to_the_spans_of_conlleval(tmp_path):
    broken = [Sentence(("q1", "q2", "q3"), ("O", "I-x", "I-y")), Sentence(("q4",), ("I-x",))]
    corpus = corpora.load(write(tmp_path, "a.txt", conll([*LEGAL, *broken])))
    mended = [Sentence(("q1", "q2", "q3"), ("O", "B-x", "B-y")), Sentence(("q4",), ("B-x",))]
    assert everything(corpus) == sorted([*LEGAL, *mended])
    assert corpus.warnings[0] == (
        "train: 3 tags break the scheme BIO, the first in sentence 61: I-x after O; "
        "rewritten to the spans that conlleval reads")
    assert all(spans.convert(s.tags, "BIO") == [*s.tags] for s in everything(corpus))


LETTERS = {  # first, inside, last, alone, of the first of two spans side by side
    "BIO": "BIIB", "IOB1": "IIII", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES", "BMEWO": "BMEW"}
FORMS = {"B-x": "{0}-{1}", "B_x": "{0}_{1}", "x-B": "{1}-{0}", "x_B": "{1}_{0}"}


def tags_in(found, length, scheme, form):
    """Tags written by the definition of the scheme."""
    first, inside, last, alone = LETTERS[scheme]
    tags, before = ["O"] * length, None
    for start, end, kind in found:
        letters = alone if end - start == 1 else first + inside * (end - start - 2) + last
        if scheme == "IOB1" and before == (start, kind):
            letters = "B" + letters[1:]
        tags[start:end] = [FORMS[form].format(letter, kind) for letter in letters]
        before = end, kind
    return tags


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scheme", LETTERS)
def test_spans_in_every_scheme_and_form_are_read_back(tmp_path, scheme, form, lower):
    rng = random.Random(6)
    rows = [Sentence((f"w{n}", *"abcdefgh"[:n % 9]), tuple(random_spans(rng, 1 + n % 9)))
            for n in range(100)]
    text = conll([(tokens, tags_in(found, len(tokens), scheme, form)) for tokens, found, _ in rows])
    corpus = corpora.load(write(tmp_path, "a.txt", text.lower() if lower else text))
    assert corpus.scheme == (scheme if scheme in spans.SCHEMES else "BIOES")
    assert sorted((s.tokens, tuple(spans.spans(s.tags))) for s in everything(corpus)) == sorted(
        row[:2] for row in rows)
    assert all(spans.convert(s.tags, corpus.scheme) == list(s.tags) for s in everything(corpus))
    usual = (scheme, form, lower) in [(name, "B-x", False) for name in spans.SCHEMES]
    assert len(corpus.warnings) == (not usual), corpus.warnings


@pytest.mark.parametrize("form, said", [
    ("PER-B", "tags as PER-B are read as B-PER"), ("B_PER", "tags as B_PER are read as B-PER"),
    ("b-per", "tags as b-per are read as B-per")])
def test_the_form_of_the_tags_is_said(tmp_path, form, said):
    replace = dict(zip(("B-x", "I-x", "O"), (form, form.replace("B", "I").replace("b", "i"), "O")))
    rows = [(row.tokens, [replace[tag] for tag in row.tags]) for row in LEGAL]
    corpus = corpora.load(write(tmp_path, "a.txt", conll(rows)))
    assert corpus.scheme == "BIO" and corpus.warnings == [said] and len(corpus.labels) == 3


def test_letters_alone_mark_words(tmp_path):
    rows = [Sentence(("a", "b", "c", f"d{n}"), ("B", "M", "E", "S")) for n in range(60)]
    corpus = corpora.load(write(tmp_path, "a.txt", conll(rows)))
    assert corpus.scheme == "BIOES" and corpus.labels == ["B", "E", "I", "S"]
    assert corpus.warnings == ["the tags are read as BIOES: M is I"]


# 800 sentences in BIO, then one more: which of its tags is wrong, and what becomes of it.
MANY = conll([Sentence(("Ada", "Byron", f"w{n}"), ("B-PER", "I-PER", "B-ORG")) for n in range(800)])


@pytest.mark.parametrize("tag, mended", [
    ("I_ORG", "I-ORG"), ("ORG-I", "I-ORG"), ("i-org", "I-ORG"), ("0", "O"), ("o", "O")])
def test_one_bad_tag_among_thousands_is_repaired_and_named(tmp_path, tag, mended):
    corpus = corpora.load(write(tmp_path, "a.txt", f"{MANY}\nx B-ORG\ny {tag}\nz O\n"))
    assert f"a.txt, line 3202: tag '{tag}' is read as {mended}" in corpus.warnings
    assert Sentence(("x", "y", "z"), ("B-ORG", mended, "O")) in everything(corpus)


@pytest.mark.parametrize("tag", ["I_XYZ", "ORG", "I", "E-ORG", "U-ORG", "-", "I-", "_"])
def test_one_bad_tag_that_cannot_be_repaired_is_refused(tmp_path, tag):
    path = write(tmp_path, "a.txt", f"{MANY}\nx B-ORG\ny {tag}\nz O\n")
    with pytest.raises(ValueError, match=f"a.txt, line 3202: expected O or a tag such as B-PER.*'{tag}'"):
        corpora.load(path)
    assert corpora.load(path, scheme="none").scheme is None


def test_a_bad_tag_of_a_later_file_is_named(tmp_path):
    write(tmp_path, "train.txt", MANY)
    write(tmp_path, "dev.txt", conll(LEGAL[:5]).replace("-x", "-PER"))
    write(tmp_path, "test.txt", "# id 7 of 9\nx B-ORG\ny ORG\n")
    with pytest.raises(ValueError, match="test.txt, line 3: expected O or a tag.*'ORG'"):
        corpora.load(str(tmp_path))


def test_a_tag_of_a_pair_is_named_in_its_file(tmp_path):
    bad = Sentence(("x", "y"), ("B-x", "NN"))
    with pytest.raises(ValueError, match="seq.out, line 61: expected O or a tag"):
        corpora.load(str(pair(tmp_path, [*LEGAL, bad])))


def test_types_that_differ_by_case_are_said(tmp_path):
    corpus = corpora.load(write(tmp_path, "a.txt", f"{MANY}\nx B-Org\n"))
    assert "types ORG and Org differ by case only, Org first in a.txt, line 3201" in corpus.warnings


@pytest.mark.parametrize("tags", [
    ("B-x", "I-x", "O", "x", "x", "y", "x"), ("NN", "V-S", "N-P", "O"), ("NNP", "O", "X-B"),
    ("N", "O", "S", "E", "V", "L")])
def test_tags_of_which_most_are_no_spans_are_plain(tags):
    scheme, doubts = corpora.detect([tags] * 9)
    assert scheme is None and len(doubts) <= 1


@pytest.mark.parametrize("scheme, expected", [("BILOU", "BIOES"), ("BMES", "BIOES"), ("IOB1", "IOB1")])
def test_a_scheme_of_other_letters_can_be_forced(tmp_path, scheme, expected):
    rows = [(tokens, tags_in(spans.spans(tags), len(tokens), scheme, "B_x")) for tokens, tags, _ in LEGAL]
    corpus = corpora.load(write(tmp_path, "a.txt", conll(rows)), scheme=scheme)
    found = [Sentence(s.tokens, tuple(spans.convert(s.tags, "BIO"))) for s in everything(corpus)]
    assert corpus.scheme == expected and sorted(found) == sorted(LEGAL)


# ------------------------------------------------------------------------------------------ characters

def positions(rows):
    return [Sentence(tuple(f"{token}{n % 12}" for n, token in enumerate(tokens)), tags)
            for tokens, tags, _ in rows]


HAN = [Sentence((chr(0x4e00 + i), *"中文5"[:i % 4]), row.tags) for i, row in enumerate(LEGAL)]


def test_positions_in_words_are_stripped_where_all_tokens_have_one(tmp_path):
    path = write(tmp_path, "a.txt", conll(positions(HAN)))
    corpus = corpora.load(path)
    assert everything(corpus) == sorted(HAN) and "digits are stripped" in corpus.warnings[0]
    assert everything(corpora.load(path, strip_position=True)) == sorted(HAN)
    kept = corpora.load(path, strip_position=False)
    assert everything(kept) == sorted(positions(HAN)) and not kept.warnings


@pytest.mark.parametrize("token", ["7", "x", "x1"])
def test_ordinary_digits_are_kept(tmp_path, token):
    """The last case ends in a digit, but does not begin a word as a position would."""
    rows = [*positions(HAN), Sentence((token, "c3po0"), ("B-x", "O"))]
    assert everything(corpora.load(write(tmp_path, "a.txt", conll(rows)))) == sorted(rows)


def test_positions_that_are_not_there_cannot_be_stripped(tmp_path):
    with pytest.raises(ValueError, match="end in a digit with strip_position"):
        corpora.load(write(tmp_path, "a.txt", conll(LEGAL)), strip_position=True)


# ------------------------------------------------------------------------------------------------ JSON

RAW = ["Don’t pay 3.50€ — it’s naïve!", "很好 ok 🇩🇪👍🏽", "e-mail: a@b.de\u200b\u2009x\x1fy\0z",
       "ﬁ Ⅷ ٣ ー a\u0301"]


@pytest.mark.parametrize("tokenizer", ["word", "space", "character"])
def test_tokens_of_raw_texts_are_those_of_the_graph(tmp_path, tokenizer):
    rows = [json.dumps({"text": text, "label": [[0, 2, "X"]] if text == "很好" else []})
            for text in [*RAW, *(f"{n} {RAW[n % 4]}" for n in range(60)), "很好"]]
    corpus = corpora.load(write(tmp_path, "a.jsonl", "\n".join(rows)), tokenizer=tokenizer)
    graph = Tokens.learn([["a"]], tokenizer=tokenizer)
    texts = [json.loads(row)["text"] for row in rows]
    expected = [[token.decode() for token in row if token] for row in graph.split(texts)[0].numpy()]
    assert [list(s.tokens) for s in everything(corpus)] == sorted(expected)


def test_a_folder_of_json_is_one_corpus(tmp_path):
    for name, size in (("train.jsonl", 30), ("dev.jsonl.gz", 5), ("test.json", 4)):
        rows = [{"text": f"Ada saw {name} {n}", "label": [[0, 3, "PER"]]} for n in range(size)]
        lines = "\n".join(map(json.dumps, rows))
        write(tmp_path, name, json.dumps(rows) if name == "test.json" else lines)
    corpus = corpora.load(str(tmp_path))
    assert sizes(corpus) == [30, 5, 4] and corpus.scheme == "BIO" and corpus.labels == ["B-PER", "O"]
    assert corpus.warnings == ["texts with spans are cut into tokens as the exported model cuts them: "
                               "tokenizer=word"]


def test_reading_needs_no_tensorflow():
    command = "import sys, tasks.tagging.corpora; print('tensorflow' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, cwd=ROOT,
                           check=True)
    assert child.stdout == "False\n"


# -------------------------------------------------------------------------------------------- bad input

GOOD = conll(LEGAL, "{token} NN {tag}")


@pytest.mark.parametrize("name, text, options, message", [
    ("a.txt", "", {}, "received an empty file"),
    ("a.txt", GOOD + "\nword B-x\n", {}, "line 211: expected 3 columns.*received 2; correct"),
    ("a.txt", GOOD + "\na NN B-x more\n", {}, "line 211: expected 3 columns.*received 4; correct"),
    ("a.txt", "a\tX\nb\t\n", {}, "line 2: expected a token and a tag, received an empty cell"),
    ("a.txt", "a\tX\n\tY\n", {}, "line 2: expected a token and a tag, received an empty cell"),
    ("a.txt", "one\ntwo\n", {}, "received one column"),
    ("a.txt", "-DOCSTART- O\n\n", {}, "received no token"),
    ("a.txt", GOOD, {"tag_column": 4}, "no column '4'; set tag_column to a number from 1 to 3"),
    ("a.txt", GOOD, {"tag_column": "UPOS"}, "no column 'UPOS'"),
    ("a.conllu", conll(LEGAL, UD), {"tag_column": "POS"}, "no column 'POS'.*one of ID, FORM"),
    ("a.txt", GOOD, {"tag_column": 2}, "at least two tags, received NN; check tag_column"),
    ("a.txt", "a X\n\nb Y\n", {}, "its 2 sentences leave the .* split empty"),
    ("a.txt", GOOD, {"scheme": "IOE"}, "expected a scheme of none, BIO, IOB1, BIOES, .* received 'IOE'"),
    ("a.txt", conll(sentences(60, ("NN", "DT", "IN"))), {"scheme": "BIO"}, "BIO.*set scheme to none"),
    ("a.txt", GOOD, {"tagset": "universal"}, "treebank, brown or masc_tagged with tagset"),
])
def test_a_bad_file_gets_one_clear_line(tmp_path, name, text, options, message):
    with pytest.raises(ValueError, match=message) as error:
        corpora.load(write(tmp_path, name, text), **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("tokens, tags, message", [
    ("a b\nc\n", "X Y\n\n", "seq.out, line 2: expected a tag for each of the 1 tokens.*received 0"),
    ("a b\nc\n", "X\nY\n", "line 1: expected a tag for each of the 2 tokens of seq.in, received 1"),
    ("a\nb\n", "X\nY\nX\n", "as many lines in .*received 2 and 3"),
])
def test_a_pair_that_does_not_match_is_refused(tmp_path, tokens, tags, message):
    write(tmp_path, "seq.in", tokens)
    write(tmp_path, "seq.out", tags)
    with pytest.raises(ValueError, match=message):
        corpora.load(str(tmp_path))


def test_a_tag_that_training_lacks_is_counted(tmp_path):
    write(tmp_path, "train.txt", conll(LEGAL))
    write(tmp_path, "dev.txt", conll(sentences(9, start=100)))
    write(tmp_path, "test.txt", "q1 B-z\nq2 I-z\n\nq3 B-z\n")
    corpus = corpora.load(str(tmp_path))
    assert [w for w in corpus.warnings if "never" in w] == [
        "tag 'B-z' never occurs in training, 2 times in validation and test",
        "tag 'I-z' never occurs in training, 1 times in validation and test"]
    assert {"B-z", "I-z"} <= set(corpus.labels)


def test_a_very_long_sentence_is_read_whole(tmp_path):
    long = Sentence(tuple(f"t{i}" for i in range(5000)), ("B-x", *["I-x"] * 4999))
    assert long in everything(corpora.load(write(tmp_path, "a.txt", conll([*LEGAL, long]))))


def test_folders_without_or_with_too_many_training_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no train file"):
        corpora.load(str(tmp_path))
    write(tmp_path, "esp.train", GOOD)
    write(tmp_path, "ned.train", GOOD)
    with pytest.raises(ValueError, match="expected one train file.*esp.train and ned.train"):
        corpora.load(str(tmp_path))


def test_names_that_do_not_exist_are_answered():
    with pytest.raises(ValueError, match="did you mean 'conll2000'.*path of a file of CoNLL columns"):
        corpora.load("conll2000s")
    for path in ("nowhere/at/all", "nowhere.conllu.gz"):
        with pytest.raises(FileNotFoundError, match=f"found nothing at {path}"):
            corpora.load(path)
    with pytest.raises(ValueError, match="received corpus 'sample'; leave those flags out"):
        corpora.load("sample", tag_column=2)
    with pytest.raises(ValueError, match="with tagset, received sample"):
        corpora.load("sample", tagset="own")


# ------------------------------------------------------------------------------------ sample and NLTK

def test_sample_is_the_built_in_grammar():
    corpus = corpora.load("sample", seed=2)
    assert {split: [row[:2] for row in getattr(corpus, split)] for split in SPLITS} == sample.generate(2)
    assert corpus.scheme == "BIO" and len(corpus.labels) == 2 * len(sample.SLOTS) - 1
    assert not corpus.warnings


def test_auto_falls_back_to_the_sample_and_says_so(monkeypatch):
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(nltk_corpora, "download", lambda name: False)
    corpus = corpora.load()
    assert corpus.name == "sample"
    assert corpus.warnings[0].startswith("using the built-in sample instead: corpus 'conll2000' is not")


@pytest.fixture
def nltk_data(shared, monkeypatch):
    import nltk.data
    monkeypatch.setattr(nltk.data, "path", [str(shared / "nltk_data")])


def count_spans(rows):
    return collections.Counter(kind for s in rows for _, _, kind in spans.spans(s.tags))


@pytest.mark.slow
def test_conll2000_is_whole_and_its_last_tenth_is_validation(nltk_data):
    from nltk.corpus import conll2000
    corpus = corpora.load()
    assert corpus.name == "conll2000" and corpus.scheme == "BIO" and sizes(corpus) == [8043, 893, 2012]
    rows = [tuple(zip(*row)) for row in conll2000.iob_sents("train.txt")]
    assert corpus.train + corpus.validation == [Sentence(tokens, tags) for tokens, _, tags in rows]
    assert sum(len(s.tokens) for s in corpus.test) == 47377
    # The counts that the shared task published for its test split.
    assert count_spans(corpus.test) == {"NP": 12422, "VP": 4658, "PP": 4811, "ADVP": 866, "SBAR": 535,
                                        "ADJP": 438, "PRT": 106, "CONJP": 9, "LST": 5, "INTJ": 2}


@pytest.mark.slow
@pytest.mark.parametrize("name, expected, train", [
    ("conll2002", [8323, 1915, 1517], {"LOC": 4913, "MISC": 2173, "ORG": 7390, "PER": 4321}),
    ("conll2002_esp", [8323, 1915, 1517], {"LOC": 4913, "MISC": 2173, "ORG": 7390, "PER": 4321}),
    ("conll2002_ned", [15806, 2895, 5195], {"LOC": 3208, "MISC": 3338, "ORG": 2082, "PER": 4716})])
def test_conll2002_has_its_official_splits(nltk_data, name, expected, train):
    corpus = corpora.load(name)
    assert sizes(corpus) == expected and corpus.scheme == "BIO"
    found = count_spans(corpus.train)
    assert all(0 <= found[kind] - train[kind] <= 1 for kind in train)       # one I without a B is mended
    assert "-DOCSTART-" not in {s.tokens[0] for s in everything(corpus)}


@pytest.mark.slow
def test_treebank_leaves_out_empty_elements(nltk_data):
    corpus = corpora.load("treebank")
    assert sum(sizes(corpus)) == 3914
    assert sum(len(s.tokens) for s in everything(corpus)) == 100676 - 6592
    assert len(corpus.labels) == 45 and corpus.scheme is None


class Words:
    """What NLTK's readers of tagged words have."""
    def __init__(self, *rows):
        self.tagged_sents = lambda: rows


def test_tags_are_mapped_to_the_universal_ones(nltk_data):
    penn = [("I", "PRP"), ("*", "-NONE-"), ("ran", "VBD")]
    brown = [("The", "AT-TL"), ("dog", "NN")]
    for name, row, tags in (("treebank", penn, ("PRON", "VERB")), ("brown", brown, ("DET", "NOUN"))):
        datasets, notes = nltk_corpora.TAGGED[name][1](Words(row), "universal")
        assert datasets["train"][0].tags == tags and len(datasets["train"][0].tokens) == 2 and not notes


def test_sentences_with_an_untagged_word_are_left_out_and_counted():
    words = Words([("D.", None)], [("go", "VB")], [])
    datasets, notes = nltk_corpora.TAGGED["masc_tagged"][1](words, "own")
    assert datasets == {"train": [Sentence(("go",), ("VB",))]}
    assert notes == ["2 sentences without a word, or with a word that has no tag, were left out"]


@pytest.mark.slow
def test_paths_to_public_corpora_are_read(shared):
    expected = {"snips": ([13084, 700, 700], "BIO", 72),
                "ud_english_ewt": ([12544, 2001, 2077], None, 17),
                "weibo_ner": ([1350, 270, 270], "BIO", 17),
                "broad_twitter": ([6338, 1000, 2001], "BIO", 7)}
    for name, facts in expected.items():
        corpus = corpora.load(shared / "corpora" / name)
        assert (sizes(corpus), corpus.scheme, len(corpus.labels)) == facts
    corpus = corpora.load(shared / "corpora/weibo_ner")
    assert max(len(token) for s in everything(corpus) for token in s.tokens) <= 2


def test_a_note_counts_lines():
    assert columns.notes({"odd": 1200}) == ["1,200 lines were left out: odd"]
