"""The table of runtimes counts what is equal, and all runtimes that are there give Keras's answers."""
import json
import shutil
import sys

import pytest

from benchmarks import browser, runtimes
from conftest import exports_here
from heads import classifier, generator, tagger, translator

pytestmark = pytest.mark.slow
HEADS = {"classifier": lambda: classifier("gru", "mean", ngrams=64),
         "tagger": lambda: tagger("bilstm_crf"), "generator": generator, "translator": translator}
TEXTS = ["a good film, not bad", "the wrath of 我", "bad"]


@pytest.mark.parametrize("name", HEADS)
def test_all_runtimes_give_the_answers_of_keras(name, tmp_path, monkeypatch, capsys):
    pytest.importorskip("tf2onnx", reason="needs the extra onnx")
    HEADS[name]().save(tmp_path / name)
    (tmp_path / "texts").write_text("\n".join(TEXTS) + "\n\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["runtimes", f"{tmp_path / name}={tmp_path / 'texts'}",
                                      f"--output_dir={tmp_path / 'out'}"])
    with exports_here():
        runtimes.main()
    found = json.loads((tmp_path / "out" / "runtimes.json").read_text(encoding="utf-8"))[name]
    missing = {"LiteRT.js, int8"} if browser.missing() else set()
    missing |= set() if shutil.which("make") else {"LiteRT, C, float32", "LiteRT, C, int8"}
    assert found.keys() == {*runtimes.RUNTIMES, "ONNX Runtime, ids"} - missing
    for runtime, result in found.items():
        if "int8" not in runtime:       # random weights, which lose more in 8 bits than trained ones
            assert result["equal"] + result["ties"] == result["texts"] == len(TEXTS), runtime
    assert capsys.readouterr().out.count("3, ") >= len(found) - 4


def test_answers_differ_that_are_no_tie():
    one = {"tags": ["A", "B"], "probability": [.5, .4]}
    assert runtimes.same("tagger", one, one) == "equal"
    assert runtimes.same("tagger", one, {"tags": ["A", "A"], "probability": [.5, .40001]}) == "tie"
    assert runtimes.same("tagger", one, {"tags": ["A", "A"], "probability": [.5, .6]}) == "other"
    assert runtimes.same("tagger", one, {"tags": ["A"], "probability": [.5]}) == "other"
    assert runtimes.same("generator", {"text": "a"}, {"text": "b"}) == "other"
