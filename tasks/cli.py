"""What the command lines of all tasks share: flags, errors of one line, questions and answers."""

import errno
import importlib
import os
import shlex
import signal
import sys
import textwrap

from absl import app, flags, logging

from export import interrupt, one_line, quiet, verify
from tasks.reading import encoding
from zoo import names

FLAGS = flags.FLAGS
# Flags that say where to write and what to do, not what comes out.
NOT_SETTINGS = ("output_dir", "overwrite", "predict", "tensorboard", "mode", "part", "force",
                "tf_serving", "n_best", "banned", "required", "length", "temperature", "top_k",
                "top_p", "typical", "repetition_penalty", "beam_width", "stop", "picture", "dynamic",
                "dynamic_window", "dynamic_rate", "dynamic_decay")
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


def define_run_flags(task):
    """The flags of everything that writes a run."""
    flags.DEFINE_string("output_dir", os.path.join("runs", task), "Folder of the run.")
    flags.DEFINE_bool("overwrite", False, "Start afresh in a folder that holds a run.")
    flags.DEFINE_integer("seed", 0, "Of weights, order and dropout.")


def define_task_flags(task, configurations):
    """The flags of every task that trains a recurrent network; a task adds its own."""
    define_run_flags(task)
    define_network_flags(configurations)
    define_training_flags()
    flags.DEFINE_string("corpus", "auto", "Name of a corpus, or a path; auto is the standard one "
                        "if it can be had within seconds, else the built-in sample.")
    flags.DEFINE_string("predict", None, "Answer this text from the last export; - reads lines "
                        "from standard input.")
    flags.DEFINE_string("init_from", None, "Start from the embedding and the recurrent layers of "
                        "the run in this folder.")
    flags.DEFINE_bool("tensorboard", False, "Write TensorBoard logs into the run.")
    flags.DEFINE_bool("force", False, "Keep a TFLite variant that loses more than the budget.")
    flags.DEFINE_enum("tf_serving", verify.SERVER, list(verify.LACKS), "Oldest version of TF Serving "
                      "that is to load the SavedModel.")


def define_network_flags(table):
    """The flags of a recurrent network, each of which overrides a field of a configuration in `table`."""
    flags.DEFINE_enum("model", None, list(table), "A configuration of the zoo; this and the training "
                      "flags come from the corpus's recipe by default: see tasks/recipes.py.")
    flags.DEFINE_enum("cell", None, names.CELLS, "Overrides the model's.")
    flags.DEFINE_integer("units", None, "Width of a recurrent layer: see the model.", 1)
    flags.DEFINE_integer("layers", None, "Recurrent layers.", 0)
    flags.DEFINE_integer("embedding", None, "Width of the embedding.", 1)
    flags.DEFINE_float("word_dropout", None, "Rate at which a word is read as unknown.")
    flags.DEFINE_float("embedding_dropout", None, "Rate for the embedding's coordinates.")
    flags.DEFINE_float("output_dropout", None, "Rate before the linear layer.")
    flags.DEFINE_string("engine", None, "Engine of the recurrent layers: see zoo.engines.")
    rates("word_dropout", "embedding_dropout", "output_dropout")


def define_file_flags(*roles):
    """The flags that say how the files of a corpus are read; a column has one of the roles."""
    for role in roles:
        flags.DEFINE_string(f"{role}_column", None, f"The column of the {role} in a file: a name in its "
                            "header, or a number from 1.")
    flags.DEFINE_string("encoding", None, "Encoding of the corpus's files, such as gbk or cp1251; UTF-8, "
                        "UTF-16 and most of cp1252 are found without it.")


NETWORK = ("cell", "units", "layers", "embedding", "word_dropout",
           "embedding_dropout", "output_dropout", "engine")


def define_training_flags():
    """The flags of training; what is left open comes from the corpus's recipe."""
    flags.DEFINE_enum("mode", "train", ["train", "evaluate", "export"], "train does everything; "
                      "evaluate scores the trained model on its corpus or, if given, another "
                      "--corpus; export writes and measures its files again.")
    flags.DEFINE_enum("part", "test", ["validation", "test"], "The part that --mode=evaluate scores.")
    flags.DEFINE_integer("epochs", None, "Most epochs.", 1)
    flags.DEFINE_integer("batch_size", None, "Texts a step.", 1)
    flags.DEFINE_float("learning_rate", None, "Highest learning rate.", 0)
    flags.DEFINE_float("weight_decay", None, "Decoupled weight decay.", 0)
    flags.DEFINE_float("average", None, "Decay of the averaged weights; 0 for none.")
    flags.DEFINE_integer("patience", None, "Epochs without a better score before stopping; 0 "
                         "never stops.", 0)
    flags.DEFINE_float("clip_norm", 1.0, "Largest norm of the gradient; 0 for any.", 0)
    flags.DEFINE_bool("mixed_precision", False, "Compute in bfloat16 while training, with weights in "
                      "float32; files are exported in float32.")
    rates("average")


class Numbers(flags.BaseListParser):
    """Whole numbers between commas.

    >>> Numbers().parse("2000, 10000")
    [2000, 10000]
    """

    def __init__(self):
        super().__init__(",", "whole numbers")

    def parse(self, argument):
        try:
            return [int(number) for number in super().parse(argument)]
        except ValueError:
            raise ValueError(f"expected whole numbers between commas, received {argument!r}") from None


def define_numbers(name, help):
    """A flag that is a list of whole numbers, by default None."""
    flags.DEFINE(Numbers(), name, None, help, serializer=flags.CsvListSerializer(","))


def rates(*names):
    """These flags, if given, are rates from 0 to below 1."""
    for name in names:
        flags.register_validator(name, lambda rate: rate is None or 0 <= rate < 1,
                                 "expected a rate from 0 to below 1")


def main(module):
    """Run the `main` of a module on the flags of the command line; Ctrl-C is one line and exit code 130.

    The module is imported, and TensorFlow with it, once the flags are known to be right.
    """
    interrupt.end_at_once()
    app.run(lambda arguments: guarded(lambda: started(module), arguments), flags_parser=parse)


def started(module):
    quiet.import_tensorflow()
    task = importlib.import_module(module)
    logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every file it saves.
    with interrupt.as_exception():
        task.main()


def guarded(function, arguments=()):
    """Call `function`; what a user can mend ends in one line on standard error and exit code 2."""
    try:
        if len(arguments) > 1:
            raise ValueError(f"expected flags only, received {arguments[1]!r}; quote a text that "
                             "has spaces")
        function()
        sys.stdout.flush()
    except BrokenPipeError:
        hang_up()
    except ModuleNotFoundError as error:
        fail(f"expected the package {error.name}, received none; install it, in this project's folder: "
             "python -m pip install -e .")
    except (ValueError, OSError) as error:
        fail(error)
    except Exception as error:
        if not is_tensorflows(error):
            raise
        fail(one_line(error.message))


def is_tensorflows(error):
    """Whether TensorFlow's runtime raised it."""
    import tensorflow as tf  # after --help has answered
    return isinstance(error, tf.errors.OpError)


def hang_up():
    """Leave as SIGPIPE would: nobody reads on, so nobody wants to know."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)


def parse(arguments):
    """Flags from the command line; a wrong one is one line, `--help` a page."""
    try:
        return FLAGS(arguments)
    except flags.UnrecognizedFlagError as error:
        advice = GONE.get(error.flagname, "--help lists the flags")
        fail(f"{error}; {advice}")
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

    They are decoded as a corpus is (see `tasks.reading.encoding`): by --encoding where it is given. What
    is not UTF-8 in an argument, which Python hands over in surrogates, becomes U+FFFD.

    >>> questions("caf\\udce9")
    ['caf\ufffd']
    """
    if predict != "-":
        return [predict.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]
    codec = FLAGS["encoding"].value if "encoding" in FLAGS else None
    lines, notes = encoding.lines("standard input", sys.stdin.buffer.read(), codec)
    for note in notes:
        print(f"note: standard input: {note}", file=sys.stderr)
    if not lines:
        raise ValueError("expected lines of text on standard input, received none")
    return lines


def shown(text, width=60):
    """A text as it fits into a line of a terminal."""
    return textwrap.shorten(" ".join(text.split()), width, placeholder=" …")


def settings(module):
    """{flag: value} of the flags that a module defines, those that shape the result."""
    return {flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(module)
            if flag.name not in NOT_SETTINGS}


def introduced(corpus, unit, size=len):
    """The corpus, once it is said what it is and what was odd about it; a part has a `size` in a unit."""
    for warning in corpus.warnings:
        print(f"note: {warning}")
    print(f"{corpus.name}: {size(corpus.train):,} {unit} to learn from, {size(corpus.validation):,} "
          f"to choose by, {size(corpus.test):,} to test on", *corpus.description, sep="\n  ")
    return corpus


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
             if flag.present and flag.name not in ("overwrite", "predict", "mode", "part")]
    return " ".join([f"python -m tasks.{task}", *(shlex.quote(flag.serialize()) for flag in given)])
