"""Gradient flow: norms against products of Jacobians in NumPy, spectral radii, the diagnostic's run."""

import contextlib
import csv
import dataclasses
import io
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import ROOT
import reference
import tensorflow as tf
from layer_checks import CELLS, EXACT, H, T, assert_agree, case, make, ready
from reference import sigmoid

from tasks import cli
from tasks.gradient_flow import task
from tasks.gradient_flow.options import FlowOptions, Settings
from zoo.gradient_flow import (
    errors_through_time, gradient_norms, jacobian_products, jacobians, spectral_radii,
    with_spectral_radius)

each_cell = pytest.mark.parametrize("cell", CELLS)


def numpy_jacobians(cell, given):
    """[B, T, N, N]: ∂s'_k/∂s_j = Im s'_k(s + i·ε·e_j) / ε, which needs no derivative and loses no digit.

    Source:  Squire & Trapp 1998
    """
    step, w = reference.CELLS[cell].step, reference.Weights(*given.weights)
    states, tiny, found = given.states, 1e-30, []
    nudges = np.split(1j * tiny * np.eye(H * len(states)), len(states), 1)
    for x in np.moveaxis(given.x, 1, 0):
        columns = [step(x, [s + nudge[j] for s, nudge in zip(states, nudges)], w, 1.0)[0]
                   for j in range(H * len(states))]
        found.append(np.stack([np.concatenate(new, 1).imag / tiny for new in columns], 2))
        states, _ = step(x, states, w, 1.0)
    return np.stack(found, 1)


def numpy_products(J):
    """J_T … J_{t+1} for t = 0 … T."""
    found = [np.broadcast_to(np.eye(J.shape[-1]), J[:, 0].shape)]
    for t in reversed(range(J.shape[1])):
        found.append(found[-1] @ J[:, t])
    return np.stack(found[::-1], 1)


def probed(cell):
    """A layer in float64 with the weights of a random case."""
    given, layer = case(cell), make(cell)
    ready(layer, given)
    return given, layer


def test_the_jacobian_of_a_simple_rnn_is_that_of_the_formula():
    """∂h'/∂h = diag(1 − h'²)·Uᵀ: a matrix left of Uᵀ, not a bare tanh′ (row 9 of the equations)."""
    given, layer = probed("simple_rnn")
    W, U, b = given.weights
    new = np.tanh(given.x[0, 0] @ W + given.states[0][0] @ U + b)
    assert_agree({"J": jacobians(layer, given.x, given.states)[0, 0].numpy()},
                 {"J": np.diag(1 - new ** 2) @ U.T})


@each_cell
def test_jacobians_and_their_products_match_the_equations(cell):
    given, layer = probed(cell)
    J = jacobians(layer, given.x, given.states)
    wanted = numpy_jacobians(cell, given)
    assert_agree({"J": J.numpy(), "products": jacobian_products(J).numpy()},
                 {"J": wanted, "products": numpy_products(wanted)})


@each_cell
def test_norms_are_those_of_the_product_of_jacobians(cell):
    """∂L/∂s_t = (J_T … J_{t+1})ᵀ·∂L/∂s_T for a loss on the last h; for the cell as for the layer."""
    given, layer = probed(cell)
    dlast = given.dy[:, -1]
    errors = np.concatenate([dlast, *[np.zeros_like(dlast)] * (len(given.states) - 1)], -1)
    through = np.einsum("btji,bj->bti", numpy_products(numpy_jacobians(cell, given)), errors)
    wanted = {name: np.linalg.norm(part, axis=-1)
              for name, part in zip("hc", np.split(through, len(given.states), -1))}
    for probe in (layer, layer.cell):
        norms = gradient_norms(probe, given.x, dlast, given.states)
        assert_agree(dict(zip("hc", map(np.asarray, norms))), wanted)


@each_cell
def test_errors_of_a_loss_on_every_step_match_autodiff_through_the_steps(cell):
    given, layer = probed(cell)
    path = [[tf.constant(state) for state in given.states]]
    with tf.GradientTape() as tape:
        tape.watch(path[0])
        for t in range(T):
            _, new = layer.cell(tf.constant(given.x[:, t]), path[-1])
            path.append([tf.identity(state) for state in new])  # h and c side by side, not c inside h
        loss = sum(tf.reduce_sum(state[0] * given.dy[:, t]) for t, state in enumerate(path[1:]))
    wanted = tape.gradient(loss, path, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    found = errors_through_time(layer, given.x, given.dy, given.states)
    assert_agree({f"state {n} at {t}": errors[:, t].numpy() for n, errors in enumerate(found)
                  for t in range(T + 1)},
                 {f"state {n} at {t}": error.numpy() for t, errors in enumerate(wanted)
                  for n, error in enumerate(errors)})


@each_cell
def test_the_error_of_the_first_state_is_the_gradient_that_training_sees(cell):
    given, layer = probed(cell)
    states = [tf.constant(state) for state in given.states]
    with tf.GradientTape() as tape:
        tape.watch(states)
        loss = tf.reduce_sum(layer(tf.constant(given.x), initial_state=states)[0] * given.dy)
    found = errors_through_time(layer, given.x, given.dy, given.states)
    assert_agree({str(n): errors[:, 0].numpy() for n, errors in enumerate(found)},
                 {str(n): error.numpy() for n, error in enumerate(tape.gradient(loss, states))})


def test_the_error_of_c_is_multiplied_by_the_forget_gate_alone():
    """∂c_t/∂c_{t-1} = f: with no way back through h, an open forget gate keeps an error whole."""
    given, layer = probed("lstm")
    forget = sigmoid(given.x @ given.weights[0][:, H:2 * H] + given.weights[2][H:2 * H])
    layer.set_weights([given.weights[0], np.zeros_like(given.weights[1]), given.weights[2]])
    J = jacobians(layer, given.x, given.states).numpy()
    assert_agree({"∂c/∂c": np.einsum("btii->bti", J[..., H:, H:])}, {"∂c/∂c": forget})
    off_diagonal = J[..., H:, H:] * (1 - np.eye(H))
    assert not off_diagonal.any() and not J[..., :, :H].any()


@pytest.mark.parametrize("activation", ("relu", "gelu"))
def test_other_activations_have_their_own_jacobian(activation):
    given, layer = case("simple_rnn"), make("simple_rnn", activation=activation)
    ready(layer, given)
    W, U, b = given.weights
    with tf.GradientTape() as tape:
        before = tf.constant(given.states[0])
        tape.watch(before)
        after = layer.activation(given.x[:, 0] @ W + before @ U + b)
    assert_agree({"J": jacobians(layer, given.x, given.states)[:, 0].numpy()},
                 {"J": tape.batch_jacobian(after, before).numpy()})


@pytest.mark.parametrize("gates", (1, 3, 4))
@pytest.mark.parametrize("radius", (0.5, 1.0, 1.5))
def test_every_gate_gets_the_spectral_radius(gates, radius):
    kernel = np.random.default_rng(gates).normal(size=(6, gates * 6))
    scaled = with_spectral_radius(tf.constant(kernel), radius)
    radii = [max(abs(np.linalg.eigvals(block))) for block in np.split(scaled, gates, 1)]
    np.testing.assert_allclose(radii, radius, rtol=1e-12)
    np.testing.assert_allclose(spectral_radii(scaled), radii, rtol=1e-12)
    shares = np.split(scaled / kernel, gates, 1)        # a block is scaled as one
    assert all(np.ptp(share) < EXACT for share in shares)


@pytest.mark.parametrize("call, message", [
    (lambda: with_spectral_radius(np.eye(3), 0), "radius: expected a positive number, received 0"),
    (lambda: with_spectral_radius(np.eye(3), float("nan")), "received nan"),
    (lambda: with_spectral_radius(np.zeros([3, 6]), 1.0), r"radii \[0.0, 0.0\]; initialise"),
    (lambda: spectral_radii(np.ones([4, 6])), r"expected \[H, G·H\], received \[4, 6\]"),
    (lambda: spectral_radii(np.ones(4)), r"expected \[H, G·H\], received \[4\]"),
    (lambda: jacobians(keras.layers.GRU(3), np.ones([1, 2, 3])),
     "layer or cell of the zoo, received keras.*GRU"),
    (lambda: jacobians(make("gru"), np.ones([2, 3])), r"x: expected \[B, T, D\].*received \[2, 3\]"),
    (lambda: gradient_norms(make("gru"), np.ones([1, 2, 3]), np.ones([2, H])),
     r"dy: expected \[1, 2, 5\] or \[1, 5\], received \[2, 5\]")])
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_layer_is_built_by_the_probe():
    norms, = gradient_norms(make("gru"), np.ones([2, T, 3]), np.ones([2, H]))
    assert norms.shape == (2, T + 1) and norms.dtype == tf.float64


# The diagnostic.

SMALL = Settings(cells=("SimpleRNN", "LSTM"), radii=(0.4, 1.6), steps=30, units=12, batch_size=4,
                 networks=2, batches=6, deviation=0.1)


def test_a_curve_is_the_geometric_mean_over_networks_and_starts_at_one():
    h, c = task.flow("LSTM", 0.9, SMALL)
    assert (h["state"], c["state"]) == ("h", "c") and len(h["norms"]) == SMALL.steps + 1
    assert h["norms"][-1] == pytest.approx(1) and c["norms"][-1] == 0 < c["norms"][0]
    again = [np.log(task.flow("SimpleRNN", 0.9, part)[0]["norms"]) for part in (
        dataclasses.replace(SMALL, networks=1), SMALL)]
    assert not np.allclose(*again)


def test_a_small_radius_vanishes_and_a_large_one_explodes():
    small, large = (task.travel(task.flow("SimpleRNN", radius, SMALL)[0]) for radius in (0.4, 1.6))
    assert small["verdict"] == "vanishes" and small["factor"] < 0.4 < 1.0 < large["factor"]
    assert large["below"] is None and large["arrives"] > 1


def test_a_way_back_is_told_in_numbers_and_in_a_word():
    """An error that halves each step is below 1e-6 after 20, since 2^-20 < 1e-6 < 2^-19."""
    def told(factor, steps=40):
        return task.travel({"cell": "GRU", "radius": 1.0, "state": "h",
                            "norms": [factor ** (steps - t) for t in range(steps + 1)]})
    assert told(0.5)["below"] == 20 and told(0.5)["factor"] == pytest.approx(0.5)
    verdicts = [told(factor)["verdict"] for factor in (0.5, 0.95, 1.05, 1.5)]
    assert verdicts == ["vanishes", "holds", "holds", "explodes"]


def test_clipping_changes_only_what_is_longer():
    """The step itself, recomputed: w ← w − η·g·min(1, clip_norm/‖g‖)."""
    layer = task.network("SimpleRNN", 1.6, SMALL, 0)
    loss, gradient = task.loss_and_gradient(layer)
    start, draw = layer.get_weights(), np.random.default_rng(SMALL.seed)
    other, first = task.batch(draw, SMALL), task.batch(draw, SMALL)
    dweights = [d.numpy() for d in gradient(*first)]
    norm = np.sqrt(sum((d ** 2).sum() for d in dweights))
    wanted = {}
    for name, clip in (("short", norm / 2), ("long", norm * 2)):
        scale = min(1, clip / norm)
        layer.set_weights([w - SMALL.learning_rate * scale * d for w, d in zip(start, dweights)])
        wanted[name] = float(loss(*other)), clip
    layer.set_weights(start)
    for name, (value, clip) in wanted.items():
        one = dataclasses.replace(SMALL, batches=1, clip_norm=clip)
        row = task.over_batches(layer, loss, gradient, one)
        assert row["norm"]["median"] == pytest.approx(norm)
        assert row["after_clipping"]["median"] == pytest.approx(value, rel=1e-12)
        assert row["clipped"] == (name == "short")
        assert (row["after"] == row["after_clipping"]) == (name == "long")


def test_the_gradient_of_the_batches_is_that_of_the_stated_loss():
    """L = ½·mean_b ‖h_T − y‖², by a finite difference in one weight."""
    layer = task.network("LSTM", 1.0, SMALL, 0)
    loss, gradient = task.loss_and_gradient(layer)
    x, y = task.batch(np.random.default_rng(1), SMALL)
    h = layer(x).numpy()
    assert float(loss(x, y)) == pytest.approx(0.5 * ((h - y.numpy()) ** 2).sum(1).mean(), rel=1e-12)
    start, ends = layer.get_weights(), []
    for sign in (1, -1):
        moved = [w.copy() for w in start]
        moved[1][2, 3] += sign * 1e-5
        layer.set_weights(moved)
        ends.append(float(loss(x, y)))
    layer.set_weights(start)
    assert float(gradient(x, y)[1][2, 3]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("options, message", [
    ({"cells": ["Transformer"]}, "cells: expected one of SimpleRNN, GRU, LSTM"),
    ({"cells": []}, "cells: expected at least one"),
    ({"radii": ["x"]}, "radii: expected a number above 0"), ({"radii": [-1]}, "received -1"),
    ({"radii": []}, "radii: expected at least one"),
    ({"clip_norm": 0.0}, "clip_norm: expected a number above 0"), ({"deviation": -1.0}, "deviation")])
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FlowOptions(**options)


def run(*arguments):
    """(exit code, standard output, standard error) of the diagnostic."""
    child = subprocess.run([sys.executable, "-m", "tasks.gradient_flow", *map(str, arguments)], cwd=ROOT,
                           capture_output=True, text=True)
    return child.returncode, child.stdout, child.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small run from the command line: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "flow"
    settings = cli.parse(Settings, [
        "gradient_flow", "--cells=SimpleRNN,LSTM", "--radii=0.4,1.6", "--steps=30", "--units=12",
        "--networks=2", "--batch_size=4", "--batches=6", f"--output_dir={folder}"])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        task.main(settings)
    assert err.getvalue() == ""
    return folder, out.getvalue()


def test_a_run_leaves_the_picture_the_table_and_the_numbers_behind_its_words(finished):
    folder, out = finished
    assert (folder / "plots/gradient_flow.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((folder / "metrics.json").read_text())
    with open(folder / "gradient_flow.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 31 + 2 * 2 * 31 and set(rows[0]) == {"cell", "radius", "state", "t", "norm"}
    assert float(rows[0]["norm"]) == pytest.approx(facts["flow"][0]["arrives"], rel=1e-12)
    assert "SimpleRNN radius 0.4  ∂L/∂h vanishes" in out and "LSTM      radius 1.6  ∂L/∂c" in out
    assert "Why does the training loss of a recurrent network fluctuate?" in out
    wild = max(facts["fluctuation"], key=lambda row: row["norm"]["median"])
    ratio = wild["norm"]["largest"] / wild["norm"]["least"]
    said = f"{wild['cell']} with radius {wild['radius']:g}, have norms up to {ratio:.2g} times apart"
    assert said in " ".join(out.split())


def test_the_flags_make_the_settings_of_the_run(finished):
    stored = json.loads((finished[0] / "settings.json").read_text())["settings"]
    assert Settings(**stored) == SMALL and "output_dir" not in stored


def test_a_finished_run_says_its_result_again_and_other_settings_are_refused(finished, capsys):
    folder, out = finished
    stored = json.loads((folder / "settings.json").read_text())["settings"]
    written = (folder / "gradient_flow.csv").stat().st_mtime_ns
    task.main(Settings(**stored, output_dir=str(folder)))
    again = capsys.readouterr().out
    assert again.endswith(out) and "--overwrite measures it again" in again
    assert (folder / "gradient_flow.csv").stat().st_mtime_ns == written
    with pytest.raises(ValueError, match=r"--seed was 0 \(now 1\)"):
        task.main(Settings(**{**stored, "seed": 1}, output_dir=str(folder)))


def test_overwriting_starts_afresh_and_keeps_what_is_not_the_runs(tmp_path, capsys):
    settings = dataclasses.replace(SMALL, cells=["SimpleRNN"], radii=[0.5], steps=3, batches=1,
                                   output_dir=str(tmp_path))
    task.main(settings)
    before, mine = (tmp_path / "gradient_flow.csv").read_text(), tmp_path / "plots/mine.txt"
    mine.write_text("kept")
    task.main(dataclasses.replace(settings, seed=1, overwrite=True))
    assert (tmp_path / "gradient_flow.csv").read_text() != before and mine.read_text() == "kept"
    assert "never below" in capsys.readouterr().out


@pytest.mark.slow
def test_a_wrong_flag_ends_in_one_line(tmp_path):
    code, out, err = run("--radii=0.5,x", f"--output_dir={tmp_path}/run")
    assert (code, out) == (2, "") and not (tmp_path / "run").exists()
    assert err == "error: radii: expected a number above 0, received 'x'; --help lists the flags\n"
