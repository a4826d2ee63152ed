"""NLTK's corpora: found on its search path, else downloaded."""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

from tasks.reading import columns
from tasks.reading.splits import Example, Pair, Sentence

DOWNLOAD_SECONDS = 10
# What NLTK's readers raise when a copy is damaged; a SyntaxError is the one of XML.
DAMAGE = (LookupError, OSError, EOFError, ValueError, SyntaxError, zipfile.BadZipFile)
MAPPING = "universal_tagset"          # from many tag sets to twelve tags, Petrov et al. 2012
FOLDERS = {MAPPING: "taggers"}        # where NLTK keeps what is not under "corpora"


def _sentences(corpus):
    return {"train": [Example(" ".join(words), label) for label in corpus.categories()
                      for words in corpus.sents(categories=label)]}


def _documents(corpus):
    return {"train": [Example(" ".join(corpus.raw(name).split()), label)
                      for label in corpus.categories() for name in corpus.fileids(label)]}


def _questions(corpus):
    """The label DESC:manner is coarse DESC, fine manner."""
    return {split: [Example(text, label.split(":")[0]) for label, text in
                    corpus.tuples(split + ".txt")] for split in ("train", "test")}


def _lists(corpus):
    """A file a label: a text every line."""
    return {"train": [Example(text.strip(), name.removesuffix(".txt"))
                      for name in corpus.fileids() for text in corpus.words(name)]}


CORPORA = {
    "sentence_polarity": (_sentences, "Pang and Lee 2005, sentence polarity dataset 1.0, from "
                                      "NLTK; CC BY 4.0"),
    "subjectivity": (_sentences, "Pang and Lee 2004, subjectivity dataset 1.0, from NLTK; "
                                 "CC BY 4.0"),
    "movie_reviews": (_documents, "Pang and Lee 2004, polarity dataset 2.0, distributed with NLTK "
                                  "with the authors' permission; no licence stated"),
    "qc": (_questions, "Li and Roth 2002, experimental data for question classification (the six "
                       "coarse classes), from NLTK; no licence stated"),
    "names": (_lists, "Mark Kantrowitz 1991, Names Corpus 1.3, with additions by Bill Ross, from NLTK; "
                      "for any purpose with credit given"),
}


def _chunks(corpus, tagset):
    """Official train and test splits; the last tenth of train is validation."""
    datasets, notes = _columns({"train": "train.txt", "test": "test.txt"}, corpus)
    held_out = len(datasets["train"]) // 10
    datasets["validation"] = datasets["train"][-held_out:]
    del datasets["train"][-held_out:]
    return datasets, notes


def _entities(language):
    names = {"train": "train", "validation": "testa", "test": "testb"}
    return lambda corpus, tagset: _columns(
        {split: f"{language}.{name}" for split, name in names.items()}, corpus)


def _columns(names, corpus):
    """Columns as NLTK stores them: word, part of speech, tag; or word and tag."""
    read = {split: columns.parse(name, corpus.raw(name)) for split, name in names.items()}
    return ({split: sentences for split, (sentences, _) in read.items()},
            columns.notes(sum((left_out for _, left_out in read.values()), collections.Counter())))


def _words(own_tagset):
    """Tagged words, without a split. The Penn Treebank's empty elements (-NONE-) are no words."""
    def reader(corpus, tagset):
        rows = [[pair for pair in row if pair[1] != "-NONE-"] for row in corpus.tagged_sents()]
        whole = [list(zip(*row)) for row in rows if row and all(tag for _, tag in row)]
        rename = _universal(own_tagset) if tagset == "universal" else str
        left_out = len(rows) - len(whole)
        notes = [f"{left_out} sentences without a word, or with a word that has no tag, were left out"]
        return ({"train": [Sentence(tokens, tuple(map(rename, tags))) for tokens, tags in whole]},
                notes * bool(left_out))
    return reader


def _universal(own_tagset):
    from nltk.tag.mapping import map_tag
    return lambda tag: map_tag(own_tagset, "universal", tag)


CONLL2002 = ("Tjong Kim Sang 2002, shared task on named entities ({}), from NLTK; for research in the "
             "context of the shared task only")
TAGGED = {                            # name: package, reader, default tag set, terms
    "conll2000": ("conll2000", _chunks, None, "Tjong Kim Sang and Buchholz 2000, shared task on "
                  "chunking, Wall Street Journal text, from NLTK; no licence stated"),
    "conll2002": ("conll2002", _entities("esp"), None, CONLL2002.format("Spanish")),
    "conll2002_esp": ("conll2002", _entities("esp"), None, CONLL2002.format("Spanish")),
    "conll2002_ned": ("conll2002", _entities("ned"), None, CONLL2002.format("Dutch")),
    "treebank": ("treebank", _words("en-ptb"), "own", "Marcus et al. 1993, a sample of the Penn "
                 "Treebank, from NLTK; non-commercial use only"),
    "brown": ("brown", _words("en-brown"), "universal", "Francis and Kučera 1964, Brown corpus, from "
              "NLTK; redistribution permitted, non-commercial use"),
    "masc_tagged": ("masc_tagged", _words("en-ptb"), "own", "Ide et al. 2008, Manually Annotated "
                    "Sub-Corpus of the Open American National Corpus, from NLTK; no restrictions stated"),
}


def _plays(corpus):
    """Plays as they are printed; the lists of persons and the notes of the edition are left out."""
    return [f"{paragraph}\n\n" for name in corpus.fileids() for paragraph in _printed(corpus.xml(name))]


def _printed(element):
    """The paragraphs of a play: titles, directions in brackets, and speeches of many lines."""
    if element.tag in ("PERSONAE", "FM", "SCNDESCR", "PLAYSUBT"):
        return []
    if element.tag == "SPEECH":
        return ["\n".join(filter(None, map(_line, element)))]
    if not len(element):
        return [_line(element)] if _line(element) else []
    return [paragraph for child in element for paragraph in _printed(child)]


def _line(element):
    """One line: a speaker's name with a colon, a direction in brackets, also inside of what is spoken."""
    inside = (f" [{child.text}] {child.tail or ''}" for child in element)
    words = " ".join(f"{element.text or ''}{''.join(inside)}".split())
    return {"SPEAKER": f"{words}:", "STAGEDIR": f"[{words}]"}.get(element.tag, words) if words else ""


def _prose(corpus):
    """Documents as they are, a blank line between them."""
    return [re.sub("\r\n?", "\n", corpus.raw(name).strip()) + "\n\n" for name in corpus.fileids()]


def _tokens(name):
    """A sentence every line, its tokens separated by spaces."""
    _, reader, _, terms = TAGGED[name]
    return lambda corpus: [f"{row.text}\n" for row in reader(corpus, "own")[0]["train"]], terms


PRESIDENTS = ("addresses of the presidents of the United States, {}, C-Span via NLTK; no restrictions "
              "stated")
TEXTS = {                             # name: reader, terms
    "shakespeare": (_plays, "eight plays, Moby Lexical Tools 1992, marked up by Jon Bosak, from NLTK; "
                            "public domain"),
    "inaugural": (_prose, "inaugural " + PRESIDENTS.format("from 1789")),
    "state_union": (_prose, "State of the Union " + PRESIDENTS.format("1945 to 2006")),
    "webtext": (_prose, "Web Text Corpus, postings and scripts from the web, from NLTK; no licence "
                        "stated"),
    "brown": _tokens("brown"),
    "treebank": _tokens("treebank"),
}


def read_tagged(name, tagset=None):
    """{split: sentences}, and notes on what was left out."""
    package, reader, default, _ = TAGGED[name]
    if tagset not in (None, "own", "universal") or (tagset and not default):
        raise ValueError("expected the tagset own or universal, of treebank, brown or masc_tagged, "
                         f"received '{tagset}' of '{name}'")
    tagset = tagset or default
    if tagset == "universal":
        require(MAPPING)
    return read(package, lambda corpus: reader(corpus, tagset))


ALIGNED = {"comtrans": "Rapp, ComTrans corpus sample, from NLTK; no licence stated"}


def read_aligned(name, source_language, target_language):
    """Pairs of sentences, tokens separated by spaces, from the file of the two languages."""
    files = {tuple(file.removesuffix(".txt").split("-")[1:]): file
             for file in read(name, lambda corpus: corpus.fileids())}
    languages = source_language, target_language
    if languages in files:
        return read(name, lambda corpus: _aligned(corpus, files[languages]))
    if languages[::-1] in files:
        return [Pair(*pair[::-1]) for pair in read_aligned(name, *languages[::-1])]
    known = " or ".join(map("-".join, sorted(files)))
    raise ValueError(f"corpus '{name}': expected the languages {known}, received {'-'.join(languages)}; "
                     "set source_language and target_language")


def _aligned(corpus, file):
    """NLTK reads ISO 8859-1 unless told; what is UTF-8 all through is that."""
    from nltk.corpus.reader import AlignedCorpusReader
    with corpus.root.join(file).open() as stream:
        encoding = "utf-8" if _is_utf8(stream.read()) else "latin-1"
    sentences = AlignedCorpusReader(corpus.root, [file], encoding=encoding).aligned_sents(file)
    return [Pair(" ".join(sentence.words), " ".join(sentence.mots)) for sentence in sentences]


def _is_utf8(data):
    try:
        return bool(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def read(name, reader):
    """What `reader` makes of a package that is found on NLTK's own search path, else downloaded."""
    import nltk.corpus
    require(name)
    try:
        return reader(getattr(nltk.corpus, name))
    except DAMAGE as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"expected NLTK's corpus '{name}', received a damaged copy ({reason}); "
                         f"delete it and run 'python -m nltk.downloader {name}'") from error


def require(name):
    """Sees to it that NLTK has a package."""
    if not present(name) and not download(name):
        raise FileNotFoundError(
            f"corpus '{name}' is not on NLTK's search path and could not be downloaded; run "
            f"'python -m nltk.downloader {name}' where there is a network, set NLTK_DATA to its "
            "folder, or take the corpus 'sample'")


def present(name):
    import nltk.data
    place = f"{FOLDERS.get(name, 'corpora')}/{name}"
    for place in (place, f"{place}.zip"):
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
        kind = FOLDERS.get(name, "corpora")
        home = pathlib.Path(nltk.downloader.Downloader().default_download_dir(), kind)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "nltk.downloader", "-q", "-d", folder, name],
                           timeout=DOWNLOAD_SECONDS, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            archive = pathlib.Path(folder, kind, f"{name}.zip")
            if not zipfile.is_zipfile(archive):
                return False
            home.mkdir(parents=True, exist_ok=True)
            partial = home / f"{name}.{os.getpid()}"
            shutil.copyfile(archive, partial)
            partial.replace(home / archive.name)
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    return present(name)
