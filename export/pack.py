"""A run → the folder of a pretrained model: float16 weights, the int8 file, no text of its corpus."""

import hashlib
import io
import json
import pathlib
import re
import shutil
import zipfile

import h5py
import numpy as np

WEIGHTS = "model.weights.h5"
TFLITE = "model_int8.tflite"
ABOUT = "about.json"
NOT_KEPT = (".*", "*.tflite", "*.jsonl", "history.csv", "tuning.txt",
            "checkpoints", "plots", "saved_model", "tensorboard")


def pack(run, folder, about):
    """Write the folder of a pretrained model.

    Args:    run     folder of a finished run with its exports
             folder  to write; an earlier one is replaced
             about   {name: JSON value}: see `describe`
    Raises:  FileNotFoundError: no such file in the run
    """
    run, folder = pathlib.Path(run), pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns(*NOT_KEPT), copy_function=shutil.copyfile)
    shutil.copyfile(run / "tflite" / TFLITE, folder / "tflite" / TFLITE)
    (folder / "model.keras").write_bytes(in_float16((run / "model.keras").read_bytes()))
    (folder / "metrics.json").write_text(json.dumps(measured(run), indent=1), encoding="utf-8")
    card = adapted((run / "MODEL_CARD.md").read_text(encoding="utf-8"), folder.name, about)
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    describe(folder, about)


LICENCES = {"PDM-1.0": "creativecommons.org/publicdomain/mark/1.0",      # in the public domain
            "CC0-1.0": "creativecommons.org/publicdomain/zero/1.0", "MIT": "opensource.org/license/mit",
            "CC-BY-4.0": "creativecommons.org/licenses/by/4.0",
            "CC-BY-2.0-FR": "creativecommons.org/licenses/by/2.0/fr",
            "CC-BY-SA-4.0": "creativecommons.org/licenses/by-sa/4.0",
            "Apache-2.0": "www.apache.org/licenses/LICENSE-2.0"}


def describe(folder, about):
    """Write about.json: what is said of the model, the size of its file and the checksums of all; and
    LICENSE, the terms of the weights, which are those of their corpus."""
    terms = about["licence"]
    (folder / "LICENSE").write_text(
        f"The weights in this folder are licensed under {terms}, the licence of their corpus:\n"
        f"https://{LICENCES[terms]}\n\nAttribution: {about['attribution']}\n", encoding="utf-8")
    size = (folder / "tflite" / TFLITE).stat().st_size
    about = {**about, "kB": round(size / 1000), "sha256": checksums(folder)}
    (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def measured(run):
    """The metrics of a run without its report, which quotes the corpus."""
    found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if name != "report"}


def adapted(card, name, about):
    """A run's model card with the licence and the model's name; without its worst errors, which quote the
    corpus, and without commands that call the run.

    >>> card = "# a\\n\\n## Use\\n\\nruns/a\\n\\n## Data\\n\\nTerms: yours\\n\\n## Worst errors\\n\\n* x"
    >>> adapted(card, "b", {"licence": "MIT", "attribution": "Ada"})
    '# a\\n\\n## Use\\n\\nzoo.load("b"), see docs/models.md\\n\\n## Data\\n\\nTerms: MIT; Ada\\n'
    """
    parts = [part for part in card.split("\n## ") if not part.startswith("Worst errors\n")]
    parts = [f'Use\n\nzoo.load("{name}"), see docs/models.md\n' if part.startswith("Use\n") else part
             for part in parts]
    return re.sub("(?m)^Terms: .*$", f"Terms: {about['licence']}; {about['attribution']}",
                  "\n## ".join(parts))


def in_float16(archive):
    """The bytes of a .keras file with its weights in float16: Keras casts them when it loads them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, \
            zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(zipfile.ZipInfo(name), halved(part) if name == WEIGHTS else part,
                         zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def halved(weights):
    """The bytes of an HDF5 file whose arrays of float32 are in float16."""
    buffer = io.BytesIO()

    def copied(name, item):
        if isinstance(item, h5py.Group):
            made = new.require_group(name)
        else:
            value = item[()]
            if value.dtype == np.float32:
                with np.errstate(over="ignore"):
                    value = value.astype(np.float16)
                if not np.isfinite(value).all():
                    raise ValueError(f"expected weights within float16, received larger ones in {name}")
            made = new.create_dataset(name, data=value)
        made.attrs.update(item.attrs)

    with h5py.File(io.BytesIO(weights)) as old, h5py.File(buffer, "w") as new:
        new.attrs.update(old.attrs)
        old.visititems(copied)
    return buffer.getvalue()


def checksums(folder):
    """{path in the folder: SHA-256} of all its files."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ABOUT}
