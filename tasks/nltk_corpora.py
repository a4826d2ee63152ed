"""NLTK's corpora for classification: found on NLTK's search path, else downloaded."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

from tasks.split import Example

DOWNLOAD_SECONDS = 10


def _sentences(corpus):
    return {"train": [Example(" ".join(words), label) for label in corpus.categories()
                      for words in corpus.sents(categories=label)]}


def _documents(corpus):
    return {"train": [Example(" ".join(corpus.raw(name).split()), label)
                      for label in corpus.categories() for name in corpus.fileids(label)]}


def _questions(corpus):
    """The label DESC:manner is coarse DESC, fine manner."""
    return {part: [Example(text, label.split(":")[0]) for label, text in
                   corpus.tuples(part + ".txt")] for part in ("train", "test")}


CORPORA = {
    "sentence_polarity": (_sentences, "Pang and Lee 2005, sentence polarity dataset 1.0, from "
                                      "NLTK; CC BY 4.0"),
    "subjectivity": (_sentences, "Pang and Lee 2004, subjectivity dataset 1.0, from NLTK; "
                                 "CC BY 4.0"),
    "movie_reviews": (_documents, "Pang and Lee 2004, polarity dataset 2.0, distributed with NLTK "
                                  "with the authors' permission; no licence stated"),
    "qc": (_questions, "Li and Roth 2002, experimental data for question classification (the six "
                       "coarse classes), from NLTK; no licence stated"),
}


def read(name, reader):
    """Found on NLTK's own search path, else downloaded."""
    import nltk.corpus
    if not present(name) and not download(name):
        raise FileNotFoundError(
            f"corpus '{name}' is not on NLTK's search path and could not be downloaded; run "
            f"'python -m nltk.downloader {name}' where there is a network, set NLTK_DATA to its "
            "folder, or take the corpus 'sample'")
    try:
        return reader(getattr(nltk.corpus, name))
    except (LookupError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"expected NLTK's corpus '{name}', received a damaged copy ({reason}); "
                         f"delete it and run 'python -m nltk.downloader {name}'") from error


def present(name):
    import nltk.data
    for place in (f"corpora/{name}", f"corpora/{name}.zip"):
        try:
            return bool(nltk.data.find(place))
        except LookupError:
            continue
        except (OSError, zipfile.BadZipFile):
            return True                # there, but damaged: reading it says so
    return False


def download(name):
    """Runs NLTK's downloader in a child, which can be stopped; keeps a complete file or none."""
    import nltk.downloader
    try:
        home = pathlib.Path(nltk.downloader.Downloader().default_download_dir(), "corpora")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "nltk.downloader", "-q", "-d", folder, name],
                           timeout=DOWNLOAD_SECONDS, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            archive = pathlib.Path(folder, "corpora", f"{name}.zip")
            if not zipfile.is_zipfile(archive):
                return False
            home.mkdir(parents=True, exist_ok=True)
            partial = home / f"{name}.{os.getpid()}"
            shutil.copyfile(archive, partial)
            partial.replace(home / archive.name)
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    return present(name)
