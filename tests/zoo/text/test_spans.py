"""Spans and tags, against the rules of conlleval written as tables and against hand-made cases."""
import itertools

import pytest

from zoo.text.spans import convert, may_follow, spans, tags_of

# Which pairs of letters begin and end a chunk, if the types are equal, in the order "left right".
STARTS = {"BB", "IB", "OB", "OI", "OE", "EE", "EI"}
ENDS = {"BB", "IB", "BO", "IO", "EO", "EE", "EI"}
LETTERS = ["O", "B-x", "I-x", "B-y", "I-y"]


def conlleval(tags):
    """Starts and ends decided apart from one another, as the evaluation script decides them."""
    pairs = [tuple((tag + "-").split("-")[:2]) for tag in ["O", *tags, "O"]]
    starts, ends = [], []
    for t, ((a, left), (b, right)) in enumerate(itertools.pairwise(pairs)):
        if a + b in ENDS or (a != "O" and left != right):
            ends.append((t, left))
        if a + b in STARTS or (b != "O" and left != right):
            starts.append((t, right))
    assert [kind for _, kind in starts] == [kind for _, kind in ends]
    return [(start, end, kind) for (start, kind), (end, _) in zip(starts, ends)]


def test_spans_are_conllevals_for_every_sequence_of_up_to_five_tags():
    for length in range(6):
        for tags in itertools.product(LETTERS, repeat=length):
            assert spans(tags) == conlleval(tags), tags


def test_spans_are_conllevals_where_ends_are_marked():
    for tags in itertools.product([*LETTERS[:4], "E-x", "E-y"], repeat=4):
        if not any(left[0] + right[0] == "EB" and left[2] == right[2]
                   for left, right in itertools.pairwise(tags)):
            assert spans(tags) == conlleval(tags), tags


@pytest.mark.parametrize("tags, expected", [
    ("", []),
    ("O O", []),
    ("I-X", [(0, 1, "X")]),
    ("O I-X I-X", [(1, 3, "X")]),
    ("B-X I-Y", [(0, 1, "X"), (1, 2, "Y")]),
    ("B-X I-Y I-X", [(0, 1, "X"), (1, 2, "Y"), (2, 3, "X")]),
    ("B-X B-X", [(0, 1, "X"), (1, 2, "X")]),
    ("I-X I-X B-X I-X", [(0, 2, "X"), (2, 4, "X")]),  # IOB1: one span right after another
    ("S-X S-X", [(0, 1, "X"), (1, 2, "X")]),
    ("B-X E-X B-X E-X", [(0, 2, "X"), (2, 4, "X")]),
    ("B-X I-X O", [(0, 2, "X")]),  # BIOES that breaks off
    ("O E-X I-X", [(1, 2, "X"), (2, 3, "X")]),
    ("B-X S-X E-X", [(0, 1, "X"), (1, 2, "X"), (2, 3, "X")]),
    ("B-X E-Y", [(0, 1, "X"), (1, 2, "Y")]),
    ("B I I O B", [(0, 3, ""), (4, 5, "")]),  # no types
    ("B-a-b I-a-b", [(0, 2, "a-b")]),  # a type with a dash
])
def test_tricky_sequences(tags, expected):
    assert spans(tags.split()) == expected


def test_schemes_write_what_their_papers_show():
    chunks = [(0, 1, "X"), (1, 4, "X"), (4, 6, "Y")]
    assert tags_of(chunks, 7, "BIO") == "B-X B-X I-X I-X B-Y I-Y O".split()
    assert tags_of(chunks, 7, "IOB1") == "I-X B-X I-X I-X I-Y I-Y O".split()
    assert tags_of(chunks, 7, "BIOES") == "S-X B-X I-X E-X B-Y E-Y O".split()
    assert tags_of([(0, 2, "")], 3, "BIO") == ["B", "I", "O"]


@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES"])
def test_conversion_keeps_the_spans(scheme):
    for tags in itertools.product(LETTERS, repeat=4):
        converted = convert(tags, scheme)
        assert spans(converted) == spans(tags)
        assert convert(converted, scheme) == converted


@pytest.mark.parametrize("scheme, letters", [
    ("BIO", LETTERS), ("BIOES", ["O", "B-x", "I-x", "E-x", "S-x", "E-y", "B-y"])])
def test_conversion_leaves_alone_the_sequences_in_which_each_tag_may_follow_the_last(scheme, letters):
    for tags in itertools.product(letters, repeat=4):
        legal = all(may_follow(tag, last, scheme) for last, tag in itertools.pairwise(["O", *tags, "O"]))
        assert legal == (convert(tags, scheme) == list(tags)), tags


@pytest.mark.parametrize("tag", ["NNP", "", "-X", "O-X", "X-B", "b-X"])
def test_other_tags_are_refused(tag):
    with pytest.raises(ValueError, match="expected O, or a tag of the letters B I O E S"):
        spans(["O", tag])


def test_a_tag_of_another_scheme_and_an_unknown_scheme_are_refused():
    with pytest.raises(ValueError, match=r"letters B I O such as B-X \(scheme BIO\), received 'E-X'"):
        may_follow("E-X", "O", "BIO")
    with pytest.raises(ValueError, match="expected a scheme of BIO, IOB1, BIOES, received 'IOE'"):
        convert(["O"], "IOE")
