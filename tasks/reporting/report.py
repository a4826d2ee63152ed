"""A report: how good predictions are, in numbers, class by class, and where they are wrong."""

import json

from tasks.reporting import tables

ERRORS = 10             # predictions that a report shows


class Report(dict):
    """{"metrics": {name: number}, …}: what a dataset reports of predictions; `str` is a page to read.

        metrics            {name: number}; also attributes: `report.accuracy`
        per_class          {label: {"precision", "recall", "f1", "support"}}
        per_intent         the same of the intents of sentences
        confusion_matrix   {"labels": [C], "counts": [C][C]}, a row a true label, a column a predicted one
        errors             [{…}], the predictions that are the worst, worst first

    >>> report = Report(metrics={"accuracy": 0.75}, errors=[])
    >>> report.accuracy, report.errors
    (0.75, [])
    """

    def __getattr__(self, name):
        for held in (self, self.get("metrics", {})):
            if name in held:
                return held[name]
        raise AttributeError(f"expected a report's {', '.join([*self, *self.get('metrics', {})])}, "
                             f"received {name!r}")

    def to_json(self, path=None):
        """The report as JSON text, also written to a file if there is a path."""
        text = json.dumps(self, indent=2, ensure_ascii=False) + "\n"
        if path:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return text

    def __str__(self):
        parts = [*map("  {0[0]:28} {0[1]:.4f}".format, self.get("metrics", {}).items())]
        for name in ("per_class", "per_intent"):
            if self.get(name):
                parts += ["", *per_class_lines(self[name])]
        if self.get("errors"):
            parts += ["", "the worst errors:", *("  " + error_line(row) for row in self["errors"])]
        return "\n".join(parts)


def scores(right, predicted, support):
    """Precision, recall and F1 of a class from its counts; 0 where undefined.

        P = right / predicted      R = right / support      F1 = 2·right / (predicted + support)

    >>> scores(1, 2, 4)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333, 'support': 4}
    """
    right, predicted, support = int(right), int(predicted), int(support)
    return {"precision": right / predicted if predicted else 0.0,
            "recall": right / support if support else 0.0,
            "f1": 2 * right / (predicted + support) if predicted + support else 0.0,
            "support": support}


def per_class_lines(rows):
    """The lines of a per-class table.

    >>> print(*per_class_lines({"good": scores(1, 2, 4)}), sep="\\n")
      label  precision  recall      f1  support
      good      0.5000  0.2500  0.3333        4
    """
    width = max(5, *map(len, rows))
    yield f"  {'label':{width}}  precision  recall      f1  support"
    for label, row in rows.items():
        yield (f"  {label:{width}}  {row['precision']:9.4f}  {row['recall']:.4f}  {row['f1']:.4f}  "
               f"{row['support']:7,}")


def error_line(row):
    """An error in one line.

    >>> error_line({"text": "not bad", "label": "good", "predicted": "bad", "confidence": 0.75})
    'not bad   label good, predicted bad, confidence 0.7500'
    """
    rest = [f"{name} {tables.number(value) if isinstance(value, float) else value}"
            for name, value in row.items() if name != "text"]
    return f"{tables.shown(row['text'])}   {', '.join(rest)}"
