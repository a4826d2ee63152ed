"""What `python -m tasks.gradient_flow` measures, draws and describes."""

import textwrap

import keras
import numpy as np
import tensorflow as tf

import zoo
from tasks.gradient_flow.options import FlowOptions
from tasks.reporting import plots
from tasks.training.run_directory import Run, register
from zoo.gradient_flow import gradient_norms, with_spectral_radius

register("gradient_flow.csv", "plots/*.png")

FEATURES = 16           # D of the random sequences
TARGETS = 0.5           # standard deviation of the random targets: a state lies between -1 and 1
LOST, GROWN = 1e-2, 1e2     # an error that arrives smaller has vanished, one that is larger, exploded
TINY = 1e-6


def main(settings):
    """Measure, draw and describe; a finished run is described again. Errors are those of `Run.open`."""
    FlowOptions(**settings.chosen(FlowOptions))
    run = Run.open(settings.output_dir, "gradient_flow", settings.recorded(), settings.overwrite)
    if run.finished:
        print(f"{run.folder} holds this run, finished; --overwrite measures it again.\n")
    else:
        measure(run, settings)
    show(run.read_json("metrics.json"))
    print(f"\nwrote {run.folder}/plots/gradient_flow.png and gradient_flow.csv")


def measure(run, settings):
    """Write everything a run holds, the metrics last: they say that it is finished."""
    curves = [curve for cell in settings.cells for radius in settings.radii
              for curve in flow(cell, radius, settings)]
    (run.folder / "plots").mkdir(exist_ok=True)
    plots.gradient_flow(curves, run.folder / "plots/gradient_flow.png")
    run.write_rows("gradient_flow.csv", [
        {"cell": curve["cell"], "radius": curve["radius"], "state": curve["state"], "t": t, "norm": norm}
        for curve in curves for t, norm in enumerate(curve["norms"])])
    run.write_json("metrics.json", {
        "task": "gradient_flow", **settings.recorded(),
        "flow": [travel(curve) for curve in curves],
        "fluctuation": [row for cell in settings.cells for row in fluctuation(cell, settings)]})


def network(cell, radius, settings, seed):
    """A layer as it is before training, but for its recurrent kernel's spectral radius; float64."""
    layer = getattr(zoo, cell)(
        settings.units, kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed), dtype="float64", engine="loop")
    layer.build((None, None, FEATURES))
    kernel = layer.cell.recurrent_kernel
    kernel.assign(with_spectral_radius(kernel.value, radius))
    return layer


def inputs(draw, settings):
    """Random sequences [B, T, D]."""
    return draw.normal(scale=settings.deviation, size=(settings.batch_size, settings.steps, FEATURES))


def flow(cell, radius, settings):
    """‖∂L/∂s_t‖ for a loss with ‖∂L/∂h_T‖ = 1: the geometric mean over networks and sequences.

    Returns: for h, and of an LSTM also for c: {"cell", "radius", "state", "norms": t = 0 … T}
    """
    draw, logarithms = np.random.default_rng(settings.seed), []
    for n in range(settings.networks):
        error = draw.normal(size=(settings.batch_size, settings.units))
        error /= np.linalg.norm(error, axis=1, keepdims=True)
        layer = network(cell, radius, settings, settings.seed + n)
        norms = np.stack(gradient_norms(layer, inputs(draw, settings), error))
        with np.errstate(divide="ignore"):  # nothing has reached c_T yet
            logarithms.append(np.log(norms).mean(axis=1))
    return [{"cell": cell, "radius": radius, "state": state, "norms": norms.tolist()}
            for state, norms in zip("hc", np.exp(np.mean(logarithms, axis=0)))]


def travel(curve):
    """How an error fared on its way from the last step to the first state, in numbers and in a word.

    >>> travel({"cell": "GRU", "radius": 1.0, "state": "h", "norms": [1e-8, 1e-4, 1e-1, 1.0]})["below"]
    3
    """
    # From T-1 on: at T itself nothing has reached the c of an LSTM yet.
    first, *_, last = norms = curve["norms"][:-1]
    small = [back for back, norm in enumerate(norms[::-1], 1) if norm < TINY]
    return {**{name: curve[name] for name in ("cell", "radius", "state")}, "arrives": first,
            "factor": (first / last) ** (1 / (len(norms) - 1)), "below": small[0] if small else None,
            "verdict": "vanishes" if first < LOST else "explodes" if first > GROWN else "holds"}


def fluctuation(cell, settings):
    """A row for each radius: the gradient of one batch after another, and what a step on it does.

        L = ½·mean_b ‖h_T − y‖²,  y random        w ← w − η·g·min(1, clip_norm / ‖g‖)
    """
    layer = network(cell, 1.0, settings, settings.seed)
    functions = loss_and_gradient(layer)
    for radius in settings.radii:
        layer.set_weights(network(cell, radius, settings, settings.seed).get_weights())
        yield {"cell": cell, "radius": radius, **over_batches(layer, *functions, settings)}


def loss_and_gradient(layer):
    """Two functions of a batch (x, y): the loss, and its gradient for every weight of the layer."""
    @tf.function
    def loss(x, y):
        return tf.reduce_mean(tf.reduce_sum((layer(x) - y) ** 2, -1)) / 2

    @tf.function
    def gradient(x, y):
        weights = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            value = loss(x, y)
        return tape.gradient(value, weights)

    return loss, gradient


def over_batches(layer, loss, gradient, settings):
    """From the same weights each time: one step on a batch, and the loss of another batch after it."""
    draw, start = np.random.default_rng(settings.seed), layer.get_weights()
    other = batch(draw, settings)
    before, norms, after, clipped = float(loss(*other)), [], [], []
    for _ in range(settings.batches):
        dweights = gradient(*batch(draw, settings))
        norms.append(float(tf.linalg.global_norm(dweights)))
        for losses, scale in ((after, 1), (clipped, min(1, settings.clip_norm / norms[-1]))):
            layer.set_weights([weight - settings.learning_rate * scale * dweight
                               for weight, dweight in zip(start, dweights)])
            losses.append(float(loss(*other)))
        layer.set_weights(start)
    return {"norm": spread(norms), "clipped": int(np.sum(np.array(norms) > settings.clip_norm)),
            "loss": before, "after": spread(after), "after_clipping": spread(clipped)}


def batch(draw, settings):
    """Random sequences [B, T, D] and a random target [B, H] for the last state of each."""
    x = inputs(draw, settings)
    return tf.constant(x), tf.constant(
        draw.normal(scale=TARGETS, size=(settings.batch_size, settings.units)))


def spread(values):
    return {"least": min(values), "median": float(np.median(values)), "largest": max(values)}


def show(facts):
    """Print what is seen, in words, and why a training loss fluctuates, in the numbers of this run."""
    print(f"An error of norm 1 at the last of {facts['steps']} steps goes back to the first state. It "
          f"vanishes if less than {LOST:g} arrives,\nexplodes if more than {GROWN:g}, and else holds.\n")
    print(*map(in_words, facts["flow"]), sep="\n")
    print(f"\nThe norm of the gradient at the weights over {facts['batches']} batches, and the loss of "
          "another batch, before and after\none step on each of them from the same weights, of rate "
          f"{facts['learning_rate']:g}; clipped: the same with norms cut to {facts['clip_norm']:g}.\n")
    print(*map(step_in_words, facts["fluctuation"]), sep="\n")
    print("\n" + textwrap.fill(explanation(facts), 106))


def in_words(row):
    """One line on one curve.

    >>> in_words({"cell": "GRU", "radius": 0.9, "state": "h", "verdict": "vanishes", "factor": 0.1,
    ...           "arrives": 1e-9, "below": 7})
    'GRU       radius 0.9  ∂L/∂h vanishes: × 0.100 a step, 1.0e-09 arrives, below 1e-06 after 7 steps'
    """
    below = f"below {TINY:g} after {row['below']} steps" if row["below"] else f"never below {TINY:g}"
    return (f"{row['cell']:9} radius {row['radius']:<4g} ∂L/∂{row['state']} {row['verdict']}: "
            f"× {row['factor']:.3f} a step, {row['arrives']:.1e} arrives, {below}")


def step_in_words(row):
    """One line on the gradients of the batches and the steps along them."""
    norm, after, clipped = row["norm"], row["after"], row["after_clipping"]
    return (f"{row['cell']:9} radius {row['radius']:<4g} norm {norm['least']:.3g} to "
            f"{norm['largest']:.3g}; loss {row['loss']:.2f}, then {after['least']:.2f} to "
            f"{after['largest']:.2f}; clipped {clipped['least']:.2f} to {clipped['largest']:.2f}")


def explanation(facts):
    """Why the training loss of a recurrent network fluctuates, in the numbers of this run.

    Source:  Pascanu et al. 2013, which also proposes the clipping
    """
    rows = sorted(facts["fluctuation"], key=lambda row: row["norm"]["median"])
    calm, wild = rows[0], rows[-1]
    return (
        "Why does the training loss of a recurrent network fluctuate? Its gradient holds products of as "
        f"many Jacobians as there are steps, here {facts['steps']}, and so has the effect of a change of "
        "the weights. Less does one batch differ from another than how far a step along it throws the "
        f"loss. The shortest gradients here, those of {swing_in_words(calm)}; the longest, "
        f"those of {swing_in_words(wild)}; with norms clipped to {facts['clip_norm']:g}, as "
        f"{wild['clipped']} of these {facts['batches']} must be, by {swing(wild, 'after_clipping'):.2g}. "
        "Clipping cuts a gradient's length, not its direction: no batch can throw the weights far. It "
        "lengthens none: what vanished on its way stays lost. docs/guide.md measures a training.")


def swing_in_words(row):
    """How the gradients of a row differ, and what they do."""
    return (f"{row['cell']} with radius {row['radius']:g}, have norms up to "
            f"{row['norm']['largest'] / row['norm']['least']:.2g} times apart and move the loss by up to "
            f"{swing(row, 'after'):.2g}")


def swing(row, after):
    """How far a step moved the loss of another batch at the most, up or down."""
    return max(abs(row[after][end] - row["loss"]) for end in ("least", "largest"))
