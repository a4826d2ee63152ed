"""What every task does with a trained head: write its files, and measure each on the test split."""

import time

import numpy as np

from export import onnx, saved_model, tflite, verify
from tasks.training.run_directory import register

WRITTEN = ("saved_model/[0-9]*", "saved_model/*.config", "saved_model/.*",
           "tflite/*.tflite", "tflite/*.txt", "tflite/*.json", "tflite/.*", "onnx/*", "onnx/.*")
register(*WRITTEN)

NONE = {"saved_model": {}, "tflite": {}}        # what `export` returns where nothing is exported

# TFLite files predict as on a device, one text at a time.
ONE_TEXT = 1


def export(run, head, data, predictions, force=False, server=verify.SERVER, with_onnx=False):
    """Write the SavedModel and the TFLite files of a head, perhaps an ONNX file, and measure them.

    Args:    data     {"validation": …, "test": …}, `tasks.training.dataset.Data` each; validation decides
                      which TFLite files are kept
             predictions  the head's own, {"validation": …, "test": …}
             force    keep all files
             server   version of the TF Serving that is to load the SavedModel
    Returns: {"saved_model": report, "tflite": {variant: report}}, perhaps "onnx", as `export` gives
             them; with the metrics of each file but the last on the test split as "test" and, of exact
             predictions, as "same" the share of each split's texts that it predicts as the head does
    Raises:  ExportError: see `export`
    """
    print("\nexporting …", flush=True)
    validation, done = data["validation"], Steps()

    def score(lite):
        return validation.metrics(of_lite(lite)(validation))[validation.quality]

    calibration = validation.calibration(of_head(head))
    variants = (*tflite.VARIANTS, tflite.STATIC, tflite.WEB,
                *[tflite.INTEGER] * (calibration is not None))
    exports = {"saved_model": saved_model.write(head, run.folder / "saved_model", validation.texts[:16],
                                                server)}
    done("saved_model")
    exports["tflite"] = tflite.write(
        head, run.folder / "tflite", variants=variants, evaluate=score,
        budget=validation.budget, force=force, calibration=calibration,
        length=int(np.percentile(validation.lengths, 99)),
        on_file=lambda variant: done(f"tflite {variant}"))
    done("tflite on the validation split")
    for check in exports["saved_model"]["skipped"]:
        print(f"not checked: {check}")
    signatures = saved_model.load(run.folder / "saved_model")
    exports["saved_model"].update(
        on_splits(data, predictions, lambda dataset: dataset.served(signatures)))
    for entry in exports["tflite"].values():
        if "file" in entry:
            entry.update(lite_on(data, predictions, run.folder / "tflite" / entry["file"]))
    done("all files on the test split")
    if with_onnx:
        exports["onnx"] = onnx.write(head, run.folder / "onnx", validation.texts[:16])
        done("onnx")
    return exports


class Steps:
    """Prints a line a step as it ends, with its seconds: those since the last one, or the start."""

    def __init__(self):
        self.last = time.perf_counter()

    def __call__(self, step):
        now = time.perf_counter()
        print(f"  {step:32}{now - self.last:6.1f} s", flush=True)
        self.last = now


def cut(data, predictions, lite, found):
    """How many texts of the test split a file of a fixed length cuts, and the metrics that it lacks."""
    if not (lite.length and data["test"].longer(lite.length)):
        return {}
    known = data["test"].metrics(predictions["test"])
    return {"length": lite.length, "longer": data["test"].longer(lite.length),
            "not_measured": [name for name in known if name not in found["test"]]}


def on_splits(data, predictions, predict):
    """The metrics of a file on the test split; of exact predictions "same", the share that is the head's.

    Args:    predict  dataset → the file's predictions
    """
    found = {split: predict(data[split]) for split in predictions
             if split == "test" or data[split].exact}
    result = {"test": data["test"].metrics(found["test"])}
    if data["test"].exact:
        result["same"] = {split: same_predictions(found[split], predictions[split]) for split in found}
    return result


def same_predictions(some, others):
    """Share of the texts that both predict alike.

    >>> same_predictions([["O", "B-x"], []], [["O", "O"], []])
    0.5
    """
    return float(np.mean([one == other for one, other in zip(some, others, strict=True)]))


def of_head(head):
    """run(signature, **inputs): what the head's TFLite files would predict, were they written now."""
    signatures = head.lite_signatures()
    return lambda signature, **inputs: signatures[signature](**inputs)


def of_lite(lite):
    """A dataset → the predictions of a TFLite file."""
    return lambda dataset: dataset.predict(lite, ONE_TEXT)


def lite_on(data, predictions, path, requests=200):
    """How good a TFLite file is, see `on_splits`, and its time for one request: of the test split a
    text, of a language model a symbol."""
    signature, inputs = data["test"].requests(requests)
    lite = tflite.Lite(path)
    found = on_splits(data, predictions, of_lite(lite))
    return {**found, **cut(data, predictions, lite, found), **tflite.measure(path, inputs, signature)}
