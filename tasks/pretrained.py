"""Which pretrained model stands in for a run, where one is named or nothing has been trained."""

import dataclasses
import sys

from tasks import prediction
from tasks.training.run_directory import Run, command_of
from zoo import trained

DEFAULTS = {"sentiment": "sentiment-en", "tagging": "names-en", "generation": "shakespeare",
            "translation": "translation-zh-en"}
VARIANT = "int8"        # the file that a pretrained model has


def chosen(task, settings):
    """The settings, with the folder of a pretrained model as the run that predicts or is evaluated.

    That is the one of --model_from; else, where a prediction is wanted, no run is named and none is in
    the usual place, the task's own, which is said on standard error.

    Raises:  ValueError: no such model, one of another task, or nothing to do with it
    """
    name = getattr(settings, "model_from", None)
    if name is None:
        name = DEFAULTS.get(task)
        if not trained.known(name) or not is_missing(settings):
            return settings
        print(f"note: nothing is trained in {settings.output_dir}: {name} answers, which comes with the "
              f"package; train your own: {command_of(task, settings.output_dir)}", file=sys.stderr)
    elif "output_dir" in settings.given:
        raise ValueError("model_from: expected no --output_dir beside it, received one; leave one out")
    elif not prediction.is_wanted(settings) and settings.mode != "evaluate":
        raise ValueError("model_from: expected --predict, --input or --mode=evaluate with it, received "
                         f"none; --init_from={name} goes on training")
    check_task(task, name)
    return dataclasses.replace(settings, output_dir=str(trained.folder(name)),
                               variant=settings.variant if "variant" in settings.given else VARIANT)


def is_missing(settings):
    """Whether a prediction is wanted of the run in the usual place, and there is none."""
    return (prediction.is_wanted(settings) and "output_dir" not in settings.given
            and Run(settings.output_dir).is_new)


def check_task(task, name):
    """Refuse a model of another task."""
    found = trained.about(name)["task"]
    if found != task:
        raise ValueError(f"model_from: expected a model of tasks.{task}, received {name}, one of "
                         f"tasks.{found}; python -m tasks.{found} --model_from={name}")
