"""Packing a run: what is kept of it, in which precision, and what is left out."""

import json

import keras
import numpy as np
import pytest

from export import pack


def saved(folder, scale=1.0):
    """A .keras file of a small network, and its weights."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input([3]), keras.layers.Dense(4), keras.layers.Dense(2)])
    network.layers[0].kernel.assign(scale * network.layers[0].kernel)
    network.save(folder / "model.keras")
    return network.get_weights()


def test_weights_come_back_rounded_to_float16(tmp_path):
    weights, path = saved(tmp_path), tmp_path / "model.keras"
    before = path.stat().st_size
    path.write_bytes(pack.in_float16(path.read_bytes()))
    found = keras.saving.load_model(path).get_weights()
    assert path.stat().st_size < before and found[0].dtype == np.float32
    for one, other in zip(found, weights, strict=True):
        np.testing.assert_array_equal(one, other.astype(np.float16).astype(np.float32))
    assert not np.array_equal(found[0], weights[0])


def test_a_weight_beyond_float16_is_refused(tmp_path):
    saved(tmp_path, scale=1e6)
    with pytest.raises(ValueError, match="expected weights within float16"):
        pack.in_float16((tmp_path / "model.keras").read_bytes())


def test_a_folder_has_the_int8_file_and_no_text_of_the_corpus(tmp_path):
    run, quote = tmp_path / "run", "a text of the corpus"
    (run / "tflite").mkdir(parents=True)
    saved(run)
    for name in ("model_int8.tflite", "model_float32.tflite", "labels.txt"):
        (run / "tflite" / name).write_text(name)
    metrics = {"test": {"accuracy": 0.5}, "report": {"errors": [{"text": quote}]}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / "MODEL_CARD.md").write_text(f"# Card\n\n## Worst errors\n\n* {quote}\n\n## Limits\n\n* few\n")
    (run / "plots").mkdir()
    for name in ("test_predictions.jsonl", "history.csv", "vocabulary.txt", ".lock", "plots/page.html"):
        (run / name).write_text(quote)
    (run / "vocabulary.txt").write_text("a\n")
    about = {"task": "toy", "licence": "CC-BY-SA-4.0", "attribution": "Ada"}
    pack.pack(run, tmp_path / "kept", about)
    found = {path.relative_to(tmp_path / "kept").as_posix(): path.read_bytes()
             for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    assert set(found) == {"about.json", "MODEL_CARD.md", "metrics.json", "model.keras", "vocabulary.txt",
                          "tflite/model_int8.tflite", "tflite/labels.txt", "LICENSE"}
    assert b"by-sa/4.0" in found["LICENSE"] and b"Ada" in found["LICENSE"]
    assert not any(quote.encode() in content for content in found.values())
    about = json.loads(found["about.json"])
    assert about["sha256"] == pack.checksums(tmp_path / "kept") and about["task"] == "toy"
