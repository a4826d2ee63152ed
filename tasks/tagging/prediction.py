"""Predictions of tagging: spans with their offsets, or a tag for every token; and the intent."""

from tasks import prediction
from tasks.reporting import tables

DIGITS = 6


class Prediction(prediction.Prediction):
    """A row gets `spans`, each with its type, its text and where it starts and ends in characters, in
    UTF-16 units and in bytes; without a scheme `tokens` and `tags`. A model with intents also gives
    `intent` and `confidence`, its probability."""

    def line(self, prediction, text):
        return line(prediction, text)

    def added(self, prediction, text):
        intent = {"intent": prediction["intent"], "confidence": round(prediction["confidence"], DIGITS)
                  } if "intent" in prediction else {}
        if "spans" not in prediction:
            return {**intent, **{name: prediction[name] for name in ("tokens", "tags")}}
        return {**intent, "spans": [{"text": text[span["start_char"]:span["end_char"]], **span}
                                    for span in prediction["spans"]]}


def line(prediction, text):
    """A prediction in one line: the text with its spans or tags, and the intent before it.

    >>> line({"tokens": ["Go"], "tags": ["VB"], "intent": "order", "confidence": 0.75}, "Go")
    'order  75 %   Go/VB'
    """
    marked = tables.marked({"spans": None, **prediction}, text)
    if "intent" not in prediction:
        return marked
    return f"{prediction['intent']}  {100 * prediction['confidence']:.0f} %   {marked}"
