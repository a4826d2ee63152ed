"""Attention as a picture: an SVG in one file, whose labels are text, in whatever fonts the reader has."""

import html
import math
import pathlib
import re
import unicodedata

import numpy as np

CELL, SIZE, GAP = 28, 14, 6           # of a square, of the letters, between them; pixels
WHITE, BLUE, INK = (255, 255, 255), (8, 81, 156), "#222222"
FONTS = "'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
# What XML cannot hold.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def draw(source, target, weights, path, title=None):
    """Writes `svg` to a file; see there."""
    pathlib.Path(path).write_text(svg(source, target, weights, title), encoding="utf-8")


def svg(source, target, weights, title=None):
    """Which tokens of the source a model looked at for each token that it wrote.

    A row is a token of the target, a column one of the source, the darker the more weight. Each square
    says its weight when it is pointed at or read aloud; the whole is described in words.

    Args:    source, target  tokens, S and T strings; what is around them, such as the space that a word
                             piece begins with, is not shown
             weights         [T, S], from 0 to 1, the rows summing to one or less
             title           of the picture; by default both sentences
    Returns: the file's text
    Raises:  ValueError: weights of another shape, or none, or outside of 0 … 1

    >>> picture = svg(["我", "爱", "中国"], ["I", "love", "China"], np.eye(3))
    >>> "<title>love ← 爱: 1.00</title>" in picture
    True

    Source:  Bahdanau et al. 2015, figure 3
    """
    weights = _checked(source, target, weights)
    columns, rows = ([label(token) for token in tokens] for tokens in (source, target))
    left = GAP * 2 + max(map(width, rows))
    turned = max(map(width, columns)) > CELL
    top = GAP * 2 + (max(map(width, columns)) if turned else SIZE)
    size = left + CELL * len(columns) + GAP, top + CELL * len(rows) + GAP
    title = title or " → ".join(" ".join(labels) for labels in (columns, rows))
    return "\n".join([
        *_head(size, title, _description(columns, rows, weights)),
        *(_column(left + CELL * (s + 0.5), top - GAP, text, turned) for s, text in enumerate(columns)),
        *(_text(left - GAP, top + CELL * (t + 0.5), text, "end") for t, text in enumerate(rows)),
        *(_square(left + CELL * s, top + CELL * t, weights[t, s], f"{rows[t]} ← {columns[s]}")
          for t in range(len(rows)) for s in range(len(columns))),
        "</svg>", ""])


def label(token):
    """A token as it is written beside the picture.

    >>> label(" the"), label(" "), label("\\n"), label("a\\x00")
    ('the', '␣', '⏎', 'a�')
    """
    shown = FORBIDDEN.sub("\ufffd", token).strip()
    return " ".join(shown.split()) or ("⏎" if "\n" in token else "␣")


def width(text):
    """About how many pixels a text is long: ideographs are square, letters narrower.

    >>> width("中国"), width("ab")
    (28, 19)
    """
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return math.ceil(SIZE * (wide + 0.65 * (len(text) - wide)))


def _checked(source, target, weights):
    weights = np.asarray(weights, float)
    if weights.shape != (len(target), len(source)) or not weights.size:
        raise ValueError(f"expected weights [{len(target)}, {len(source)}] for as many tokens of target "
                         f"and source, at least one of each, received {list(weights.shape)}")
    if not (weights >= -1e-6).all() or not (weights <= 1 + 1e-3).all():
        raise ValueError("expected weights from 0 to 1, received "
                         f"{weights.min():g} to {weights.max():g}")
    return weights.clip(0, 1)


def _head(size, title, description):
    width, height = (math.ceil(side) for side in size)
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" font-size="{SIZE}" font-family="{FONTS}" fill="{INK}">',
            f'<title>{_escaped(title)}</title>', f'<desc>{_escaped(description)}</desc>',
            f'<rect width="{width}" height="{height}" fill="white"/>']


def _description(columns, rows, weights):
    """For every word of the target the one of the source that it looked at most."""
    most = (f"{row} at {columns[best]} ({share[best]:.2f})"
            for row, share, best in zip(rows, weights, weights.argmax(axis=1)))
    return "Attention of each target token, most of it: " + "; ".join(most) + "."


def _column(x, y, text, turned):
    """Over its column: upright if all labels are narrow, else all are written upwards."""
    if turned:
        return _text(x, y, text, "start", f' transform="rotate(-90 {x:g} {y:g})"')
    return _text(x, y - SIZE / 2, text, "middle")


def _text(x, y, text, anchor, more=""):
    return (f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" dominant-baseline="central"{more}>'
            f'{_escaped(text)}</text>')


def _square(x, y, weight, pair):
    red, green, blue = (round(a + (b - a) * weight) for a, b in zip(WHITE, BLUE))
    return (f'<rect x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}" stroke="#dddddd" fill="#{red:02x}'
            f'{green:02x}{blue:02x}"><title>{_escaped(pair)}: {weight:.2f}</title></rect>')


def _escaped(text):
    return html.escape(FORBIDDEN.sub("\ufffd", text))
