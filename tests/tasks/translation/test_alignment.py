"""The picture of attention: well-formed, labelled in text, its shades the weights."""
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from tasks.translation import alignment

SVG = "{http://www.w3.org/2000/svg}"
SOURCE, TARGET = ["我", "爱", "中国", "。"], [" I", " love", " China"]
WEIGHTS = np.array([[0.7, 0.1, 0.2, 0], [0, 1, 0, 0], [0.25, 0.25, 0.5, 0]])


def parsed(source=SOURCE, target=TARGET, weights=WEIGHTS, title=None):
    return ElementTree.fromstring(alignment.svg(source, target, weights, title))


def squares(picture):
    return [square for square in picture.iter(SVG + "rect") if square.find(SVG + "title") is not None]


def texts(picture):
    return [text.text for text in picture.iter(SVG + "text")]


def test_labels_are_text_columns_first():
    assert texts(parsed()) == ["我", "爱", "中国", "。", "I", "love", "China"]


def test_every_square_says_its_weight_and_whose_it_is():
    names = [square.find(SVG + "title").text for square in squares(parsed())]
    expected = [f"{target.strip()} ← {source}: {weight:.2f}"
                for target, row in zip(TARGET, WEIGHTS) for source, weight in zip(SOURCE, row)]
    assert names == expected


def test_rows_are_the_target_from_the_top_and_columns_the_source_from_the_left():
    found = squares(parsed())
    x, y = ([float(square.get(axis)) for square in found] for axis in "xy")
    grid = np.array([x, y]).reshape(2, 3, 4)
    assert (np.diff(grid[0], axis=1) == alignment.CELL).all() and not np.diff(grid[0], axis=0).any()
    assert (np.diff(grid[1], axis=0) == alignment.CELL).all() and not np.diff(grid[1], axis=1).any()


def test_labels_stand_at_the_middle_of_their_row_and_column():
    picture = parsed()
    first, half = squares(picture)[0], alignment.CELL / 2
    labels = list(picture.iter(SVG + "text"))
    assert [float(text.get("x")) - float(first.get("x")) for text in labels[:4]] == [
        half + alignment.CELL * s for s in range(4)]
    assert [float(text.get("y")) - float(first.get("y")) for text in labels[4:]] == [
        half + alignment.CELL * t for t in range(3)]


def brightness(square):
    return sum(bytes.fromhex(square.get("fill")[1:]))


def test_the_shade_is_white_at_zero_and_in_proportion_to_the_weight():
    shades = [brightness(square) for square in squares(parsed())]
    white, dark = 3 * 255, sum(alignment.BLUE)
    expected = white + (dark - white) * WEIGHTS.ravel()
    np.testing.assert_allclose(shades, expected, atol=1.5)
    assert squares(parsed())[3].get("fill") == "#ffffff"


def test_it_is_described_in_words():
    picture = parsed()
    assert picture.get("role") == "img"
    assert picture.find(SVG + "title").text == "我 爱 中国 。 → I love China"
    assert picture.find(SVG + "desc").text.endswith(
        "I at 我 (0.70); love at 爱 (1.00); China at 中国 (0.50).")
    assert parsed(title="A & B").find(SVG + "title").text == "A & B"


def test_everything_is_inside_the_picture():
    long = ["Donaudampfschifffahrtsgesellschaft", "中" * 20]
    for source, target in ((SOURCE, TARGET), (long, TARGET), (SOURCE, long), (["a"], ["b"])):
        picture = parsed(source, target, np.zeros((len(target), len(source))))
        width, height = map(float, picture.get("viewBox").split()[2:])
        turned = max(map(alignment.width, map(alignment.label, source))) > alignment.CELL
        for text in picture.iter(SVG + "text"):
            x, y, length = float(text.get("x")), float(text.get("y")), alignment.width(text.text)
            if text.get("text-anchor") == "end":
                assert x - length >= 0
            elif turned:
                assert "rotate(-90" in text.get("transform") and y - length >= 0
            else:
                assert text.get("transform") is None and length <= alignment.CELL
        for square in squares(picture):
            assert float(square.get("x")) + alignment.CELL <= width
            assert float(square.get("y")) + alignment.CELL <= height


def test_tokens_are_escaped():
    strange = ["<script>alert(1)</script>", "\"'&", "a\x00b\x1b", "\ud800", "]]>", " ", "\n", ""]
    picture = parsed(strange, ["<!--"], np.full((1, 8), 0.1), title="</title><script>")
    assert texts(picture) == ["<script>alert(1)</script>", "\"'&", "a\ufffdb\ufffd", "\ufffd", "]]>", "␣",
                              "⏎", "␣", "<!--"]
    assert not list(picture.iter(SVG + "script"))


def test_it_needs_nothing_but_itself(tmp_path):
    alignment.draw(SOURCE, TARGET, WEIGHTS, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text == alignment.svg(SOURCE, TARGET, WEIGHTS)
    assert not re.search(r"href|@import|url\(|<script|<image|<foreignObject|base64", text)
    assert "我" in text and "font-family" in text


def test_rounding_errors_of_a_softmax_are_weights():
    picture = parsed(weights=np.float32(WEIGHTS) * np.float32(1.0000002) - 1e-9)
    assert [square.find(SVG + "title").text for square in squares(picture)] == [
        square.find(SVG + "title").text for square in squares(parsed())]


@pytest.mark.parametrize("weights, message", [
    (np.zeros((4, 3)), r"expected weights \[3, 4\] for as many tokens .*, received \[4, 3\]"),
    (WEIGHTS * 2, "expected weights from 0 to 1, received 0 to 2"),
    (WEIGHTS - 1, "received -1 to 0"),
    (WEIGHTS * np.nan, "received nan to nan"),
])
def test_what_is_no_weight_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        alignment.svg(SOURCE, TARGET, weights)


def test_nothing_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"at least one of each, received \[0, 4\]"):
        alignment.svg(SOURCE, [], np.zeros((0, 4)))
