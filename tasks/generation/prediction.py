"""Predictions of generation: how a text goes on, or a text that follows from a label."""

from tasks import prediction
from tasks.reading.roles import LABEL_NAMES, TEXT_NAMES
from zoo.decoding.options import LONGEST, SamplingOptions
from zoo.options import names_of

SAMPLING = [name for name in names_of(SamplingOptions) if name != "temperature"]


class Prediction(prediction.Prediction):
    """A row gets `continuation`; with several temperatures `continuations`, a list of {"temperature",
    "text"}. With a beam, which no TFLite file searches a text by, the model writes."""

    names = ("prompt", *TEXT_NAMES)

    def __init__(self, task, settings, head=None):
        super().__init__(task, settings, head)
        if settings.beam_width and settings.length > LONGEST:
            raise ValueError(f"length: expected at most {LONGEST:,} with beam_width, received "
                             f"{settings.length:,}")

    @property
    def needs_model(self):
        return super().needs_model or bool(self.settings.beam_width)

    def opened(self):
        super().opened()
        if self.model.facts["labels"]:
            self.flag, self.names = "label_column", LABEL_NAMES
        return self

    def predict(self, texts, first):
        settings = self.settings
        if settings.beam_width:
            found = [searched(self.head, texts, settings.beam_width, settings.length)]
        else:
            options = {name: getattr(settings, name) for name in SAMPLING}
            found = [self.model.predict(texts, settings.length, settings.seed, first,
                                        temperature=temperature, **options)
                     for temperature in settings.temperature]
        stop = settings.stop
        return [[one["text"].partition(stop)[0] if stop else one["text"] for one in every]
                for every in zip(*found)]

    def line(self, prediction, text):
        whole = [("" if self.model.facts["labels"] else text) + one for one in prediction]
        if len(whole) == 1:
            return whole[0]
        return "\n\n".join(f"temperature {temperature:g}:\n{one}"
                           for temperature, one in zip(self.settings.temperature, whole))

    def added(self, prediction, text):
        if len(prediction) == 1:
            return {"continuation": prediction[0]}
        return {"continuations": [{"temperature": temperature, "text": one}
                                  for temperature, one in zip(self.settings.temperature, prediction)]}


def searched(head, texts, width, length):
    """The likeliest text that a beam finds for each: [{"text"}]."""
    search, found = head.signatures()["search"], []
    for text in texts:
        if head.labels and text not in head.labels:
            raise ValueError(f"expected a label among {', '.join(head.labels)}, received {text!r}")
        given = {"text": [""], "label": [text]} if head.labels else {"text": [text]}
        best = search(**given, width=width, length=length)["text"].numpy()[0]
        found.append({"text": best.decode("utf-8", "replace")})
    return found
