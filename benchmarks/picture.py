"""The picture of the README: an equation, its code, and the files of a finished run of the sample corpus.

    python -m tasks.sentiment --corpus=sample
    python -m benchmarks.picture runs/sentiment docs/picture.png

The code is read from `zoo/cells/lstm.py`, the numbers from the run's metrics.json: nothing is written by
hand but the equation, which is the one in the docstring of the cell.
"""

import inspect
import json
import pathlib
import sys
import textwrap

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo.cells.lstm import LSTMCell

EQUATIONS = (r"$[a_i\; a_f\; a_g\; a_o] = xW + hU + b$",
             r"$i = \sigma(a_i)\quad f = \sigma(a_f)\quad o = \sigma(a_o)$",
             r"$c' = f \cdot c + i \cdot \tanh(a_g)$",
             r"$h' = o \cdot \tanh(c')$")
COLUMNS = {"accuracy": 0.69, "kB": 0.83, "ms": 0.97}      # where each ends, as a share of the panel
INK, SHADE, BLUE = "#222222", "#f5f5f2", "#1f5f99"


def files(metrics):
    """[(name, accuracy, kB, milliseconds)] of the model and of its exported files, as text.

    >>> file = {"test": {"accuracy": 0.5}, "bytes": 1234567, "milliseconds": 0.25}
    >>> files({"test": {"accuracy": 0.75}, "exports": {"saved_model": file, "tflite": {}}})
    [('Keras', '75.0 %', '', ''), ('SavedModel', '50.0 %', '1,234', '0.25')]
    """
    exports = metrics["exports"]
    written = {"SavedModel": exports["saved_model"],
               **{f"TFLite {variant}": entry for variant, entry in exports["tflite"].items()}}
    return [("Keras", accuracy(metrics["test"]), "", "")] + [
        (name, accuracy(file["test"]), f"{file['bytes'] // 1000:,}", f"{file['milliseconds']:.2f}")
        for name, file in written.items() if "test" in file]


def accuracy(measured):
    """As text, in percent."""
    return f"{100 * measured['accuracy']:.1f} %"


def draw(metrics, path):
    """Write the picture as PNG."""
    figure = Figure((12, 3.5), facecolor="white")
    FigureCanvasAgg(figure)
    equation, code, table = figure.subplots(1, 3, width_ratios=(2.75, 5.95, 3.4))
    figure.subplots_adjust(0.01, 0.03, 0.99, 0.88, wspace=0.03)
    for axis, title in zip((equation, code, table), (
            "an equation", "→ its code: zoo/cells/lstm.py",
            f"→ its files: tasks.{metrics['task']} --corpus={metrics['corpus']}")):
        axis.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[], facecolor=SHADE)
        axis.set_title(title, fontsize=9, color=BLUE, loc="left")
        axis.spines[:].set_visible(False)
    for line, text in enumerate(EQUATIONS):
        equation.text(0.06, 0.84 - 0.21 * line, text, fontsize=11.5, color=INK, va="center")
    source = textwrap.dedent(inspect.getsource(LSTMCell.step))
    code.text(0.02, 0.5, source.strip(), fontsize=7.2, family="monospace", color=INK, va="center",
              linespacing=3)
    write_table(table, metrics)
    figure.savefig(path, dpi=130, format="png")


def write_table(axis, metrics):
    """The files of a run, a line each, and the baseline that they are compared with."""
    rows = [("", *COLUMNS), *files(metrics)]
    best = max(metrics["baselines"].items(), key=lambda item: item[1]["accuracy"])
    rows.append((best[0], accuracy(best[1]), "", ""))
    for line, (name, *cells) in enumerate(rows):
        style = {"y": 0.92 - 0.84 * line / (len(rows) - 1), "fontsize": 9, "va": "center",
                 "color": BLUE if not name else INK}
        axis.text(0.03, s=name, **style)
        for right, cell in zip(COLUMNS.values(), cells):
            axis.text(right, s=cell, ha="right", **style)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("expected the run directory of a classifier and a PNG file: "
                 "python -m benchmarks.picture runs/sentiment docs/picture.png")
    folder, picture = map(pathlib.Path, sys.argv[1:])
    draw(json.loads((folder / "metrics.json").read_text(encoding="utf-8")), picture)
