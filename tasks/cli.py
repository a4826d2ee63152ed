"""The command line of a task: flags made of its options, `--help`, errors of one line.

The only module that imports absl's flags. The settings that they become are passed on as a value.
"""

import errno
import importlib
import os
import signal
import sys
import textwrap

from absl import flags, logging

from export import interrupt, one_line, quiet
from tasks.training import launch
from zoo.options import fields

# Flags of earlier versions, and what to do instead.
GONE = {
    "language_cost": "leave it out; --affixes and --rare_dropout help with rare words",
    "optimizer": "leave it out: Adam trains, and --average keeps a mean of the weights",
    **dict.fromkeys(["cache", "nocache", "cache_size", "cache_flatness", "cache_share"],
                    "use --mode=evaluate --dynamic, which adapts to the text too")}
ADVICE = {
    **dict.fromkeys([errno.ENOSPC, errno.EDQUOT], "expected a disk with free space"),
    **dict.fromkeys([errno.EACCES, errno.EPERM, errno.EROFS],
                    "expected a place that this user may read and write"),
    **dict.fromkeys([errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG],
                    "check the path")}
HELP_FLAGS = ("--help", "-help", "-h", "--helpfull", "--helpshort")
UNITS = {int: "N", float: "X", str: "TEXT"}


def main(task):
    """Run a task of this package on the flags of the command line.

    Its options and help are known without TensorFlow; the rest is imported once the flags are known to
    be right. Ctrl-C is one line and exit code 130.
    """
    interrupt.end_at_once()
    options = importlib.import_module(f"tasks.{task}.options").Settings
    about = importlib.import_module(f"tasks.{task}").__doc__
    settings = parse(options, sys.argv, f"python -m tasks.{task}: {about}")
    guarded(lambda: started(task, settings))


def started(task, settings):
    """Run the task; what a TFLite file predicts takes no TensorFlow, nor does starting workers."""
    prediction = importlib.import_module("tasks.prediction")
    settings = importlib.import_module("tasks.pretrained").chosen(task, settings)
    trains = getattr(settings, "mode", None) == "train" and not prediction.is_wanted(settings)
    if trains and launch.wanted(settings):
        if settings.ray:
            return launch.launch_on_ray(settings.workers, sys.argv)
        launch.launch(settings.workers, launch.command_line())
    if prediction.is_wanted(settings):
        wanted = prediction.of(task, settings)
        if not wanted.needs_model:
            with interrupt.as_exception():
                return prediction.main(wanted)
    quiet.import_tensorflow()
    if trains:
        importlib.import_module("tasks.training.workers").join()
    module = importlib.import_module(f"tasks.{task}.task")
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every file it saves.
    with interrupt.as_exception():
        module.main(settings)


def parse(options, arguments, about=None):
    """The settings that a command line gives; what is wrong with it is one line and exit code 2.

    Args:    options    a class of settings
             arguments  the program, then its flags; `--help` among them prints a page and ends
             about      what the program is, for that page; by default the docstring of the script
    """
    if set(HELP_FLAGS) & set(arguments[1:]):
        page = help_page(about or sys.modules["__main__"].__doc__, options)
        guarded(lambda: print(page))
        sys.exit(0)
    values = flags.FlagValues()
    for field in fields(options):
        define(field, values)
    try:
        rest = values(arguments)[1:]
        if rest:
            raise ValueError(f"expected flags only, received {rest[0]!r}; quote a text that has spaces")
        return options.of(**{field.name: values[field.name].value for field in fields(options)
                             if values[field.name].present})
    except flags.UnrecognizedFlagError as error:
        gone = error.flagname in GONE
        fail(f"the flag '{error.flagname}' is gone; {GONE[error.flagname]}" if gone else
             f"{error}; --help lists the flags")
    except (flags.Error, ValueError) as error:
        fail(f"{error}; --help lists the flags")


def define(field, values):
    """Define the flag of an option, and its name in an earlier version."""
    if field.type is bool:
        flags.DEFINE_bool(field.name, field.default, "", flag_values=values)
    elif field.metadata.get("repeated"):
        flags.DEFINE_multi(Parser(field), None, field.name, None, "", flag_values=values)
    else:
        flags.DEFINE(Parser(field), field.name, None, "", flag_values=values)
    if "was" in field.metadata:
        flags.DEFINE_alias(field.metadata["was"], field.name, flag_values=values)


class Parser(flags.ArgumentParser):
    """An option's value from the text of its flag; a list stands between commas."""

    def __init__(self, field):
        super().__init__()
        self.field = field

    def parse(self, text):
        field = self.field
        if field.type is not tuple or not isinstance(text, str):
            return number(field.type, text)
        if field.metadata.get("repeated"):
            return text
        return [number(field.metadata["of"], item) for item in text.split(",") if item]


def number(kind, text):
    """The text as a number, if the kind is one and the text says one; else the text."""
    try:
        return kind(text) if kind in (int, float) else text
    except ValueError:
        return text


def help_page(about, options):
    """What `--help` prints: the flags that most people need first, then the others by their groups."""
    rows = fields(options)
    first = [field for field in rows if field.metadata.get("first")]
    groups = {"most used": first} if first else {}
    for field in rows:
        if not field.metadata.get("first"):
            groups.setdefault(field.metadata["group"], []).append(field)
    parts = [f"{name}:\n" + "\n".join(map(help_line, group)) for name, group in groups.items()]
    return f"{about}\n" + "\n\n".join(parts)


def help_line(field):
    """What `--help` says about a flag: its unit, its choices and its default."""
    about = field.metadata
    kind, choices = about["of"] if field.type is tuple else field.type, list(map(str, about["choices"]))
    few = 0 < len(choices) < 7
    name = f"--[no]{field.name}" if kind is bool else (
        f"--{field.name}={'|'.join(choices) if few else UNITS[kind]}")
    text = about["help"] + f" One of {', '.join(choices)}." * (len(choices) > 0 and not few)
    default = default_of(field)
    lines = textwrap.wrap(text + f" (default: {default})" * bool(default), 80,
                          initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join([f"  {name}", *lines])


def default_of(field):
    """An option's default, or where it comes from, in words; empty where there is none."""
    default = field.default
    if default is None:
        return field.metadata.get("open", "")
    if field.type is bool:
        return "yes" if default else "no"
    return ",".join(map(str, default)) if field.type is tuple else str(default)


def guarded(function):
    """Call `function`; what a user can mend ends in one line on standard error and exit code 2."""
    try:
        function()
        sys.stdout.flush()
    except BrokenPipeError:
        hang_up()
    except ModuleNotFoundError as error:
        said = str(error).startswith("expected")        # `export.optional` knows the extra
        fail(error if said else f"expected the package {error.name}, received none; install it, in this "
             "project's folder: python -m pip install -e .")
    except (ValueError, OSError) as error:
        fail(error)
    except Exception as error:
        if not is_tensorflows(error):
            raise
        fail(one_line(error.message))


def is_tensorflows(error):
    """Whether TensorFlow's runtime raised it."""
    tensorflow = sys.modules.get("tensorflow")  # Where it is not loaded it has raised nothing.
    return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)


def hang_up():
    """Leave as SIGPIPE would: nobody reads on, so nobody wants to know."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)


def fail(error):
    """Say what is wrong in one line, and leave."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        advice = f"; {ADVICE[error.errno]}" if error.errno in ADVICE else ""
        error = f"{error.strerror}{where}{advice}"
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    sys.exit(2)
