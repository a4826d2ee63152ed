"""Files written by version 0.1.0 load: layers, heads and a run, with the answers that they had then."""

import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

import zoo

LAYERS = ("SimpleRNN", "GRU", "GRU_before", "LSTM", "Bidirectional", "Stack", "SimpleRNNCell", "GRUCell",
          "LSTMCell", "OutputRecurrentRNN")
HEADS = ("classifier_attention", "classifier_naive_bayes", "tagger_crf", "tagger_characters",
         "tagger_feedback", "generator", "generator_adaptive", "generator_labels",
         "translator_attention", "translator_vector")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of the saved files."""
    folder = tmp_path_factory.mktemp("saved")
    with zipfile.ZipFile(ROOT / "tests" / "saved.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("name", LAYERS)
def test_a_saved_layer_gives_the_same_outputs(saved, name):
    expected = np.load(saved / "expected.npz")
    found = keras.saving.load_model(saved / f"{name}.keras")(expected["x"])
    np.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", HEADS)
def test_a_saved_head_gives_the_same_probabilities(saved, name):
    expected = {key.removeprefix(f"{name}/ids/"): value
                for key, value in np.load(saved / "heads.npz").items() if key.startswith(f"{name}/ids/")}
    inputs = {key.removeprefix("in/"): tf.constant(value) for key, value in expected.items()
              if key.startswith("in/")}
    found = zoo.load(saved / "heads" / name).signatures()["ids"](**inputs)
    outputs = expected.keys() - {f"in/{key}" for key in inputs}
    assert outputs
    for output in outputs:
        np.testing.assert_allclose(found[output], expected[output], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_finished_run_predicts_and_is_not_trained_again(saved):
    command = [sys.executable, "-m", "tasks.sentiment", f"--output_dir={saved / 'run'}"]
    predicted = subprocess.run([*command, "--predict", "a good film"], cwd=ROOT, capture_output=True,
                               text=True)
    assert predicted.stdout == "negative      54 %   a good film\n", predicted.stderr
    again = subprocess.run([*command, "--corpus=sample", "--units=3", "--embedding=4", "--epochs=1"],
                           cwd=ROOT, capture_output=True, text=True)
    assert "holds this run, finished" in again.stdout, again.stderr


@pytest.mark.slow
@pytest.mark.parametrize("order", ["keras, zoo", "zoo, keras"])
def test_keras_finds_the_layers_of_a_saved_file_in_a_process_that_touched_no_other_name(saved, order):
    code = f"import {order}; print(keras.saving.load_model({str(saved / 'LSTM.keras')!r}).layers[1].name)"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert child.stdout == "lstm\n", child.stderr
