"""What the command lines of all tasks share: flags, errors of one line, questions and answers."""

import errno
import os
import shlex
import signal
import sys
import textwrap

import tensorflow as tf
from absl import app, flags, logging

from export import one_line

FLAGS = flags.FLAGS
# Flags that say where to write and what to do, not what comes out.
NOT_SETTINGS = ("output_dir", "overwrite", "predict", "tensorboard", "mode", "force")
ADVICE = {
    **dict.fromkeys([errno.ENOSPC, errno.EDQUOT], "expected a disk with free space"),
    **dict.fromkeys([errno.EACCES, errno.EPERM, errno.EROFS],
                    "expected a place that this user may read and write"),
    **dict.fromkeys([errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG],
                    "check the path")}


def define_run_flags(task):
    """The flags of everything that writes a run."""
    flags.DEFINE_string("output_dir", os.path.join("runs", task), "Folder of the run.")
    flags.DEFINE_bool("overwrite", False, "Start afresh in a folder that holds a run.")
    flags.DEFINE_integer("seed", 0, "Of weights, order and dropout.")


def define_common_flags(task):
    """The flags that every task has; a task adds its own."""
    define_run_flags(task)
    flags.DEFINE_string("corpus", "auto", "Name of a corpus, or a path; auto is the standard one "
                        "if it can be had within seconds, else the built-in sample.")
    flags.DEFINE_string("predict", None, "Answer this text from the last export; - reads lines "
                        "from standard input.")
    flags.DEFINE_string("init_from", None, "Start from the embedding and the recurrent layers of "
                        "the run in this folder.")
    flags.DEFINE_bool("tensorboard", False, "Write TensorBoard logs into the run.")
    flags.DEFINE_bool("force", False, "Keep a TFLite variant that loses more than the budget.")


def rates(*names):
    """These flags, if given, are rates from 0 to below 1."""
    for name in names:
        flags.register_validator(name, lambda rate: rate is None or 0 <= rate < 1,
                                 "expected a rate from 0 to below 1")


def main(function):
    """Run `function` on the flags of the command line."""
    app.run(lambda arguments: guarded(function, arguments), flags_parser=parse)


def guarded(function, arguments=()):
    """Call `function`; what a user can mend ends in one line on standard error and exit code 2."""
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every file it saves.
    try:
        if len(arguments) > 1:
            raise ValueError(f"expected flags only, received {arguments[1]!r}; quote a text that "
                             "has spaces")
        function()
        sys.stdout.flush()
    except BrokenPipeError:
        hang_up()
    except tf.errors.OpError as error:
        fail(one_line(error.message))
    except (ValueError, OSError) as error:
        fail(error)


def hang_up():
    """Leave as SIGPIPE would: nobody reads on, so nobody wants to know."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)


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
        advice = f"; {ADVICE[error.errno]}" if error.errno in ADVICE else ""
        error = f"{error.strerror}{where}{advice}"
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    sys.exit(2)


def questions(predict):
    """The texts to answer: the flag's own, or the lines of standard input for `-`.

    What is not UTF-8 becomes U+FFFD, in an argument, which Python hands over in surrogates, as in a
    file.

    >>> questions("caf\\udce9")
    ['caf\ufffd']
    """
    if predict != "-":
        return [predict.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]
    lines = sys.stdin.buffer.read().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise ValueError("expected lines of text on standard input, received none")
    return [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]


def shown(text, width=60):
    """A text as it fits into a line of a terminal."""
    return textwrap.shorten(" ".join(text.split()), width, placeholder=" …")


def settings(module):
    """{flag: value} of the flags of a task's module that shape the result."""
    return {flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(module)
            if flag.name not in NOT_SETTINGS}


def take_up(settings, corpus_flags=()):
    """Give the flags that were not given the values of an earlier run's settings.

    Another corpus than the run's has its own values of the `corpus_flags`.
    """
    other = FLAGS["corpus"].present and FLAGS.corpus != settings["corpus"]
    for name in settings.keys() & set(FLAGS):
        if not FLAGS[name].present and not (other and name in corpus_flags):
            FLAGS[name].value = settings[name]


def fill(recipe):
    """Give the flags that the user left open the values of a recipe."""
    for name, value in recipe.items():
        if FLAGS[name].value is None:
            FLAGS[name].value = value


def chosen(names):
    """{flag: value} of some flags; None where the user left the choice to the model."""
    return {name: FLAGS[name].value for name in names}


def line(task, module):
    """The command that repeats this run: the task and the flags that were given."""
    given = [flag for flag in FLAGS.get_key_flags_for_module(module)
             if flag.present and flag.name not in ("overwrite", "predict", "mode")]
    return " ".join([f"python -m tasks.{task}", *(shlex.quote(flag.serialize()) for flag in given)])
