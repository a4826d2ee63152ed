"""What classification has of its own on the way of `tasks.task`."""

import collections

import numpy as np
import tensorflow as tf

from tasks import calibration, exporting
from tasks.options import NONE
from tasks.reading import in_memory, labelled
from tasks.reading.corpus import OWN_TERMS
from tasks.reading.encoding import to_learn
from tasks.reading.splits import HELD_OUT
from tasks.recipes import CLASSIFICATION, NAMED, epochs
from tasks.reporting import plots
from tasks.sentiment import corpora, metrics, prediction
from tasks.sentiment.baselines import BASELINES
from tasks.sentiment.dataset import DATASETS
from tasks.task import Task, held_out
from zoo import trained
from zoo.models.classifier import Classifier, TextClassifier
from zoo.models.configurations import CLASSIFIERS, configuration
from zoo.models.options import ClassifierOptions
from zoo.names import AUTO
from zoo.options import names_of
from zoo.text import word_vectors
from zoo.text.tokenizer import Text

ALL = 1 << 30           # words of a vocabulary
OF_NETWORK = set(names_of(ClassifierOptions)) - {"window"}
FEW_TEXTS, LONG_TEXT, MANY_LABELS = 2000, 1000, 6   # texts; median of characters; the most that are few


class Sentiment(Task):
    """Text classification, N→1."""

    name, head_class = "sentiment", TextClassifier
    configurations = CLASSIFIERS
    kind, example = "A recurrent text classifier", "not bad at all"
    weights = None
    alternative = {"model": AUTO}
    model = linear = None       # what is trained, by its name; with AUTO also the n-grams' linear model

    def read_corpus(self, held_out=HELD_OUT):
        """The corpus of the settings."""
        settings = self.settings
        return corpora.load(
            settings.corpus, 0, settings.fold, settings.multi_label, settings.regression,
            settings.text_column, settings.label_column, settings.id_column, settings.label_separator,
            settings.encoding, held_out)

    def load_corpus(self, held_out=HELD_OUT):
        corpus = super().load_corpus(held_out)
        if corpus.stream:       # a shard alone tells nothing of the labels
            corpus.warnings += labelled.doubts(corpus, labelled.Format(
                self.settings.multi_label, label_separator=self.settings.label_separator))
        return corpus

    def corpus_of(self, columns, held_out, validation=None):
        """The corpus of texts and their labels."""
        given = {"train": columns, **({"validation": validation} if validation else {})}
        settings = self.settings
        datasets, notes = {}, []
        for split, (texts, labels) in given.items():
            datasets[split], skipped = in_memory.examples(texts, labels, settings.multi_label,
                                                          settings.regression)
            notes += skipped
        return labelled.assembled("texts", datasets, OWN_TERMS, notes, None, settings.multi_label,
                                  settings.regression, held_out)

    def recipe(self, corpus):
        """The settings of the corpus's kind, with as many epochs as its size asks for."""
        if corpus.name in NAMED:
            return CLASSIFICATION[corpus.name]
        found, vectors = CLASSIFICATION[self.kind_of(corpus)[0]], self.vectors_for(corpus)
        if self.settings.model not in (None, AUTO):     # which says what its network is
            found = {name: value for name, value in found.items() if name not in OF_NETWORK}
        return {**found, **({"vectors": vectors} if vectors else {}),
                "epochs": epochs(found, len(corpus.train))}

    def reason(self, corpus):
        return "" if corpus.name in NAMED else self.kind_of(corpus)[1]

    def kind_of(self, corpus):
        """As the function, by the vectors that there are."""
        return kind_of(corpus, self.vectors_for(corpus) not in (None, NONE))

    def looks_up_words(self):
        settings = self.settings
        return settings.tokenizer == "word" and settings.model != "linear" and settings.layers != 0

    def text_settings(self, text):
        return {"tokenizer": text.tokenizer, "max_length": text.max_length or self.settings.max_length}

    def untrained(self, corpus):
        """A head whose vocabulary is learnt and whose network is new."""
        settings = self.settings
        text, learnt, vectors = self.text_of(corpus)
        labels = corpus.labels or ["value"]
        kind = "multi" if corpus.multi_label else "regression" if corpus.regression else "single"
        self.model = self.recipe(corpus)["model"] if settings.model == AUTO else settings.model
        options = configuration(CLASSIFIERS, self.model, settings.chosen(ClassifierOptions))
        if corpus.stream and (options.get("naive_bayes") or options.get("ngrams")):
            raise ValueError("model: expected one that learns by steps alone for shards, received one "
                             "that counts words or n-grams in memory; set --model=bilstm")
        if kind == "regression" and options.get("naive_bayes"):
            raise ValueError("naive_bayes: expected labels to count, received numbers; use another "
                             "--model")
        width = vectors.width if vectors else 0
        network = Classifier(len(text), len(labels), width, learnt, **options)
        if vectors and not network.recurrent:
            raise ValueError("vectors: expected a model with an embedding, received one of n-grams "
                             "alone; use another --model")
        if vectors:
            network.vectors.give(vectors.rows(text.vocabulary))
        return TextClassifier(network, text, labels, kind)

    def text_of(self, corpus):
        """The text processing, how many of its words are learnt, and the vectors of words or None."""
        settings = self.settings
        texts = list(to_learn(example.text for example in corpus.train))
        text = self.extended(Text.learn(texts, settings.tokenizer, settings.vocabulary_size,
                                        settings.min_count, max_length=settings.max_length))
        vectors = self.earlier_vectors() if settings.vectors is None else settings.vectors != NONE and (
            word_vectors.Table(*word_vectors.read(trained.word_vectors(settings.vectors))))
        if not vectors:
            return text, len(text), None
        learnt = len(text)
        seen = Text.learn(texts, settings.tokenizer, ALL).vocabulary
        return text.including(self.known_by_vectors(seen, vectors)), learnt, vectors

    def data(self, head, examples):
        return DATASETS[head.kind](head, examples)

    def data_in(self, head, examples):
        data = self.data(head, examples)
        if head.kind == "regression":
            data.standardise(head)
        return data

    def prepare(self, head, training):
        if head.network.ratios:
            training.count(head.network, self.settings.seed)
        if head.kind == "regression":
            training.learn_scale(head)
        balanced = self.settings.class_weight == "balanced"
        self.weights = training.balanced() if balanced else None
        if head.network.wide:
            training.wide = training.fit_linear(head.network.wide, self.settings.seed, self.weights)
        if self.settings.model == AUTO and head.network.recurrent:
            self.linear = self.n_grams_alone(head, training)

    def n_grams_alone(self, head, training):
        """A fitted network of n-grams alone, that of `head` if it has one."""
        given = {"ngrams": head.network.options.ngrams or self.settings.ngrams}
        network = Classifier(len(head.text), len(head.labels), **configuration(
            CLASSIFIERS, "linear", {name: value for name, value in given.items() if value}))
        if head.network.wide:
            network.wide.set_weights(head.network.wide.get_weights())
        else:
            training.fit_linear(network.wide, self.settings.seed, self.weights)
        return network

    def loss(self, head):
        """The mean of the losses of the ensemble's networks: each learns as if it were alone."""
        dataset, count = DATASETS[head.kind], head.network.options.ensemble
        smoothing = self.settings.label_smoothing

        def loss(targets, logits):
            each = tf.unstack(tf.reshape(logits, [count, -1, logits.shape[-1]]))
            losses = [dataset.loss(targets, one, smoothing, self.weights) for one in each]
            return tf.add_n(losses) / count
        return loss

    def calibrate(self, head, validation):
        """Make probabilities believable; with --model=auto, of the network that validates better."""
        (self.keep_better if self.linear else self.fit_probabilities)(head, validation)

    def keep_better(self, head, validation):
        """Leave the head the better of its network and the linear model, which is small: it wins ties."""
        networks, scores = {"linear": self.linear, self.model: head.network}, {}
        for name, head.network in networks.items():
            self.fit_probabilities(head, validation)
            predictions = validation.predict(exporting.of_head(head))
            scores[name] = validation.metrics(predictions)[validation.quality]
        self.model = max(scores, key=scores.get)
        head.network = networks[self.model]
        self.fit_probabilities(head, validation)
        print(f"model auto takes {self.model}: {validation.quality} on the validation split "
              + ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))

    def fit_probabilities(self, head, validation):
        """Fit the temperature that makes probabilities believable, and thresholds of several labels."""
        if head.kind != "regression":
            graph = tf.function(lambda inputs: head.network(inputs, training=False),
                                input_signature=[head.specs], autograph=False)
            logits, targets = validation.outputs(lambda **inputs: graph(inputs)), validation.targets
            head.temperature = calibration.fit_temperature(logits, targets)
        if head.kind == "multi":
            head.thresholds = metrics.fit_thresholds(
                targets, calibration.sigmoid(logits / head.temperature))

    def facts(self, head, corpus):
        return {"model": self.model, "temperature": head.temperature, "thresholds": head.thresholds}

    def baselines(self, corpus, data, head):
        return {name: held_out(data, lambda texts: baseline(corpus, texts, head.labels))
                for name, baseline in BASELINES[head.kind].items()}

    def draw(self, folder, head, targets, predictions):
        """Confusion matrix and reliability."""
        if head.kind == "single":
            plots.confusion_matrix(metrics.confusion_matrix(targets, predictions), head.labels,
                                   folder / "confusion_matrix.png")
            plots.reliability(*calibration.calibration(targets, predictions), folder / "reliability.png")

    def label_counts(self, corpus):
        labels = (label if isinstance(label, tuple) else (label,) for _, label in corpus.train)
        return {} if corpus.regression else dict(
            collections.Counter(one for several in labels for one in several).most_common())

    def limits(self):
        return [f"Reads the first {self.settings.max_length} tokens of a text.",
                "Probabilities, if any, are calibrated on the validation split of that corpus.",
                "A token that is not in the vocabulary is read as unknown."]

    def show_predictions(self, head, corpus, count=4):
        print()
        rows = head.predict([example.text for example in corpus.test[:count]])
        for example, row in zip(corpus.test[:count], rows):
            print(f"  {self.line(row, example.text)}   (truth: {example.label})")

    def line(self, row, text):
        return prediction.line(row, text)


def kind_of(corpus, vectors=False):
    """(which of the recipes for corpora without one of their own is for a corpus, why).

    >>> kind_of(corpora.load("sample"))
    ('default', '56 characters each')
    """
    length = int(np.median([len(example.text) for example in corpus.train] or [0]))
    kinds = {"regression": corpus.regression, "several labels": corpus.multi_label,
             "many labels": len(corpus.labels) > MANY_LABELS, "long texts": length > LONG_TEXT,
             "few texts": len(corpus.train) < FEW_TEXTS,
             "more than two labels": 2 < len(corpus.labels) <= MANY_LABELS}
    names = ["vectors, " * vectors + kind for kind, is_one in kinds.items() if is_one]
    found = next((name for name in names if name in CLASSIFICATION), "vectors" if vectors else "default")
    named = f"{found}, " * (found != "default")
    return found, f"{named}{length:,} characters each"


def main(settings):
    Sentiment(settings).main()
