"""A finished run → the folder of a pretrained model in the package, with what is measured of it."""

import importlib
import pathlib

import zoo
from benchmarks.pretrained.recipes import RECIPES
from export import pack
from tasks import prediction, pretrained
from tasks.reporting.metric import metric
from tasks.training.run_directory import Run
from zoo import trained

SAID = "task", "language", "predicts", "corpus", "licence", "attribution", "also", "bounds"


def keep(name):
    """Make the folder of a model from runs/name; measure its weights in float16; ask it the examples."""
    recipe, run = RECIPES[name], Run(pathlib.Path("runs") / name)
    facts, folder = run.read_json("metrics.json"), trained.HOME / name
    test = facts["exports"]["tflite"]["int8"]["test"]
    about = {**{key: getattr(recipe, key) for key in SAID}, "command": recipe.command(name),
             "minutes": round(facts["train"]["seconds"] / 60, 1), "parameters": facts["parameters"],
             "metric": recipe.metric, "test": test,
             "quality": ", ".join(in_words(one, test) for one in recipe.metric.split(", ")),
             "baselines": facts["baselines"], "outside": recipe.outside}
    pack.pack(run.folder, folder, about)
    pack.describe(folder, {**about, "float16": on_test(recipe.task, name, run),
                           "examples": answers(recipe.task, name, recipe.examples)})


def on_test(task, name, run):
    """The metrics of the kept weights on the test split of the run's corpus."""
    options = importlib.import_module(f"tasks.{task}.options").Settings
    make = getattr(importlib.import_module(f"tasks.{task}.task"), task.capitalize())
    task = make(options.of().resumed(run.settings))
    return task.reported(zoo.load(name), task.load_corpus())["metrics"]


def answers(task, name, texts):
    """[[text, what the int8 file answers, as --predict prints it]]."""
    options = importlib.import_module(f"tasks.{task}.options").Settings
    asked = prediction.of(task, pretrained.chosen(task, options.of(model_from=name, predict=""))).opened()
    return [[text, asked.line(*asked.predict([text], 0), text)] for text in texts]


def in_words(name, found):
    """A metric for a table.

    >>> in_words("accuracy", {"accuracy": 0.9214})
    'accuracy 92.1'
    """
    value, known = found[name], metric(name)
    return f"{known.short} " + (f"{100 * value:.1f}" if known.unit == "share" else f"{value:.3g}")
