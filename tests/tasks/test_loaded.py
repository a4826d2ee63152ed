"""A classifier's SavedModel answers as its head does, text by text."""
import pytest

from conftest import quick_exports
from export import saved_model
from tasks import loaded, prediction
from zoo.models.classifier import Classifier, TextClassifier
from zoo.text.tokenizer import Text

TEXTS = ["not bad", "a good film", "", "\ud83d", "bad " * 400, "Übel\x00 gut"]


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
def test_its_predictions_are_the_heads(tmp_path, kind):
    text, labels = Text.learn(TEXTS, "word", 100), ["x"] if kind == "regression" else ["a", "b", "c"]
    head = TextClassifier(Classifier(len(text), len(labels), units=4, embedding=4), text, labels, kind)
    with quick_exports():
        saved_model.write(head, tmp_path / "saved_model", TEXTS[:2])
    model = loaded.Model(loaded.newest(tmp_path / "saved_model"))
    found, wanted = model.predict(TEXTS), prediction.model_of(head).predict(TEXTS)
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys() and one.get("label") == other.get("label")
        name = "values" if kind == "regression" else "probabilities"
        assert one[name] == pytest.approx(other[name], abs=1e-6)
    assert loaded.newest(tmp_path) is None and model.predict([]) == []
