"""What a language model reads of a split of a corpus: a running text, or texts with labels."""

import functools
import math
import tempfile

import numpy as np
import tensorflow as tf

from tasks.generation.metrics import language
from tasks.training.batches import Batch
from tasks.training.dataset import Data, check_known, right_padded
from zoo.text.vocabulary import UNKNOWN

WINDOW = 512            # symbols of a running text that are scored in one call
SPELLING = math.log(257)    # nats of a byte of an unknown token, or of its end, all equally likely
STEPS = 1000            # symbols that a file of integers is calibrated with
FEW = 1000              # symbols of a small vocabulary; a step of more takes long
BLOCK = 1 << 20         # characters of a text without line ends that are cut anywhere


class Language(Data):
    """What both kinds have: texts to call the exported model with, and metrics of log-probabilities.

    characters   of the text, ends of labelled texts included
    targets      the ids of all symbols, [N]
    strings()    the text, in the lists that it was turned into ids in
    """

    unit, output = "nats a symbol", "log_probability"
    monitor, mode, quality = "nats_per_token", "min", "log_likelihood"

    def __init__(self, head):
        self.text, self.states = head.text, head.network.state_size
        self.start, self.end = head.text.start, head.text.end
        self.vocabulary_size = len(head.text)

    def metrics(self, log_probability):
        """From log p of every symbol, in nats; `log_likelihood` is their mean.

        An unknown token is one of many: bits a character charge each with its spelling too, the others
        count it as one token, as is usual.
        """
        log_probability = np.asarray(log_probability, np.float64)
        found = language(log_probability.sum(), len(log_probability), self.characters,
                         spelling=self.spelling)
        return {**found, "unknown_share": float(np.mean(self.targets == UNKNOWN)),
                "log_likelihood": -found["nats_per_token"]}

    def rows(self, log_probability):
        """None: what is measured are symbols, not texts."""
        return iter(())

    def details(self, log_probability):
        return {}

    @functools.cached_property
    def spelling(self):
        """−log p of the spelling of all unknown tokens: of each byte and of the end, in nats."""
        if not np.any(self.targets == UNKNOWN):
            return 0.0
        return SPELLING * sum(spelled(self.text, strings) for strings in self.strings())

    def requests(self, count):
        """Steps of one symbol: as a device writes."""
        return "step", count * [{"ids": np.array([self.start], np.int32), **self.zeros()}]

    def longer(self, length):
        """None: a text is scored in pieces, whose states are carried on."""
        return 0

    def zeros(self):
        """Where a running text starts: {state: [1, size]}."""
        return {f"state_{n}": np.zeros([1, size], np.float32) for n, size in enumerate(self.states)}

    def served(self, signatures):
        """The same of a loaded SavedModel."""
        return self.predict(lambda signature, **inputs: signatures[signature](**inputs), tokens=WINDOW)


class RunningText(Language):
    """A running text: its symbols one after the other, on disk, read in windows whose states are carried.

    Args:    head    a `zoo.models.language_model.TextGenerator`
             stream  a `tasks.generation.streams.Stream`
    """

    def __init__(self, head, stream):
        super().__init__(head)
        self.ids = self.targets = encoded(head.text, stream)
        self.characters, self.stream = stream.characters, stream
        self.texts = openings(stream)
        self.lengths = np.full(-(-len(self.ids) // WINDOW), min(WINDOW, len(self.ids)))

    def strings(self):
        return ([block] for block in lines(self.stream))

    def predict(self, run, tokens=None):
        """log p of every symbol after all before it, each once: [N]. A file may have `step` alone."""
        if getattr(run, "signatures", {}).keys() == {"step"}:
            run = self.by_steps(run)

        def read(ids, previous, states):
            found = dict(run("ids", ids=ids, previous=previous, **states))
            return found.pop("log_probability"), found

        window = min(WINDOW, getattr(run, "length", None) or WINDOW)
        return self.read_by(read, run("init", ids=np.array([self.start], np.int32)), window)

    def read_by(self, read, states, window):
        """The same, by what reads as `TextGenerator.score` does, from these states."""
        last, found = np.array([self.start], np.int32), []
        for first in range(0, len(self.ids), window):
            ids = np.array(self.ids[None, first:first + window], np.int32)
            log_probability, states = read(ids, last, states)
            found.append(np.array(log_probability)[0])
            last = ids[:, -1]
        return np.concatenate(found)

    def by_steps(self, lite):
        """run(signature, **inputs) of a file that has `step` alone, for one text."""
        def run(signature, ids, previous=None, **states):
            if signature == "init":
                return self.zeros()
            found = []
            for last, symbol in zip([*previous, *ids[0]], ids[0]):
                states = dict(lite("step", ids=[last], **states))
                found.append(states.pop("log_probability")[0, symbol])
            return {"log_probability": np.array([found]), **states}
        return run

    def calibration(self, run):
        """Steps through the beginning of the text, each with the states that it meets there."""
        if self.vocabulary_size > FEW:
            return None
        states, found = self.zeros(), []
        for last in [self.start, *self.ids[:STEPS - 1]]:
            found.append({"ids": np.array([last], np.int32), **states})
            states = dict(run("step", **found[-1]))
            states = {name: np.asarray(states[name]) for name in found[-1] if name != "ids"}
        return found


class LabelledTexts(Language):
    """Texts that follow from labels, each with its end."""

    def __init__(self, head, examples):
        super().__init__(head)
        check_known((example.label for example in examples), head.labels)
        number = {label: n for n, label in enumerate(head.labels)}
        self.labels = np.array([number[example.label] for example in examples], np.int32)
        self.texts = [example.label for example in examples]
        self.examples = [example.text for example in examples]
        self.ids = [[*row, self.end] for row in head.text(self.examples).numpy()]
        self.targets = np.concatenate(self.ids)
        self.lengths = np.array([len(row) for row in self.ids])
        self.characters = sum(len(example.text) + 1 for example in examples)

    def strings(self):
        return [self.examples]

    def padded(self, rows):
        """What is scored of some texts."""
        return {"ids": right_padded([self.ids[row] for row in rows]), "label": self.labels[rows],
                "previous": np.full(len(rows), self.start, np.int32)}

    def batch(self, rows):
        """One training step's data."""
        given, tokens = self.padded(rows), int(self.lengths[rows].sum())
        read = np.concatenate([given["previous"][:, None], given["ids"][:, :-1]], 1)
        return Batch({"ids": read, "label": given["label"]}, given["ids"], tokens, tokens)

    def predict(self, run, tokens=16384):
        """log p of every symbol, text by text: [N]; by a file of fixed length in pieces."""
        def score(label, ids, previous):
            states, found = run("init", label=label), []
            length = getattr(run, "length", None) or ids.shape[1]
            for first in range(0, ids.shape[1], length):
                piece = ids[:, first:first + length]
                states = dict(run("ids", ids=piece, previous=previous, **states))
                found.append(states.pop("log_probability"))
                previous = piece[:, -1]
            return np.concatenate(found, 1)

        return self.outputs(score, tokens)

    def collected(self, outputs):
        return np.concatenate([row[:length] for row, length in zip(outputs, self.lengths)])


def spelled(text, strings):
    """Bytes of the unknown tokens in some strings, and an end for each."""
    unknown = tf.boolean_mask(text.words(strings).flat_values, text(strings).flat_values == UNKNOWN)
    return int(tf.reduce_sum(tf.strings.length(unknown) + 1))


def encoded(text, stream):
    """The ids of a stream, [N], in a file that is gone with the program."""
    kind = np.uint16 if len(text) <= 1 << 16 else np.int32
    file = tempfile.TemporaryFile()
    for block in lines(stream):
        text([block]).flat_values.numpy().astype(kind).tofile(file)
    file.flush()
    return np.memmap(file, kind, "r") if file.tell() else np.zeros(0, kind)


def lines(stream):
    """The blocks of a stream, cut where lines end: a word that is cut would be two."""
    rest = ""
    for block in stream:
        rest += block
        end = rest.rfind("\n") + 1 or len(rest) * (len(rest) > BLOCK)
        if end:
            yield rest[:end]
        rest = rest[end:]
    if rest:
        yield rest


def openings(stream, count=16, width=80):
    """The first lines of a stream, each cut short."""
    found = []
    for block in lines(stream):
        found += [line[:width] for line in block.split("\n") if line.strip()]
        if len(found) >= count:
            break
    return found[:count]
