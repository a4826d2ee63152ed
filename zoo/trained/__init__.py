"""The models that come with the package: a folder each, a run's directory as `export.pack` keeps it.

    python -m zoo.trained           a table of them

    about.json     task, languages, quality, licence, attribution, how it was trained, checksums
    model.keras    the network, its weights in float16, with the files that `zoo.load` reads beside it
    tflite/        the int8 file, and the texts that it needs on a device

Beside them stand vectors that training starts from, in the text format of GloVe: `words-en` of English
words, `characters-zh` of Chinese characters.
"""

import json
import pathlib

HOME = pathlib.Path(__file__).parent
ABOUT = "about.json"
VECTORS = ENGLISH, CHINESE = "words-en", "characters-zh"    # of words, of characters
COLUMNS = "task", "language", "predicts", "quality", "kB", "licence"


def pretrained():
    """The models that come with the package: {name: {"task", "language", "quality", "licence", …}}.

    `zoo.load(name)` gives a model, `python -m tasks.<task> --model_from=<name> --predict "…"` asks it.

    >>> pretrained()["banking-intents"]["licence"]
    'CC-BY-4.0'
    """
    return {name: about(name) for name in names()}


def about(name):
    """What is known of a model; raises as `folder`."""
    return json.loads((folder(name) / ABOUT).read_text(encoding="utf-8"))


def folder(name):
    """The folder of a model. Raises ValueError: there is none of that name."""
    if not known(name):
        raise ValueError(f"expected a pretrained model among {', '.join(names()) or 'none'}, received "
                         f"{name!r}")
    return HOME / name


def file(name):
    """The int8 TFLite file of a model; raises as `folder`."""
    return folder(name) / "tflite" / "model_int8.tflite"


def word_vectors(name):
    """The path of word vectors: the package's by their name, any other by itself."""
    return str(HOME / name / "vectors.txt.gz") if name in VECTORS else name


def names():
    """Those of the models, in the order of the alphabet."""
    return sorted(path.parent.name for path in HOME.glob(f"*/{ABOUT}"))


def known(name):
    """Whether a model has that name."""
    return str(name) in names()


def table():
    """The models as Markdown: what each is for, how good and how large it is, and its terms."""
    rows = [("name", *COLUMNS), ("---",) * (1 + len(COLUMNS))]
    rows += [(f"`{name}`", *(str(about[column]) for column in COLUMNS))
             for name, about in pretrained().items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
