"""What classification has of its own on the way of `tasks.task`."""

import collections

import tensorflow as tf

from tasks import calibration
from tasks.reading import in_memory, labelled
from tasks.reading.corpus import OWN_TERMS
from tasks.reading.encoding import to_learn
from tasks.reading.splits import HELD_OUT
from tasks.recipes import CANDIDATES, CLASSIFICATION, recipe
from tasks.reporting import plots
from tasks.sentiment import corpora, metrics, prediction
from tasks.sentiment.baselines import BASELINES
from tasks.sentiment.dataset import DATASETS
from tasks.task import Task
from zoo.models.classifier import Classifier, TextClassifier
from zoo.models.configurations import CLASSIFIERS, configuration
from zoo.models.options import ClassifierOptions
from zoo.names import MOST_LABELS
from zoo.text import word_vectors
from zoo.text.tokenizer import Text

ALL = 1 << 30           # words of a vocabulary
FEW_TEXTS = 2000


class Sentiment(Task):
    """Text classification, N→1."""

    name, head_class = "sentiment", TextClassifier
    kind, example = "A recurrent text classifier", "not bad at all"
    weights = None

    def load_corpus(self, held_out=HELD_OUT):
        """The corpus of the settings."""
        settings = self.settings
        return corpora.load(
            settings.corpus, 0, settings.fold, settings.multi_label, settings.regression,
            settings.text_column, settings.label_column, settings.id_column, settings.label_separator,
            settings.encoding, held_out)

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
        """The settings of the corpus's kind, else its own."""
        if corpus.regression:
            return recipe(CLASSIFICATION, "regression")
        if len(corpus.labels) > MOST_LABELS:
            return recipe(CLASSIFICATION, "many of several labels" if corpus.multi_label
                          else "many labels")
        if corpus.multi_label:
            return recipe(CLASSIFICATION, "several labels")
        if self.settings.vectors:
            few = len(corpus.train) < FEW_TEXTS
            return recipe(CLASSIFICATION, f"vectors of {corpus.name}",
                          "vectors of few texts" if few else "vectors")
        return recipe(CLASSIFICATION, corpus.name)

    def candidates(self):
        return [*super().candidates(), *(CANDIDATES["vectors"] if self.settings.vectors else [])]

    def text_settings(self, text):
        return {"tokenizer": text.tokenizer, "max_length": text.max_length or self.settings.max_length}

    def untrained(self, corpus):
        """A head whose vocabulary is learnt and whose network is new."""
        settings = self.settings
        text, learnt, vectors = self.text_of(corpus)
        labels = corpus.labels or ["value"]
        kind = "multi" if corpus.multi_label else "regression" if corpus.regression else "single"
        options = configuration(CLASSIFIERS, settings.model, settings.chosen(ClassifierOptions))
        if kind == "regression" and options.get("naive_bayes"):
            raise ValueError("naive_bayes: expected labels to count, received numbers; use another "
                             "--model")
        width = vectors.width if vectors else 0
        network = Classifier(len(text), len(labels), width, learnt, **options)
        if vectors:
            network.vectors.give(vectors.rows(text.vocabulary))
        return TextClassifier(network, text, labels, kind)

    def text_of(self, corpus):
        """The text processing, how many of its words are learnt, and the vectors of words or None."""
        settings = self.settings
        texts = list(to_learn(example.text for example in corpus.train))
        text = self.extended(Text.learn(texts, settings.tokenizer, settings.vocabulary_size,
                                        settings.min_count, max_length=settings.max_length))
        if not settings.vectors:
            return text, len(text), None
        learnt, vectors = len(text), word_vectors.Table(*word_vectors.read(settings.vectors))
        every = Text.learn(texts, settings.tokenizer, ALL)
        trained = [word for word in every.vocabulary if vectors.places(word)]
        return text.including([*trained, *vectors.words[:settings.vector_words]]), learnt, vectors

    def data(self, head, examples):
        return DATASETS[head.kind](head, examples)

    def prepare(self, head, training):
        if head.network.ratios:
            training.count(head.network, self.settings.seed)
        if head.kind == "regression":
            training.standardise(head)
        balanced = self.settings.class_weight == "balanced"
        self.weights = training.balanced() if balanced else None
        if head.network.wide:
            training.fit_linear(head, self.settings.seed, self.weights)

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
        """Fit the temperature that makes probabilities believable, and thresholds of several labels."""
        if head.kind != "regression":
            graph = tf.function(lambda inputs: head.network(inputs, training=False),
                                input_signature=[head.specs])
            logits, targets = validation.outputs(lambda **inputs: graph(inputs)), validation.targets
            head.temperature = calibration.fit_temperature(logits, targets)
        if head.kind == "multi":
            head.thresholds = metrics.fit_thresholds(
                targets, calibration.sigmoid(logits / head.temperature))

    def facts(self, head, corpus):
        return {"temperature": head.temperature, "thresholds": head.thresholds}

    def baselines(self, corpus, test, head):
        return {name: baseline(corpus.train, test.texts, head.labels)
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


def main(settings):
    Sentiment(settings).main()
