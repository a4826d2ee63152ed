"""What every task does with a trained head: write its files, and measure each on the test part."""

import numpy as np

from export import saved_model, tflite
from zoo.classifier import in_slices

# TFLite files are asked as a device asks, one text at a time.
ONE_TEXT = 1


def export(run, head, data, force=False):
    """Write the SavedModel and the TFLite files of a head, and measure them.

    Args:    data   {"validation": …, "test": …}, each with `texts`, `ids`, `objective`, `padded`,
                    `outputs` and `measures`; validation decides which TFLite files are kept
             force  keep them all
    Returns: {"saved_model": report, "tflite": {variant: report}}, as `export` gives them, with the
             measures of each file on the test part as "test"
    Raises:  ExportError: see `export`
    """
    print("\nexporting …", flush=True)
    validation = data["validation"]
    output, quality = validation.objective.output, validation.objective.quality

    def score(lite):
        answers = validation.outputs(lambda ids: lite(ids)[output], tokens=ONE_TEXT)
        return validation.measures(answers)[quality]

    exports = {
        "saved_model": saved_model.write(head, run.folder / "saved_model", validation.texts[:16]),
        "tflite": tflite.write(head, run.folder / "tflite", evaluate=score, force=force)}
    answers = [list(row[output].values()) for row in served(run, data["test"].texts)]
    exports["saved_model"]["test"] = data["test"].measures(np.array(answers))
    for entry in exports["tflite"].values():
        if "file" in entry:
            entry.update(lite_on(data["test"], run.folder / "tflite" / entry["file"], output))
    return exports


def served(run, texts):
    """The last SavedModel's answers, a dictionary a text; the model itself is not built."""
    serve = saved_model.load(run.folder / "saved_model")["serving_default"]
    return in_slices(lambda strings: serve(text=strings), texts, run.read_json("model.json")["labels"])


def lite_on(test, path, output, requests=200):
    """The measures of a TFLite file on the test part, and its time for one text."""
    lite = tflite.Lite(path)
    one_by_one = [test.padded(np.array([n])) for n in range(min(requests, len(test.ids)))]
    measured = tflite.measure(path, one_by_one)
    answers = test.outputs(lambda ids: lite(ids=ids)[output], tokens=ONE_TEXT)
    return {"test": test.measures(answers),
            "milliseconds": measured["milliseconds"],
            "milliseconds_p95": measured["milliseconds_p95"]}
