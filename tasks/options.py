"""The options that tasks share, and the settings of a task: the values of all its options.

What a user can choose is stated once, as a field of a class of options. The command line, the run's
settings.json, `--help` and docs/options.md are read off the fields, whose `about` may say

    group       the heading under which the option is listed
    first       it is one of those that most people need first
    is_setting  False: it says where to write and what to do, not what comes out (default True)
    of_corpus   it says how the corpus is read
    open        where a value comes from that the user leaves open: "from the recipe", …
    was         the option's name in an earlier version
    before      its value in runs of versions that did not have it, where that is not the default
"""

import dataclasses
import shlex

from export import verify
from tasks.reading.corpus import same
from tasks.reading.splits import SPLITS
from zoo import names
from zoo.options import Options, fields, names_of, option, unknown

MODES = ("train", "evaluate", "export")
VARIANTS = ("float32", "float16", "int8", "static")      # of `export.tflite`, those that take texts
ACTION = {"is_setting": False}
TUNED = {"open": "from the recipe"}
NONE = "none"       # in place of word vectors


@dataclasses.dataclass(frozen=True)
class Settings(Options):
    """The values of a task's options. None where the recipe or the model decides.

    `given` names those that the user gave.
    """

    given: tuple = dataclasses.field(default=(), repr=False, compare=False)

    @classmethod
    def of(cls, **values):
        """Settings of some values, the others at their defaults.

        Raises:  ValueError: an option that there is not, or a wrong value
        """
        for name in values.keys() - set(names_of(cls)):
            raise unknown(name, names_of(cls))
        return cls(**values, given=tuple(values))

    def filled(self, recipe):
        """Those where a recipe decides what was open."""
        return dataclasses.replace(self, **{
            name: value for name, value in recipe.items() if getattr(self, name) is None})

    def resumed(self, stored):
        """Those of an earlier run, `stored`, where nothing else is given.

        Another corpus than the run's is read as this command says. An option that the run's version
        did not have is as it was `before`.
        """
        stored = {**self.before(), **stored}
        other = "corpus" in self.given and not same(self.corpus, stored["corpus"])
        taken = {field.name: stored[name] for field in fields(self)
                 for name in (field.name, field.metadata.get("was")) if name in stored
                 and field.name not in self.given and not (other and field.metadata.get("of_corpus"))}
        return dataclasses.replace(self, **taken)

    @classmethod
    def before(cls):
        """{name: value} that the options had in runs of versions that did not have them."""
        return {field.name: field.metadata.get("before", field.default) for field in fields(cls)
                if field.metadata.get("is_setting", True)}

    def chosen(self, options):
        """{name: value} of a class of options, without those that are open."""
        values = {name: getattr(self, name) for name in names_of(options)}
        return {name: value for name, value in values.items() if value is not None}

    def recorded(self):
        """{name: value} of what shapes the result, as settings.json keeps it."""
        return {field.name: getattr(self, field.name) for field in fields(self)
                if field.metadata.get("is_setting", True)}

    def command(self, program):
        """The command that sets these again: a program and the flags that were given."""
        given = [field for field in fields(self) if field.name in self.given
                 and field.name not in ("overwrite", "predict", "mode", "split")]
        words = [flag(field, getattr(self, field.name)) for field in given]
        return shlex.join(["python", "-m", program, *(word for one in words for word in one)])


def flag(field, value):
    """The words that set an option on a command line.

    >>> flag(*[field for field in fields(CorpusOptions) if field.name == "corpus"], "my reviews.csv")
    ['--corpus=my reviews.csv']
    """
    if field.type is bool:
        return [f"--{'' if value else 'no'}{field.name}"]
    if field.type is tuple and field.metadata.get("repeated"):
        return [f"--{field.name}={item}" for item in value]
    text = ",".join(map(str, value)) if field.type is tuple else value
    return [f"--{field.name}={text}"]


def settings(**groups):
    """The class of a task's settings, made of classes of options by the group that they are listed in."""
    rows = [(field.name, field.type, option(field.default, **{**field.metadata, "group": group}))
            for group, options in groups.items() for field in fields(options)]
    return dataclasses.make_dataclass("TaskSettings", rows, bases=(Settings,), frozen=True)


def model_options(options, configurations, auto=None):
    """The options of a network, left open, under `model`: the named configuration that they override.

    Args:    auto  what the model "auto" is, if there is one
    """
    choice = option(None, "A configuration of the zoo, from which the options below are taken."
                    + f" auto: {auto}." * bool(auto), [*configurations, *[names.AUTO] * bool(auto)],
                    first=True, open="from the recipe")
    rows = [(field.name, field.type, option(None, **{
        **field.metadata, "open": "from the model", "first": field.name == "units"}))
        for field in fields(options)]
    return dataclasses.make_dataclass("ModelOptions", [("model", str, choice), *rows], bases=(Options,),
                                      frozen=True)


def actions(options):
    """A class of options, none of which is a setting."""
    rows = [(field.name, field.type, option(field.default, **{**field.metadata, **ACTION}))
            for field in fields(options)]
    return dataclasses.make_dataclass(options.__name__, rows, bases=(Options,), frozen=True)


def column(role):
    """The option that names the column of a role."""
    return option(None, f"The column of the {role} in a file: a name in its header, or a number from "
                  "1.", of_corpus=True, open="from the files", first=role != "id")


def vectors(**about):
    """The option that names word vectors."""
    return option(None, "File of word vectors, in the text format of GloVe or word2vec; words-en, "
                  "characters-zh: those of English words and of Chinese characters that come with the "
                  "package; none: no vectors.", **about)


@dataclasses.dataclass(frozen=True)
class CorpusOptions(Options):
    """Of what a model is trained on."""

    corpus: str = option("auto", "Name of a corpus, the path of your own file or folder, or a pattern of "
                         "files; auto is the standard corpus if it can be had within seconds, else the "
                         "built-in sample.",
                         first=True)
    encoding: str = option(None, "Encoding of the corpus's files, such as gbk or cp1251; UTF-8, UTF-16 "
                           "and most of cp1252 are found without it.", of_corpus=True,
                           open="from the files")


@dataclasses.dataclass(frozen=True)
class RunOptions(Options):
    """Of everything that writes a run directory."""

    output_dir: str = option("runs", "Run directory: where everything is written.", first=True, **ACTION)
    overwrite: bool = option(False, "Start afresh in a directory that holds a run.", **ACTION)
    seed: int = option(0, "Seed of weights, order and dropout.", least=0, first=True)


@dataclasses.dataclass(frozen=True)
class TrainingOptions(RunOptions):
    """Of training."""

    epochs: int = option(None, "Largest number of epochs.", least=1, first=True, **TUNED)
    batch_size: int = option(None, "Examples per training step.", least=1, **TUNED)
    learning_rate: float = option(None, "Highest learning rate.", least=0, **TUNED)
    weight_decay: float = option(None, "Decoupled weight decay.", least=0, **TUNED)
    average: float = option(None, "Decay of the averaged weights; 0 for none.", least=0, below=1, **TUNED)
    patience: int = option(None, "Epochs without a better validation score before training stops; 0 "
                           "never stops.", least=0, **TUNED)
    clip_norm: float = option(1.0, "Largest norm of the gradient; 0 for any.", least=0)
    mixed_precision: bool = option(False, "Compute in bfloat16 in training, with weights in float32; "
                                   "exports are float32.")
    init_from: str = option(None, "Run directory, or pretrained model, that training starts from: its "
                            "network and vocabulary go on, words and labels are found by their names.")
    tune_minutes: float = option(None, "Minutes to spend on choosing options on the validation split "
                                 "before training; what is measured stays in the run directory.", above=0,
                                 source="Jamieson & Talwalkar 2016", **ACTION)
    workers: int = option(1, "Processes on this machine that train together, each on its share of the "
                          "cores, or on a GPU of its own, and of every batch.", least=1,
                          source="Dean et al. 2012", **ACTION)
    ray: bool = option(False, "Start --workers by Ray Train, on the machines of a cluster that see the "
                       "same folders; it takes the extra `ray`.", **ACTION)
    tensorboard: bool = option(False, "Write TensorBoard logs into the run directory.", **ACTION)


@dataclasses.dataclass(frozen=True)
class EvaluationOptions(Options):
    """Of what the program does with a run."""

    mode: str = option("train", "train does everything; evaluate scores the trained model on its corpus, "
                       "or on another --corpus; export writes and measures the exports again.", MODES,
                       first=True, **ACTION)
    output: str = option(None, "File that --mode=evaluate writes its report into, as JSON, or --input "
                         "its rows with their predictions: .csv, .tsv or .jsonl, or -, standard output.",
                         **ACTION)
    split: str = option("test", "The split that --mode=evaluate scores.", SPLITS[1:], was="part",
                        **ACTION)


@dataclasses.dataclass(frozen=True)
class PredictionOptions(Options):
    """Of prediction by a trained model."""

    predict: str = option(None, "Predict for this text with the export and print it; - reads lines of "
                          "text from standard input.", first=True, **ACTION)
    input: str = option(None, "Predict for every row of this file, a table, JSON Lines or a text a line; "
                        "- reads lines of text, or JSON objects, from standard input.", **ACTION)
    model_from: str = option(None, "Pretrained model that predicts, or that --mode=evaluate scores on "
                             "another --corpus, in place of a run: python -m zoo.trained lists them.",
                             **ACTION)
    variant: str = option("float32", "TFLite file of the export that --predict and --input take.",
                          VARIANTS, **ACTION)


@dataclasses.dataclass(frozen=True)
class ExportOptions(Options):
    """Of the exported files."""

    export: bool = option(True, "Write and measure the exports of a trained model; --mode=export writes "
                          "them later.", **ACTION)
    force: bool = option(False, "Keep a TFLite variant that loses more than the budget.", **ACTION)
    onnx: bool = option(False, "Write an ONNX file too, of the signature ids; it takes the extra onnx.",
                        **ACTION)
    tf_serving: str = option(verify.SERVER, "Oldest version of TF Serving that is to load the "
                             "SavedModel.", tuple(verify.LACKS), **ACTION)
