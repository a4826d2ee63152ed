"""All files of a model, written by one call from Python."""

import pathlib

from export import ExportError, saved_model, tflite


def write(model, folder, texts=None, force=False):
    """Write a model's SavedModel and TFLite files: `folder/saved_model/1`, `folder/tflite/*.tflite`.

    Files of an earlier model in `folder/tflite` are replaced, or removed.

    Args:    model   a head: what `fit` returned or `zoo.load` loaded
             folder  a run directory, or any other
             texts   real ones, at least one, to verify the files with and for a server to warm up with;
                     by default words of the vocabulary
             force   keep all TFLite variants
    Returns: {"saved_model": report, "tflite": {variant: report}}: see `saved_model.write`, `tflite.write`
    Raises:  ExportError: a file answers in another way than the model does, or cannot be written
    """
    if not hasattr(model, "signature_table"):
        raise ExportError(f"model: expected what fit returned or zoo.load loaded, received {model!r:.60}")
    folder, texts = pathlib.Path(folder), list(texts or model.examples())[:16]
    return {"saved_model": saved_model.write(model, folder / "saved_model", texts),
            "tflite": tflite.write(model, folder / "tflite", force=force)}
