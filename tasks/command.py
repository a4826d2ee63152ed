"""What the command lines of all tasks share: flags, errors of one line, questions and answers."""

import os
import shlex
import sys
import textwrap

from absl import app, flags, logging

FLAGS = flags.FLAGS
# Flags that say where to write and what to do, not what comes out.
NOT_SETTINGS = ("output_dir", "overwrite", "predict", "tensorboard", "mode")


def define_common_flags(task):
    """The flags that every task has; a task adds its own."""
    flags.DEFINE_string("corpus", "auto", "Name of a corpus, or a path; auto is the standard one "
                        "if it can be had within seconds, else the built-in sample.")
    flags.DEFINE_string("output_dir", os.path.join("runs", task), "Folder of the run.")
    flags.DEFINE_bool("overwrite", False, "Start afresh in a folder that holds a run.")
    flags.DEFINE_string("predict", None, "Answer this text from the last export; - reads lines "
                        "from standard input.")
    flags.DEFINE_integer("seed", 0, "Of weights, order and dropout.")
    flags.DEFINE_string("init_from", None, "Start from the embedding and the recurrent layers of "
                        "the run in this folder.")
    flags.DEFINE_bool("tensorboard", False, "Write TensorBoard logs into the run.")
    flags.DEFINE_bool("force", False, "Keep a TFLite variant that loses more than the budget.")


def main(function):
    """Run `function`; what a user can mend ends in one line on standard error and exit code 2."""
    def guarded(arguments):
        logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every file it saves.
        try:
            if len(arguments) > 1:
                raise ValueError(f"expected flags only, received {arguments[1]!r}; quote a text "
                                 "that has spaces")
            function()
        except (ValueError, OSError) as error:
            fail(error)

    app.run(guarded, flags_parser=parse)


def parse(arguments):
    """Flags from the command line; a wrong one is one line, `--help` a page."""
    try:
        return FLAGS(arguments)
    except flags.Error as error:
        fail(f"{error}; --help lists the flags")


def fail(error):
    """Say what is wrong in one line, and leave."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        error = f"{error.strerror}{where}; expected a disk with free space that can be written to"
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    sys.exit(2)


def questions(predict):
    """The texts to answer: the flag's own, or the lines of standard input for `-`."""
    if predict != "-":
        return [predict]
    lines = sys.stdin.buffer.read().decode("utf-8", "replace").splitlines()
    if not lines:
        raise ValueError("expected lines of text on standard input, received none")
    return lines


def shown(text, width=60):
    """A text as it fits into a line of a terminal."""
    return textwrap.shorten(" ".join(text.split()), width, placeholder=" …")


def settings():
    """{flag: value} of the flags that shape the result."""
    return {flag.name: flag.value for flag in FLAGS.get_key_flags_for_module("__main__")
            if flag.name not in NOT_SETTINGS}


def fill(recipe):
    """Give the flags that the user left open the values of a recipe."""
    for name, value in recipe.items():
        if FLAGS[name].value is None:
            FLAGS[name].value = value


def chosen(names):
    """{flag: value} of some flags; None where the user left the choice to the model."""
    return {name: FLAGS[name].value for name in names}


def line(task):
    """The command that repeats this run: the task and the flags that were given."""
    given = [flag for flag in FLAGS.get_key_flags_for_module("__main__")
             if flag.present and flag.name not in ("overwrite", "predict", "mode")]
    return " ".join([f"python -m tasks.{task}", *(shlex.quote(flag.serialize()) for flag in given)])
