"""Predictions of classification: a label, or several, with their probabilities, or a number."""

from tasks import prediction
from tasks.reporting import tables

DIGITS = 6


class Prediction(prediction.Prediction):
    """A row gets `label`, `confidence`, its probability, and the `probabilities` of all labels, or the
    `top_k` likeliest; of several labels a list each; of a regression the number."""

    def line(self, prediction, text):
        return line(prediction, text, self.settings.top_k)

    def added(self, prediction, text):
        if "values" in prediction:
            return {name: round(value, DIGITS) for name, value in prediction["values"].items()}
        p = {name: round(value, DIGITS) for name, value in prediction["probabilities"].items()}
        kept = tables.likeliest(p, self.settings.top_k) if self.settings.top_k else p
        chosen = tables.chosen(prediction)
        if self.model.facts["kind"] == "multi":
            return {"label": chosen, "confidence": [p[name] for name in chosen], "probabilities": kept}
        return {"label": chosen[0], "confidence": p[chosen[0]], "probabilities": kept}

    def flat(self, added):
        """A column for each probability, `probability_good`; of the `top_k` labels two, `label_2` and
        `confidence_2`; several labels are joined by "|"."""
        if "probabilities" not in added:
            return added
        p, several = added["probabilities"], isinstance(added["label"], list)
        found = {name: "|".join(map(str, added[name])) if several else added[name]
                 for name in ("label", "confidence")}
        if not self.settings.top_k:
            return {**found, **{f"probability_{name}": value for name, value in p.items()}}
        for n, (name, value) in enumerate(p.items(), 1):
            if several or n > 1:
                found |= {f"label_{n}": name, f"confidence_{n}": value}
        return found


def line(prediction, text, top_k=None):
    """A prediction and the beginning of its text, in one line.

    >>> line({"label": "b", "probabilities": {"a": 0.25, "b": 0.75}}, "so so", 2)
    'b  75 %, a  25 %   so so'
    """
    if top_k and "probabilities" in prediction:
        best = tables.likeliest(prediction["probabilities"], top_k).items()
        return ", ".join(f"{name}  {100 * p:.0f} %" for name, p in best) + f"   {tables.shown(text)}"
    return f"{tables.prediction(prediction)}   {tables.shown(text)}"
