"""The page of surprises: the whole text, readable, harmless, and each piece with its bits."""
import html.parser
import math

import pytest

from tasks.generation.surprise import COLOURS, page


class Page(html.parser.HTMLParser):
    """Spans (class, title, text), items of the legend, all attributes, and the text of the container."""

    def __init__(self, source):
        super().__init__()
        self.spans, self.legend, self.attributes, self.text, self.open = [], [], [], "", []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, *pair) for pair in attributes]
        attributes = dict(attributes)
        if tag != "meta":
            self.open.append((tag, attributes.get("class")))
        if tag == "span":
            self.spans.append([attributes["class"], attributes["title"], ""])
        if tag == "li":
            self.legend.append([attributes["class"], ""])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if ("div", "text") in self.open:
            self.text += data
        if self.open and self.open[-1][0] == "span":
            self.spans[-1][2] += data
        if self.open and self.open[-1][0] == "li":
            self.legend[-1][1] += data


def shown(pieces, bits, **options):
    return Page(page(pieces, [-value * math.log(2) for value in bits], **options))


def test_every_piece_has_its_bits_and_its_colour():
    bits = [0.0, 0.5, 1.0, 2.25, 7.999, 8.0, 30.0]
    spans = shown("abcdefg", bits).spans
    assert [text for _, _, text in spans] == list("abcdefg")
    assert [title for _, title, _ in spans] == [f"{value:.2f} bits" for value in bits]
    assert [level for level, _, _ in spans] == ["b0", "b0", "b1", "b2", "b7", "b8", "b8"]


@pytest.mark.parametrize("text", [
    "plain", "我爱中国", "👍🏽 ok 👩‍👩‍👧", "e\u0301 ß\u200d", "  two  spaces ", "עברית", "tab\there",
    "<script>alert('x')</script> & \"&lt;\""])
def test_any_text_is_shown_as_it_is(text):
    seen = shown(list(text), [1.5] * len(text))
    assert seen.text == text and [span[2] for span in seen.spans] == list(text)


def test_line_ends_are_signs_and_line_ends_and_control_characters_are_signs():
    seen = shown(["a", "\n", "b\n\n", "\0", "\x1b", "\r", "\x7f"], [1] * 7)
    assert seen.text == "a↵\nb↵\n↵\n␀␛␍␡"


def test_words_stand_apart():
    assert shown(["the", "<unk>"], [1, 2], separator=" ").text == "the <unk>"
    assert shown(["a", "b"], [1, 2], separator="<br>&lt;").text == "a<br>&lt;b"


def test_the_page_needs_nothing_else():
    source = page(list("text with http://example.org"), [-1.0] * 28, title="A <b>title</b> & more")
    outside = {"src", "href", "srcset", "data", "action", "onclick", "style"}
    assert not outside & {name for _, name, _ in Page(source).attributes}
    style = source.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style and "<script" not in source
    assert "<title>A &lt;b&gt;title&lt;/b&gt; &amp; more</title>" in source
    assert source.startswith("<!DOCTYPE html>") and '<meta charset="utf-8">' in source
    assert all(f".b{level} {{ background: {colour}; }}" in style for level, colour in enumerate(COLOURS))
    assert "white-space: pre-wrap" in style


def test_the_legend_names_every_colour():
    names = [f"{n}–{n + 1}" for n in range(8)] + ["8 and more"]
    assert shown("a", [1]).legend == [[f"b{n}", name] for n, name in enumerate(names)]


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    channels = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_black_can_be_read_on_every_colour_and_they_darken_in_order():
    lights = [luminance(colour) for colour in COLOURS]
    assert min((light + 0.05) / 0.05 for light in lights) > 7          # AAA
    assert all(a > b for a, b in zip(lights, lights[1:]))


def test_the_mean_is_said():
    assert "2 pieces, 1.50 bits each in the mean." in page("ab", [-math.log(2), -2 * math.log(2)])
    assert "An empty text." in page("", [])


def test_what_was_certain_costs_nothing():
    assert [title for _, title, _ in Page(page("ab", [0.0, -0.0])).spans] == ["0.00 bits"] * 2


def test_the_impossible_is_shown_too():
    (level, title, _), = Page(page("a", [-math.inf])).spans
    assert (level, title) == ("b8", "∞ bits")


def test_a_lone_surrogate_does_not_keep_the_page_from_being_written():
    assert page("\ud83d", [-1.0], title="\ud83d").encode("utf-8")


@pytest.mark.parametrize("values, message", [
    ([-1.0], "received 2 and 1"), ([-1.0, 0.5], "at most 0, received 0.5"),
    ([-1.0, math.nan], "received nan")])
def test_bad_input_gets_one_clear_line(values, message):
    with pytest.raises(ValueError, match=message):
        page("ab", values)
