"""Pictures of a run. matplotlib is imported where it is needed, and needs no display."""
import contextlib
import warnings

import numpy as np

from tasks.reporting.metric import metric

NOT_METRICS = ("epoch", "step", "learning_rate", "gradient_norm", "seconds", "tokens_per_second")
BLUE, ORANGE, GREY = "#1f77b4", "#ff7f0e", "#999999"
MOST_NUMBERED_CLASSES = 25           # in a larger confusion matrix the numbers cannot be read


def learning_curves(history, path, unit="nats"):
    """The losses, then the metrics of validation, an axis a unit; the training loss is dashed.

    Args:  history   rows of history.csv: {"epoch": 1, "loss": 0.7, "log_loss": 0.6, "accuracy": …};
                     columns that end in "loss" are losses
           unit      of the losses
    """
    panels = _curves(history, unit)
    with _figure(path, len(panels)) as axes:
        for axis, (label, names) in zip(axes, panels.items()):
            for name in names:
                _curve(axis, history, name)
            axis.set(xlabel="epoch", ylabel=label)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(alpha=0.3)
            axis.legend(frameon=False)


def confusion_matrix(matrix, labels, path):
    """Rows the true classes, columns the predicted ones; shaded by the share of the row."""
    matrix = np.asarray(matrix)
    if matrix.shape != (len(labels), len(labels)):
        raise ValueError(f"expected a confusion matrix [{len(labels)}, {len(labels)}] for as many "
                         f"labels, received {list(matrix.shape)}")
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    numbered = len(labels) <= MOST_NUMBERED_CLASSES
    longest = min(max(len(str(label)) for label in labels), 20)
    size = max(2.8, 1.2 + (0.5 if numbered else 0.15) * min(len(labels), 100)) + 0.1 * longest
    with _figure(path, 1, size) as (axis,):
        image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axis.figure.colorbar(image, label="share of the true class", fraction=0.046)
        _name_ticks(axis, labels)
        axis.set(xlabel="predicted", ylabel="true")
        if numbered:
            _write_numbers(axis, matrix, share)


def reliability(count, confidence, accuracy, path):
    """Reliability diagram: how often the model is right, by how sure it is.

    Takes what `tasks.calibration.calibration` returns. On the diagonal the two agree.

    Source:  Guo et al. 2017, figure 1
    """
    used = np.asarray(count) > 0
    width = 1 / len(used)
    left = np.arange(len(used))[used] * width
    with _figure(path, 1, size=4.4) as (axis,):
        axis.bar(left, np.asarray(accuracy)[used], width, align="edge", color=BLUE, alpha=0.8,
                 edgecolor="white", label="accuracy")
        axis.plot([0, 1], [0, 1], "--", color=GREY, label="calibrated")
        axis.plot(np.asarray(confidence)[used], np.asarray(accuracy)[used], "o", color=ORANGE,
                  markersize=4, label="mean confidence")
        for x, y, n in zip(left, np.asarray(accuracy)[used], np.asarray(count)[used]):
            axis.annotate(f"{n:,}", (x + width / 2, y), ha="center", va="bottom", fontsize=6, color=GREY)
        axis.set(xlabel="confidence (number of examples above each bar)", ylabel="accuracy", xlim=(0, 1),
                 ylim=(0, 1.08))
        axis.legend(frameon=False, loc="upper left")


def gradient_flow(curves, path, size=4.0):
    """One panel a cell: ‖∂L/∂s_t‖ over t, logarithmic, a colour for each spectral radius; c is dashed.

    Args:  curves  rows {"cell": "LSTM", "radius": 0.9, "state": "h" or "c", "norms": t = 0 … T}
           size    height in inches; letters stay as they are
    """
    cells = list(dict.fromkeys(curve["cell"] for curve in curves))
    radii = sorted({curve["radius"] for curve in curves})
    with _figure(path, len(cells), size) as axes:
        for axis, cell in zip(axes, cells):
            axis.axhline(1, color=GREY, linewidth=0.8)
            for curve in (curve for curve in curves if curve["cell"] == cell):
                _flow_curve(axis, curve, radii.index(curve["radius"]) / len(radii))
            axis.set(title=cell, xlabel="t", yscale="log")
            axis.sharey(axes[0])
            axis.grid(alpha=0.3)
            axis.legend(frameon=False, title="spectral radius", fontsize=8)
        axes[0].set_ylabel("norm of ∂L/∂h (dashed: of ∂L/∂c)")


@contextlib.contextmanager
def _figure(path, columns, size=4.0):
    """Axes to draw on; the file appears when the block ends."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure((size * 1.25 * columns, size), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure.subplots(1, columns, squeeze=False)[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")    # a script that the font does not have
        figure.savefig(path, dpi=120, format="png")


def _curves(history, unit):
    """{label of an axis: the columns to draw there}: losses, and the metrics of each unit."""
    if not history:
        raise ValueError("expected at least one epoch in the history, received none")
    panels = {f"loss [{unit}]": [name for name in history[0] if name.endswith("loss")]}
    for name in history[0]:
        if not (name.endswith("loss") or name in NOT_METRICS):
            panels.setdefault(f"validation [{metric(name).unit}]", []).append(name)
    return panels


def _curve(axis, history, name):
    epochs = [float(row["epoch"]) for row in history]
    training = name == "loss" or name.startswith("train")
    axis.plot(epochs, [float(row[name]) for row in history], "--" if training else "-", marker=".",
              label="training loss" if name == "loss" else f"validation {name.replace('_', ' ')}")


def _flow_curve(axis, curve, shade):
    """`shade` from 0 to 1 goes from dark to light, in order also for those who see no colours."""
    from matplotlib import colormaps
    hidden, norms = curve["state"] == "h", np.asarray(curve["norms"])
    axis.plot(np.where(norms > 0, norms, np.nan), "-" if hidden else "--",
              color=colormaps["viridis"](shade), label=f"{curve['radius']:g}" if hidden else None)


def _name_ticks(axis, labels):
    short = [label if len(label) <= 20 else label[:19] + "…" for label in map(str, labels)]
    axis.set_xticks(range(len(labels)), short, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(labels)), short)
    axis.tick_params(labelsize=9 if len(labels) <= MOST_NUMBERED_CLASSES else 5)


def _write_numbers(axis, matrix, share):
    for (row, column), number in np.ndenumerate(matrix):
        axis.text(column, row, str(number), ha="center", va="center", fontsize=9,
                  color="white" if share[row, column] > 0.55 else "black")
