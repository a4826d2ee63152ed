"""A page that shows a text, each character or token coloured by how much it surprised a model."""

import html
import math

# From 0 bits in steps of one; the last for all above. Black can be read on each of them.
COLOURS = ("#ffffff", "#fff7dc", "#ffedb8", "#ffdf91", "#ffcd6f", "#ffb757", "#ff9f4d", "#ff8650",
           "#ff6e5e")
SIGNS = {**{chr(code): chr(0x2400 + code) for code in range(32)}, "\t": "\t", "\n": "↵\n", "\x7f": "␡"}

STYLE = """
:root { color-scheme: light; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #000; background: #fff;
       font: 1rem/1.6 system-ui, sans-serif; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; font: 1.05rem/1.7 ui-monospace, monospace; }
.legend { display: flex; flex-wrap: wrap; list-style: none; padding: 0; margin: 1rem 0; }
.legend li { padding: 0 .6rem; border: 1px solid #767676; margin: 0 -1px -1px 0; }
"""


def page(pieces, log_probabilities, title="Surprise", separator=""):
    """A complete HTML page that needs nothing else. Point at a piece to read its surprise.

        surprise = −log2 P(piece | all before it), in bits

    Args:    pieces             strings: characters, or tokens
             log_probabilities  ln P of each, in nats
             separator          stands between pieces, for instance " " between words
    Raises:  ValueError: as many pieces as log-probabilities are needed, and these are at most 0

    >>> '<span class="b1" title="1.00 bits">&lt;</span>' in page(["<"], [math.log(0.5)])
    True
    """
    bits = [_bits(value) for value in log_probabilities]
    if len(pieces) != len(bits):
        raise ValueError("expected as many pieces as log-probabilities, received "
                         f"{len(pieces)} and {len(bits)}")
    spans = html.escape(separator).join(map(_span, pieces, bits))
    classes = "\n".join(f".b{level} {{ background: {colour}; }}" for level, colour in enumerate(COLOURS))
    return _safe(f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{STYLE}{classes}
</style>
</head>
<body>
<main>
<h1>{html.escape(title)}</h1>
<p>{_summary(bits)} Colour: how many bits of surprise, −log<sub>2</sub> of its probability, each was.</p>
<ul class="legend" aria-label="Legend, in bits">
{_legend()}
</ul>
<div class="text" lang="" dir="auto">{spans}</div>
</main>
</body>
</html>
""")


def _bits(log_probability):
    bits = -float(log_probability) / math.log(2)
    if not bits >= 0:
        raise ValueError(f"expected log-probabilities of at most 0, received {log_probability}")
    return abs(bits)                                     # −0.0 is 0


def _level(bits):
    return int(min(bits, len(COLOURS) - 1))


def _span(piece, bits):
    """A line end is shown as a sign and then made; other control characters are shown as signs."""
    shown = "".join(SIGNS.get(letter, letter) for letter in piece)
    return f'<span class="b{_level(bits)}" title="{_number(bits)} bits">{html.escape(shown)}</span>'


def _number(bits):
    return f"{bits:.2f}" if math.isfinite(bits) else "∞"


def _summary(bits):
    if not bits:
        return "An empty text."
    return f"{len(bits):,} pieces, {_number(sum(bits) / len(bits))} bits each in the mean."


def _legend():
    last = len(COLOURS) - 1
    names = [f"{level}–{level + 1}" for level in range(last)] + [f"{last} and more"]
    return "\n".join(f'<li class="b{level}">{name}</li>' for level, name in enumerate(names))


def _safe(text):
    """Without lone surrogates, which no file can hold."""
    return text.encode("utf-8", "replace").decode()
