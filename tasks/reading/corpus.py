"""What the corpora of all tasks share: names, paths, the default."""

import difflib
import os
import pathlib

from tasks.reading import tables

OWN_TERMS = "your own file, under the terms you have it under"


def unknown(name, names, kind, endings):
    """The error for what is neither one of the `names` nor a file of a `kind`."""
    path = pathlib.Path(name)
    if len(path.parts) > 1 or tables.kind(path) in endings:
        return FileNotFoundError(f"expected {kind} or a folder, found nothing at {name}; check the path")
    near = difflib.get_close_matches(name.lower(), names, 1)
    guess = f"did you mean '{near[0]}'? " if near else ""
    return ValueError(f"unknown corpus '{name}': {guess}expected one of {', '.join(names)}, or the "
                      f"path of {kind}")


def automatic(named, standard):
    """The standard corpus or, where it cannot be had, the built-in sample; `named` reads either."""
    try:
        return named(standard)
    except (FileNotFoundError, ValueError) as error:
        corpus = named("sample")
        corpus.warnings.insert(0, f"using the built-in sample instead: {error}")
        return corpus


def called(path):
    """The last name of a path as it was typed, by which its recipe is found."""
    return os.path.basename(os.path.abspath(os.path.expanduser(path)))
