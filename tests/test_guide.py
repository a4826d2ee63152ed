"""The guide: its network in NumPy is the project's layer, and what it shows is what the code makes."""

import re
import runpy

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from layer_checks import assert_agree

import zoo
from benchmarks import diagrams, guide
from docs.rnn import RNN

GUIDES = [ROOT / "docs" / "guide.md", ROOT / "docs" / "zh" / "guide.md"]
T, D, H, C = 7, 3, 5, 4
NAMES = "WUbVc"


def given():
    """A network whose weights are all random, and one sequence."""
    draw, network = np.random.default_rng(0), RNN(D, H, C)
    network.b, network.c = draw.normal(size=H), draw.normal(size=C)
    return network, draw.normal(size=(T, D)), draw.integers(C, size=T)


def of_the_layer(network, x, y, truncate=None):
    """States, outputs, loss and gradients by `zoo.SimpleRNN` and a linear layer."""
    layer = zoo.SimpleRNN(H, return_sequences=True, truncate=truncate, dtype="float64")
    layer.build((None, None, D))
    layer.set_weights([network.W, network.U, network.b])
    head = tf.constant(network.V), tf.constant(network.c)
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(head)
        h = layer(x[None])[0]
        z = h @ head[0] + head[1]
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))
    found = {"h": h, "o": tf.nn.softmax(z), "loss": loss,
             **dict(zip(NAMES, tape.gradient(loss, [*weights, *head])))}
    return {name: tensor.numpy() for name, tensor in found.items()}


def test_the_network_in_numpy_has_the_outputs_and_the_gradients_of_the_layer():
    network, x, y = given()
    h, o = network.forward(x)
    found = {"h": h[1:], "o": o, "loss": network.loss(x, y), **dict(zip(NAMES, network.backward(x, y)))}
    assert_agree(found, of_the_layer(network, x, y))


@pytest.mark.parametrize("k", (1, 3, T - 1, T + 2))
def test_its_truncated_gradients_are_those_of_the_layer(k):
    network, x, y = given()
    wanted = of_the_layer(network, x, y, truncate=k)
    assert_agree(dict(zip(NAMES, network.truncated(x, y, k))), {name: wanted[name] for name in NAMES})


def test_its_gradients_are_differences_of_its_loss():
    network, x, y = given()
    for name, gradient in zip(NAMES, network.backward(x, y)):
        weight = getattr(network, name)
        at, step = np.unravel_index(np.abs(gradient).argmax(), weight.shape), 1e-6
        weight[at] += step
        above = network.loss(x, y)
        weight[at] -= 2 * step
        assert (above - network.loss(x, y)) / (2 * step) == pytest.approx(gradient[at], rel=1e-6)
        weight[at] += step


def test_large_scores_do_not_overflow():
    network, x, _ = given()
    network.V *= 1e5
    assert np.isfinite(network.forward(x)[1]).all()


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.parent.name)
def test_the_code_beside_the_derivation_is_that_of_the_file(page):
    source = (ROOT / "docs" / "rnn.py").read_text(encoding="utf-8")
    shown = re.findall(r"^```py\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    assert len(shown) >= 2 and all(block in source for block in shown)


def test_learning_by_heart_prints_what_the_guide_shows(capsys):
    runpy.run_path(str(ROOT / "docs" / "rnn.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert all(f"```text\n{printed}```" in page.read_text(encoding="utf-8") for page in GUIDES)


def measured_tables(page):
    """The lines of the tables that the command prints, whose cells are numbers but for the first."""
    lines = re.findall(r"^\| [^|]+ \| .+ \|$", page.read_text(encoding="utf-8"), re.M)
    return [line for line in lines if re.fullmatch(r"[\d.,e+% |-]+", line.split("|", 2)[2])]


def test_both_languages_show_the_same_measurements():
    english, chinese = map(measured_tables, GUIDES)
    assert english == chinese and len(english) > 30


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.parent.name)
def test_every_figure_of_the_guide_is_made_by_the_command(page):
    shown = re.findall(r"^!\[.+\]\((.+)\)$", page.read_text(encoding="utf-8"), re.M)
    names = {path.rpartition("/")[2] for path in shown}
    drawn = {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    assert names == {name for name in drawn if not name.startswith("demo_")}
    assert all((page.parent / path).is_file() for path in shown)
    assert {f"{name}.png" for name in diagrams.FIGURES} <= names


@pytest.mark.parametrize("name", diagrams.FIGURES)
def test_a_figure_is_wide_enough_to_be_read(name, tmp_path):
    diagrams.FIGURES[name](tmp_path / "figure.png")
    header = (tmp_path / "figure.png").read_bytes()[:24]
    assert header.startswith(b"\x89PNG") and int.from_bytes(header[16:20]) >= 800


def test_the_heat_map_is_of_the_right_translation():
    picture = (ROOT / "docs" / "pictures" / "attention.svg").read_text(encoding="utf-8")
    assert re.search("<title>我 爱 中 国 → I love China *[.]?</title>", picture)


@pytest.mark.slow
def test_the_model_of_the_heat_map_translates_it_rightly(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(guide, "PICTURES", tmp_path)
    monkeypatch.setattr(guide, "SYSTEMS", {"attention": guide.SYSTEMS["attention"]})
    monkeypatch.setattr(guide, "WIDTHS", (1,))
    guide.translation()
    assert "我爱中国 → I love China.\n" in capsys.readouterr().out
    assert (tmp_path / "attention.svg").is_file()
