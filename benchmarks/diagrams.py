"""The drawn figures of docs/guide.md, which `python -m benchmarks.guide` makes: networks and cells.

A figure is a function that draws on axes whose unit is the distance of two nodes.
"""

import contextlib

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INK, GREY, RED = "#222222", "#888888", "#b03a2e"
INPUT, HIDDEN, OUTPUT, GATE, CONTEXT = "#dbe9f6", "#fdebd0", "#d9ead3", "#fff2b3", "#ead1dc"
WIDTH = 8.0                 # inches: 800 pixels at 100 dots per inch


@contextlib.contextmanager
def panels(path, titles, size, columns=None):
    """Axes with titles, one panel each; the PNG is written when the block ends.

    Args:  size  (width, height) of a panel in its own units, the same for all
    """
    columns = columns or len(titles)
    rows = -(-len(titles) // columns)
    scale = WIDTH / (columns * size[0])
    figure = Figure((WIDTH, rows * (size[1] * scale + 0.3)), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(0.005, 0.01, 0.995, 1 - 0.3 / figure.get_figheight(), wspace=0.02,
                           hspace=0.3 / (size[1] * scale))
    for axis in axes:
        axis.set(xlim=(0, size[0]), ylim=(0, size[1]), aspect="equal")
        axis.axis("off")
    for axis, title in zip(axes, titles):
        axis.set_title(title, fontsize=11, color=INK, pad=5)
    yield axes
    figure.savefig(path, dpi=150, format="png")


def node(axis, at, text, color, width=0.62, height=0.5, size=12):
    """A box with a text in the middle."""
    x, y = at
    axis.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, facecolor=color,
                                  edgecolor=INK, linewidth=0.9,
                                  boxstyle="round,pad=0,rounding_size=0.08"))
    axis.text(x, y, text, ha="center", va="center_baseline", fontsize=size, color=INK)


def arrow(axis, start, end, label="", side=(0.12, 0.0), color=INK, bend=0.0, style="-", size=11):
    """An arrow between two points, with a label beside its middle."""
    axis.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=9, color=color,
                                   connectionstyle=f"arc3,rad={bend}", linewidth=1.1, linestyle=style,
                                   shrinkA=0, shrinkB=0))
    if label:
        x, y = np.add(start, end) / 2 + np.array(side)
        axis.text(x, y, label, fontsize=size, color=color, ha="center", va="center")


def up(axis, x, low, high, label="", **options):
    """An arrow from the top of the box at `low` to the bottom of the box at `high`."""
    arrow(axis, (x, low + 0.25), (x, high - 0.25), label, **options)


def right(axis, left, x, y, label="", **options):
    """An arrow from the box at `left` to the box at x."""
    arrow(axis, (left + 0.31, y), (x - 0.31, y), label, **{"side": (0, 0.17), **options})


def note(axis, x, y, text, color=GREY, size=10, **options):
    axis.text(x, y, text, fontsize=size, color=color, ha="center", va="center", **options)


# ------------------------------------------------------------------------------- networks over time

def unrolled(path):
    """The loop, and the same written out over three steps; every step has the same weights."""
    with panels(path, [""], (10, 4.0)) as (axis, ):
        for x, t in ((1.4, "t"), (4.6, "1"), (6.4, "2"), (8.2, "3")):
            node(axis, (x, 0.6), f"$x_{t}$", INPUT)
            node(axis, (x, 1.9), f"$h_{t}$", HIDDEN)
            node(axis, (x, 3.2), f"$o_{t}$", OUTPUT)
            up(axis, x, 0.6, 1.9, "W", side=(0.2, 0))
            up(axis, x, 1.9, 3.2, "V", side=(0.2, 0))
        line(axis, (1.09, 2.02), (0.65, 2.02), (0.65, 1.4), (1.22, 1.4), (1.22, 1.65))
        note(axis, 0.45, 1.71, "U", INK, 11)
        node(axis, (3.3, 1.9), "$h_0$", HIDDEN)
        for left, x in ((3.3, 4.6), (4.6, 6.4), (6.4, 8.2)):
            right(axis, left, x, 1.9, "U")
        arrow(axis, (8.51, 1.9), (9.4, 1.9), "U", (0, 0.17))
        note(axis, 2.55, 1.9, "=", INK, 16)
        note(axis, 9.6, 1.9, "…", INK)


def bptt(path):
    """The forward graph in grey, the way of the errors in red."""
    with panels(path, [""], (10, 4.6)) as (axis, ):
        for x, t in ((1.6, 1), (4.9, 2), (8.2, 3)):
            node(axis, (x, 0.5), f"$x_{t}$", INPUT)
            node(axis, (x, 1.9), f"$h_{t}$", HIDDEN)
            node(axis, (x, 3.3), f"$z_{t}$", OUTPUT)
            node(axis, (x, 4.3), f"$L_{t}$", "white")
            up(axis, x - 0.16, 0.5, 1.9, color=GREY)
            up(axis, x - 0.16, 1.9, 3.3, color=GREY)
            arrow(axis, (x + 0.14, 4.05), (x + 0.14, 3.55), rf"$\hat y_{t} - y_{t}$", (0.62, 0), RED)
            arrow(axis, (x + 0.14, 3.05), (x + 0.14, 2.15), r"$V^\top$", (0.27, 0.1), RED)
            arrow(axis, (x + 0.14, 1.65), (x + 0.14, 0.75), r"$\delta_%d$" % t, (0.25, 0), RED)
        for left, x, t in ((1.6, 4.9, 2), (4.9, 8.2, 3)):
            arrow(axis, (left + 0.31, 2.02), (x - 0.31, 2.02), color=GREY)
            arrow(axis, (x - 0.31, 1.8), (left + 0.31, 1.8), r"$\delta_%d\,U^\top$" % t, (0, -0.22), RED)
        note(axis, 8.2 + 1.0, 1.9, "nothing comes\nback from here", size=9)


def sequence(axis, xs, y, names, color, label=""):
    """A row of boxes joined from left to right."""
    for x, name in zip(xs, names):
        node(axis, (x, y), name, color)
    for left, x in zip(xs, xs[1:]):
        right(axis, left, x, y, label)


def shapes(path):
    """N→N, N→1, 1→N twice, N→M, and recurrence through the output."""
    titles = ["N → N: tags", "N → 1: a label", "N → M: a translation", "1 → N: repeated",
              "1 → N: first state", "output recurrence"]
    three, xs = ("1", "2", "3"), (0.6, 1.75, 2.9)
    with panels(path, titles, (3.6, 3.0), 3) as axes:
        for n, axis in enumerate(axes):
            if n == 2:
                continue
            sequence(axis, xs, 1.5, [f"$h_{t}$" for t in three], HIDDEN) if n < 5 else None
            if n in (0, 1, 5):
                for x, t in zip(xs, three):
                    node(axis, (x, 0.45), f"$x_{t}$", INPUT)
                    up(axis, x, 0.45, 1.5)
            if n in (0, 3, 4):
                for x, t in zip(xs, three):
                    node(axis, (x, 2.55), f"$o_{t}$", OUTPUT)
                    up(axis, x, 1.5, 2.55)
        node(axes[1], (2.9, 2.55), "$y$", OUTPUT)
        up(axes[1], 2.9, 1.5, 2.55)
        for x in xs:
            node(axes[3], (x, 0.45), "$x$", INPUT)
            up(axes[3], x, 0.45, 1.5)
        node(axes[4], (0.6, 0.45), "$x$", INPUT)
        up(axes[4], 0.6, 0.45, 1.5)
        many_to_many(axes[2])
        output_recurrence(axes[5], xs, three)


def many_to_many(axis):
    for x, t in zip((0.45, 1.2), "12"):
        node(axis, (x, 0.45), f"$x_{t}$", INPUT, 0.5)
        node(axis, (x, 1.5), f"$h_{t}$", HIDDEN, 0.5)
        up(axis, x, 0.45, 1.5)
    for x, t in zip((1.95, 2.65, 3.3), "123"):
        node(axis, (x, 1.5), f"$s_{t}$", CONTEXT, 0.46)
        node(axis, (x, 2.55), f"$o_{t}$", OUTPUT, 0.46)
        up(axis, x, 1.5, 2.55)
    for left, x in ((0.7, 0.95), (1.45, 1.72), (2.18, 2.42), (2.88, 3.07)):
        arrow(axis, (left, 1.5), (x, 1.5))


def output_recurrence(axis, xs, three):
    for x, t in zip(xs, three):
        node(axis, (x, 1.5), f"$h_{t}$", HIDDEN)
        node(axis, (x, 2.55), f"$o_{t}$", OUTPUT)
        up(axis, x, 1.5, 2.55)
    for left, x in zip(xs, xs[1:]):
        arrow(axis, (left + 0.31, 2.4), (x - 0.31, 1.62), "R", (0.1, 0.14))


def connections(path):
    """What joins an input to the output in a feed-forward, a convolutional and a recurrent network."""
    titles = ["feed-forward", "convolution", "recurrent"]
    xs = (0.5, 1.4, 2.3, 3.2)
    with panels(path, titles, (3.7, 2.7), 3) as axes:
        for axis in axes:
            for t, x in enumerate(xs, 1):
                node(axis, (x, 0.4), f"$x_{t}$", INPUT, 0.56)
        for axis, color in zip(axes[:2], ("white", GATE)):
            node(axis, (1.85, 2.3), "$y$", OUTPUT)
            for n, x in enumerate((0.95, 1.85, 2.75)):
                node(axis, (x, 1.35), f"$h_{n + 1}$", HIDDEN, 0.56)
                arrow(axis, (x, 1.6), (1.85 + 0.1 * (n - 1), 2.05))
        for x in (0.95, 1.85, 2.75):
            for below in xs:
                arrow(axes[0], (below, 0.65), (x, 1.1), color=GREY)
        for n, x in enumerate((0.95, 1.85, 2.75)):
            for below, color in zip(xs[n:n + 2], (RED, INK)):
                arrow(axes[1], (below, 0.65), (x, 1.1), color=color)
        for t, x in enumerate(xs, 1):
            node(axes[2], (x, 1.35), f"$h_{t}$", HIDDEN, 0.56)
            arrow(axes[2], (x, 0.65), (x, 1.1), color=RED)
        for left, x in zip(xs, xs[1:]):
            arrow(axes[2], (left + 0.28, 1.35), (x - 0.28, 1.35))
        node(axes[2], (3.2, 2.3), "$y$", OUTPUT)
        arrow(axes[2], (3.2, 1.6), (3.2, 2.05))


def deep(path):
    """A bidirectional layer, and two layers one above the other."""
    xs = (0.8, 2.2, 3.6)
    with panels(path, ["bidirectional", "deep"], (4.6, 3.6), 2) as (both, stacked):
        for t, x in enumerate(xs, 1):
            for axis in (both, stacked):
                node(axis, (x, 0.35), f"$x_{t}$", INPUT)
                node(axis, (x, 3.2), f"$o_{t}$", OUTPUT)
            node(both, (x - 0.05, 1.3), rf"$\overrightarrow{{h}}_{t}$", HIDDEN, 0.55)
            node(both, (x + 0.2, 2.2), rf"$\overleftarrow{{h}}_{t}$", CONTEXT, 0.55)
            arrow(both, (x - 0.05, 0.6), (x - 0.05, 1.05))
            arrow(both, (x + 0.27, 0.6), (x + 0.27, 1.95))
            arrow(both, (x - 0.15, 1.55), (x - 0.15, 2.95))
            arrow(both, (x + 0.2, 2.45), (x + 0.2, 2.95))
            for layer, y in ((1, 1.3), (2, 2.25)):
                node(stacked, (x, y), f"$H^{layer}_{t}$", HIDDEN)
            for low, high in ((0.35, 1.3), (1.3, 2.25), (2.25, 3.2)):
                up(stacked, x, low, high)
        for left, x in zip(xs, xs[1:]):
            arrow(both, (left + 0.225, 1.3), (x - 0.325, 1.3))
            arrow(both, (x - 0.075, 2.2), (left + 0.475, 2.2))
            for y in (1.3, 2.25):
                right(stacked, left, x, y)


def encoder_decoder(path):
    """c as the first state, c at every step, and attention."""
    titles = ["c is the first state", "c is read at every step", "attention: another c every step"]
    with panels(path, titles, (4.1, 3.9), 3) as axes:
        for n, axis in enumerate(axes):
            encoder(axis)
            for x, t in zip((2.5, 3.2, 3.85), "123"):
                y = 2.75 if n else 2.0
                node(axis, (x, y), f"$s_{t}$", CONTEXT, 0.46)
                node(axis, (x, 3.6), f"$y_{t}$", OUTPUT, 0.46)
                arrow(axis, (x, y + 0.25), (x, 3.35))
            for left, x in ((2.73, 2.97), (3.43, 3.62)):
                arrow(axis, (left, y), (x, y))
        for axis in axes[:2]:
            node(axis, (1.75, 1.2), "$c$", GATE, 0.4, 0.4)
            arrow(axis, (1.28, 1.2), (1.55, 1.2))
        arrow(axes[0], (1.95, 1.3), (2.27, 1.9))
        for x in (2.5, 3.2, 3.85):
            arrow(axes[1], (1.95, 1.25), (x - 0.06, 2.5))
        attention(axes[2])


def encoder(axis):
    for x, t in zip((0.3, 1.03), "12"):
        node(axis, (x, 0.35), f"$x_{t}$", INPUT, 0.5)
        node(axis, (x, 1.2), f"$h_{t}$", HIDDEN, 0.5)
        arrow(axis, (x, 0.6), (x, 0.95))
    arrow(axis, (0.55, 1.2), (0.78, 1.2))


def attention(axis):
    for x, t in zip((2.5, 3.2, 3.85), "123"):
        node(axis, (x, 2.05), f"$c_{t}$", GATE, 0.44, 0.36)
        arrow(axis, (x, 2.23), (x, 2.5))
        for below in (0.3, 1.03):
            arrow(axis, (below + 0.05, 1.45), (x, 1.87), color=GREY)
    note(axis, 2.9, 0.95, r"$c_t = \sum_i a_{ti}\, h_i$", INK, 12)
    note(axis, 2.8, 0.45, "grey: weights $a_{ti}$", GREY, 10)


# --------------------------------------------------------------------------------------------- cells

def operation(axis, at, text):
    """A round node: what is done with numbers, element by element."""
    axis.scatter(*at, s=330, facecolor="white", edgecolor=INK, zorder=3)
    axis.text(*at, text, ha="center", va="center", fontsize=12, color=INK, zorder=4)


def line(axis, *points, head=True, label="", side=(0, 0.18), color=INK):
    """A path of straight pieces, the last with a head."""
    xs, ys = zip(*points)
    axis.plot(xs[:-1] if head else xs, ys[:-1] if head else ys, color=color, linewidth=1.1, zorder=1)
    if head:
        arrow(axis, points[-2], points[-1], color=color)
    if label:
        note(axis, points[0][0] + side[0], points[0][1] + side[1], label, INK, 12)


def joints(axis, *points):
    """Dots where a path parts."""
    axis.scatter(*zip(*points), s=14, color=INK, zorder=2)


def frame(axis, left, low, width, height):
    axis.add_patch(FancyBboxPatch((left, low), width, height, facecolor="#f7f7f4", edgecolor=GREY,
                                  boxstyle="round,pad=0,rounding_size=0.2", linewidth=0.9, zorder=0))


def lstm(path):
    """f, i, g and o of [x; h]; the line on top is the memory, on which f alone stands in the way."""
    with panels(path, [""], (10, 4.6)) as (axis, ):
        frame(axis, 1.2, 0.55, 7.5, 3.7)
        line(axis, (0.3, 3.7), (2.45, 3.7), label="$c_{t-1}$", side=(0.15, 0.25))
        line(axis, (2.75, 3.7), (4.27, 3.7))
        line(axis, (4.6, 3.7), (9.7, 3.7))
        note(axis, 9.4, 3.95, "$c_t$", INK, 12)
        line(axis, (0.3, 1.0), (6.0, 1.0), head=False, label="$h_{t-1}$", side=(0.15, 0.25))
        line(axis, (1.7, 0.1), (1.7, 1.0), head=False)
        note(axis, 1.95, 0.25, "$x_t$", INK, 12)
        gates = ((2.6, r"$\sigma$"), (3.9, r"$\sigma$"), (5.0, "tanh"), (6.0, r"$\sigma$"))
        for x, function in gates:
            node(axis, (x, 1.75), function, GATE, 0.72, 0.46)
            arrow(axis, (x, 1.0), (x, 1.52))
        for at in ((2.6, 3.7), (4.45, 2.75), (7.3, 2.25)):
            operation(axis, at, "×")
        operation(axis, (4.45, 3.7), "+")
        node(axis, (7.3, 3.05), "tanh", OUTPUT, 0.72, 0.46)
        line(axis, (2.6, 1.98), (2.6, 3.52))
        line(axis, (3.9, 1.98), (3.9, 2.75), (4.27, 2.75))
        line(axis, (5.0, 1.98), (5.0, 2.75), (4.63, 2.75))
        line(axis, (4.45, 2.93), (4.45, 3.52))
        line(axis, (6.0, 1.98), (6.0, 2.25), (7.12, 2.25))
        line(axis, (7.3, 3.7), (7.3, 3.28))
        line(axis, (7.3, 2.82), (7.3, 2.43))
        line(axis, (7.3, 2.07), (7.3, 1.0), (9.7, 1.0))
        joints(axis, (1.7, 1.0), (7.3, 3.7), *((x, 1.0) for x, *_ in gates[:3]))
        note(axis, 9.4, 1.25, "$h_t$", INK, 12)
        for x, y, name in ((2.4, 2.5, "f"), (3.72, 2.4, "i"), (5.2, 2.4, "g"), (6.3, 2.42, "o")):
            note(axis, x, y, f"${name}$", INK, 12)


def gru(path):
    """z mixes the old state and the candidate n; r decides how much of the old state n sees."""
    with panels(path, [""], (10, 4.6)) as (axis, ):
        frame(axis, 1.2, 0.55, 7.5, 3.7)
        line(axis, (0.3, 3.7), (5.75, 3.7), label="$h_{t-1}$", side=(0.15, 0.25))
        line(axis, (6.05, 3.7), (7.55, 3.7))
        line(axis, (7.85, 3.7), (9.7, 3.7))
        note(axis, 9.4, 3.95, "$h_t$", INK, 12)
        line(axis, (0.3, 1.0), (7.0, 1.0), head=False, label="$x_t$", side=(0.15, 0.25))
        line(axis, (1.6, 3.7), (1.6, 1.25), (3.9, 1.25), head=False)
        for x, function in ((2.3, r"$\sigma$"), (3.9, r"$\sigma$")):
            node(axis, (x, 1.85), function, GATE, 0.72, 0.46)
            arrow(axis, (x, 1.0), (x, 1.62))
        node(axis, (7.0, 1.85), "tanh", OUTPUT, 0.72, 0.46)
        arrow(axis, (7.0, 1.0), (7.0, 1.62))
        operation(axis, (2.3, 2.75), "×")
        line(axis, (2.3, 2.08), (2.3, 2.57))
        line(axis, (2.3, 3.7), (2.3, 2.93))
        line(axis, (2.48, 2.75), (3.0, 2.75), (3.0, 1.45), (6.6, 1.45), (6.72, 1.62), head=True)
        operation(axis, (5.9, 3.7), "×")
        operation(axis, (7.0, 2.75), "×")
        operation(axis, (7.7, 3.7), "+")
        node(axis, (5.0, 2.75), "1 −", "white", 0.56, 0.44)
        line(axis, (3.9, 2.08), (3.9, 2.75), (4.72, 2.75))
        line(axis, (5.28, 2.75), (6.82, 2.75))
        line(axis, (3.9, 2.75), (3.9, 3.2), (5.9, 3.2), (5.9, 3.52))
        line(axis, (7.0, 2.08), (7.0, 2.57))
        line(axis, (7.18, 2.75), (7.7, 2.75), (7.7, 3.52))
        joints(axis, (1.6, 3.7), (2.3, 3.7), (3.9, 2.75),
               *((x, y) for x in (2.3, 3.9) for y in (1.0, 1.25)))
        for x, y, name in ((2.12, 2.3, "r"), (3.72, 2.4, "z"), (7.2, 2.35, "n"), (5.0, 3.32, "z")):
            note(axis, x, y, f"${name}$", INK, 12)


def squashing(path):
    """tanh and σ beside their derivatives, at most 1 and ¼."""
    a = np.linspace(-5, 5, 401)
    sigma = 1 / (1 + np.exp(-a))
    figure = Figure((WIDTH, 2.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    for axis, y, slope, name in zip(figure.subplots(1, 2), (np.tanh(a), sigma),
                                    (1 - np.tanh(a) ** 2, sigma * (1 - sigma)), ("tanh", "σ")):
        axis.plot(a, y, color=GREY, label=name)
        axis.plot(a, slope, color=RED, label=f"{name}′, at most {slope.max():g}")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=10)
    figure.savefig(path, dpi=150, format="png")


def losses(curves, path):
    """Losses over the updates, {name: [N]}, a panel each with one logarithmic range."""
    figure = Figure((WIDTH, 3.8), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, -(-len(curves) // 2), sharex=True, sharey=True)
    for axis, (name, curve) in zip(axes.ravel(), curves.items()):
        axis.plot(curve, color=RED, linewidth=0.9)
        axis.set(yscale="log", ylim=(0.4, 10))
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=9)
        axis.grid(alpha=0.3)
    figure.supylabel("loss of one fixed batch", fontsize=10)
    figure.supxlabel("update", fontsize=10)
    figure.savefig(path, dpi=150, format="png")


FIGURES = {function.__name__: function for function in (
    unrolled, bptt, shapes, connections, deep, encoder_decoder, lstm, gru, squashing)}
