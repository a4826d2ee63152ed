"""What a translator reads of a split of a corpus: pairs as ids, sources with all their translations."""

import itertools
import typing

import numpy as np

from tasks.reporting.report import ERRORS
from tasks.training.batches import Batch
from tasks.training.dataset import Data, right_padded
from tasks.translation import metrics
from tasks.translation.corpora import references
from zoo.decoding.options import BeamOptions

TOKENS = 4096           # of the sources that are translated in one call


class Predictions(typing.NamedTuple):
    """What is known of a split: a translation of every source; log p of every pair, or None.

    log_probability  [N], in nats, of each pair's translation as the corpus has it, its end included
    """

    texts: list
    log_probability: np.ndarray | None = None


class Pairs(Data):
    """Pairs as ids, for training and for their probability. A target ends in [END].

    Args:    head  a `zoo.models.translator.TextTranslator`;   pairs  a list of (source, target)
    """

    def __init__(self, head, pairs):
        self.start = head.text.target.start
        self.sources = encoded(head.text.source, [source for source, _ in pairs])
        self.targets = [np.append(row, np.int32(head.text.target.end))
                        for row in encoded(head.text.target, [target for _, target in pairs])]
        self.source_lengths, self.lengths = (
            np.array([len(row) for row in rows], int) for rows in (self.sources, self.targets))

    def key(self):
        """A number that sorts pairs by the length of the target, equals by that of the source: [N]."""
        return self.lengths * (1 + self.source_lengths.max(initial=0)) + self.source_lengths

    def no_longer_than(self, tokens):
        """The places of the pairs with at most so many tokens on either side."""
        return np.flatnonzero(np.maximum(self.lengths, self.source_lengths) <= tokens)

    def padded(self, rows):
        """What is scored of some pairs."""
        return {"ids": right_padded([self.sources[row] for row in rows]),
                "target": right_padded([self.targets[row] for row in rows])}

    def batch(self, rows):
        """One training step's data; the loss is a mean over the targets' tokens."""
        given = self.padded(rows)
        start = np.full([len(rows), 1], self.start, np.int32)
        written = np.concatenate([start, given["target"][:, :-1]], 1)
        count = int(self.lengths[rows].sum())
        return Batch({"source": given["ids"], "target": written}, given["target"], count,
                     count + int(self.source_lengths[rows].sum()))

    def longer(self, length):
        """How many pairs have more tokens on a side."""
        return int(np.sum(np.maximum(self.lengths, self.source_lengths) > length))

    def predict(self, run, tokens=16384):
        """log p of every pair: [N]; None of a file that would leave out what is beyond its length."""
        length = getattr(run, "length", None)
        if length and self.longer(length):
            return None
        return self.outputs(lambda **inputs: np.sum(run("ids", **inputs)["log_probability"], 1), tokens)


class Translations(Data):
    """The sources of a split, each once, with their translations.

    Args:    head      a `zoo.models.translator.TextTranslator`
             pairs     a list of `tasks.reading.splits.Pair`
             language  of the translations
             width     of the beam that translates; 1 is greedy
    """

    unit, output = "nats a token", "ids"
    monitor = quality = "bleu"
    budget = 0.5  # points of BLEU

    def __init__(self, head, pairs, language, width=BeamOptions.width, alpha=BeamOptions.alpha):
        self.head, self.language, self.width, self.alpha = head, language, width, alpha
        self.pairs = Pairs(head, pairs)
        self.targets = references(pairs)
        self.texts = list(self.targets)
        self.ids = encoded(head.text.source, self.texts)
        self.lengths = np.array([len(row) for row in self.ids], int)

    def longer(self, length):
        return self.pairs.longer(length)

    @property
    def beam(self):
        return {"width": np.int32(self.width), "alpha": np.float32(self.alpha)}

    def padded(self, rows):
        return {"ids": right_padded([self.ids[row] for row in rows])}

    def predict(self, run, tokens=TOKENS):
        """Translations by `beam`, or `greedy`; log p by `ids`."""
        def translated(rows):
            read = self.padded(rows)
            found = run("greedy", **read) if self.width == 1 else run("beam", **read, **self.beam)
            best = {name: np.asarray(found[name])[:, :1] for name in found}
            text = [self.texts[row] for row in rows]
            return self.head.text.target.joined(self.head.pieces(best, text))[:, 0]

        return Predictions(self.outputs(translated, tokens, lambda rows: {"rows": rows}),
                           self.pairs.predict(run))

    def served(self, signatures):
        """The predictions of a loaded SavedModel for the texts themselves."""
        def translated(rows):
            text = np.array([self.texts[row].encode() for row in rows], object)
            return signatures["n_best"](text=text, **self.beam)["translations"][:, 0]

        def run(signature, **inputs):
            return signatures[signature](**inputs)

        return Predictions(self.outputs(translated, TOKENS, lambda rows: {"rows": rows}),
                           self.pairs.predict(run))

    def collected(self, outputs):
        return [text.decode("utf-8", "replace") for text in outputs]

    def metrics(self, predictions):
        """BLEU, chrF, exact match; with log p the loss in nats a token, and the perplexity."""
        scores = metrics.translation(
            predictions.texts, list(self.targets.values()), self.language)
        if predictions.log_probability is None:
            return scores
        nats = -float(np.sum(predictions.log_probability, dtype=np.float64)) / self.pairs.lengths.sum()
        return {**scores, "log_loss": nats, "perplexity": float(np.exp(min(nats, 700.0)))}

    def rows(self, predictions):
        for (text, truth), translation in zip(self.targets.items(), predictions.texts):
            yield {"text": text, "label": truth, "predicted": translation,
                   "chrf": metrics.sentence_chrf(translation, truth)}

    def details(self, predictions):
        return {"errors": sorted(self.rows(predictions), key=lambda row: row["chrf"])[:ERRORS]}

    def requests(self, count):
        """Greedy translations, one text at a time: as a device translates."""
        # By length, as a TFLite file is opened again for another shape.
        rows = sorted(range(min(count, len(self))), key=self.lengths.__getitem__)
        return "greedy", [self.padded([row]) for row in rows]


def encoded(text, strings):
    """The ids of strings, a list of arrays."""
    return [row for some in batched(strings, 1024) for row in text(some).numpy()]


def batched(items, size):
    """Lists of at most so many items.

    >>> list(batched("abc", 2))
    [['a', 'b'], ['c']]
    """
    items = iter(items)
    while some := list(itertools.islice(items, size)):
        yield some
