"""A static page on which trained models answer in the browser: text in, answer out, nothing leaves it.

    python -m export.demo runs/sentiment runs/tagging banking-intents --output=site
    python -m http.server --directory site 8000

Any server of files serves the folder. It holds `export/web`, LiteRT.js and each model's web file. A model
without `model_web.tflite`, or with one that lacks its tokenizer, is converted, which takes TensorFlow.
"""
import argparse
import importlib
import json
import pathlib
import shutil
import tempfile
import zipfile

from export import program, quiet, run
from zoo import trained

WEB = pathlib.Path(__file__).parent / "web"
MODULES = WEB / "node_modules"
FILE = "model_web.tflite"
RUNTIME = {"core": "index.js", "wasm-utils": "index.js"}     # of @litertjs
WASM = "litert_wasm_*internal.*"


def write(sources, output, modules=MODULES):
    """Write the page of some models into a folder.

    Args:    sources  run directories, or names of pretrained models
             modules  the node_modules that hold LiteRT.js
    Returns: [{"name", "head", "bytes"}] of the models, as models.json holds them
    Raises:  FileNotFoundError, ValueError: no LiteRT.js, no such model, two models of one name
    """
    names = [pathlib.Path(source).resolve().name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"expected models of different names, received two called {twice[0]}; rename "
                         "one")
    output = pathlib.Path(output)
    _runtime(pathlib.Path(modules), output / "litert")
    for path in WEB.iterdir():
        if path.suffix in (".html", ".css", ".js"):
            shutil.copyfile(path, output / path.name)
    models = [_model(source, output / "models" / name) for source, name in zip(sources, names)]
    (output / "models.json").write_text(json.dumps(models, indent=1) + "\n", encoding="utf-8")
    return models


def _runtime(modules, folder):
    """Copy LiteRT.js: two modules and its WebAssembly."""
    packages = modules / "@litertjs"
    if not (packages / "core" / "wasm").is_dir():
        raise FileNotFoundError(f"expected LiteRT.js in {modules}, received none; cd export/web && "
                                "npm install, or set --modules")
    (folder / "wasm").mkdir(parents=True, exist_ok=True)
    for name, file in RUNTIME.items():
        shutil.copyfile(packages / name / "dist" / file, folder / f"{name}.js")
    for path in (packages / "core" / "wasm").glob(WASM):
        shutil.copyfile(path, folder / "wasm" / path.name)


def _model(source, folder):
    """Copy a model's file, or convert it; its line of models.json."""
    path = pathlib.Path(source)
    if not path.exists() and trained.known(source):
        path = trained.folder(source)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    if _is_whole(path / "tflite" / FILE):
        shutil.copyfile(path / "tflite" / FILE, file)
    else:
        _convert(path, file)
    head = run.read_json(file, "model.json")["head"]
    return {"name": folder.name, "head": head, "bytes": file.stat().st_size}


def _is_whole(file):
    """Whether a file holds what a prediction takes."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as within:
        return {"model.json", "tokenizer.json"} <= set(within.namelist())


def _convert(source, file):
    """Write the web file of a run, and nothing else of its export."""
    quiet.import_tensorflow()
    head = importlib.import_module("zoo.models").load(source)
    with tempfile.TemporaryDirectory() as folder:
        importlib.import_module("export.tflite").write(head, folder, variants=["web"])
        shutil.copyfile(pathlib.Path(folder) / FILE, file)


def main():
    """The command line."""
    parser = argparse.ArgumentParser("python -m export.demo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="run directories, or names of pretrained models")
    parser.add_argument("--output", default="site", help="folder to write")
    parser.add_argument("--modules", default=MODULES, help="node_modules that hold @litertjs/core")
    flags = parser.parse_args()
    for model in write(flags.models, flags.output, flags.modules):
        print(f"{model['name']}: {model['head']}, {model['bytes'] / 1e6:.1f} MB")
    print(f"python -m http.server --directory {flags.output} 8000")


if __name__ == "__main__":
    program.run("export.demo")
