"""Predictions of tagging: spans with their offsets, or a tag for every token."""

from tasks import prediction
from tasks.reporting import tables


class Prediction(prediction.Prediction):
    """A row gets `spans`, each with its type, its text and where it starts and ends in characters, in
    UTF-16 units and in bytes; without a scheme `tokens` and `tags`."""

    def line(self, prediction, text):
        return tables.marked(prediction, text)

    def added(self, prediction, text):
        if "spans" not in prediction:
            return {name: prediction[name] for name in ("tokens", "tags")}
        return {"spans": [{"text": text[span["start_char"]:span["end_char"]], **span}
                          for span in prediction["spans"]]}
