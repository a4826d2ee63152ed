"""Text classification (N→1): data → model → train → evaluate → export.

    python -m tasks.sentiment                                  train on the standard corpus
    python -m tasks.sentiment --predict "not bad at all"       ask the exported model
    python -m tasks.sentiment --corpus=reviews.csv             your own texts and labels

Any labels will do, not only sentiment: topics, intents, several labels a text (`--multi_label`) or a
number (`--regression`).
"""

import tensorflow as tf

from tasks import cli
from tasks.reading.encoding import to_learn
from tasks.recipes import CLASSIFICATION, recipe
from tasks.reporting import plots, tables
from tasks.sentiment import corpora, metrics
from tasks.sentiment.baselines import BASELINES
from tasks.sentiment.dataset import DATASETS
from tasks.task import Task
from zoo.models.classifier import Classifier, TextClassifier
from zoo.models.configurations import CLASSIFIERS, configuration
from zoo.names import MOST_LABELS
from zoo.text.tokenizer import Text

FLAGS = cli.FLAGS
OVERRIDES = (*cli.NETWORK, "bidirectional", "pooling", "naive_bayes", "window", "embedding_range",
             "filters", "members")


class Sentiment(Task):
    """What is classification's own."""

    name = "sentiment"
    corpus_flags = ("text_column", "label_column", "id_column", "label_separator", "encoding", "fold")
    kind, example = "A recurrent text classifier", "not bad at all"

    def load_corpus(self):
        """The corpus of the flags; says what it is and what was odd about it."""
        corpus = corpora.load(FLAGS.corpus, 0, FLAGS.fold, FLAGS.multi_label, FLAGS.regression,
                              FLAGS.text_column, FLAGS.label_column, FLAGS.id_column,
                              FLAGS.label_separator, FLAGS.encoding)
        return cli.introduced(corpus, self.unit)

    def recipe(self, corpus):
        """The settings of the corpus's kind, else its own."""
        if corpus.regression:
            return recipe(CLASSIFICATION, "regression")
        return recipe(CLASSIFICATION, "many labels" if len(corpus.labels) > MOST_LABELS else corpus.name)

    def untrained(self, corpus):
        """A head whose vocabulary is learnt and whose network is new."""
        text = Text.learn(to_learn(example.text for example in corpus.train), FLAGS.tokenizer,
                          FLAGS.vocabulary_size, FLAGS.min_count, max_length=FLAGS.max_length)
        labels = corpus.labels or ["value"]
        kind = "multi" if corpus.multi_label else "regression" if corpus.regression else "single"
        options = configuration(CLASSIFIERS, FLAGS.model, cli.chosen(OVERRIDES))
        if kind == "regression" and options.get("naive_bayes"):
            raise ValueError("naive_bayes: expected labels to count, received numbers; use another "
                             "--model")
        return TextClassifier(Classifier(len(text), len(labels), **options), text, labels, kind)

    def data(self, head, examples):
        return DATASETS[head.kind](head, examples)

    def prepare(self, head, training):
        if head.network.ratios:
            training.count(head.network, FLAGS.seed)
        if head.kind == "regression":
            training.standardise(head)

    def loss(self, head):
        """The mean of the members' own losses: each learns as if it were alone."""
        dataset, members = DATASETS[head.kind], head.network.options["members"]

        def loss(targets, logits):
            each = tf.unstack(tf.reshape(logits, [members, -1, logits.shape[-1]]))
            losses = [dataset.loss(targets, one, FLAGS.label_smoothing) for one in each]
            return tf.add_n(losses) / members
        return loss

    def calibrate(self, head, validation):
        """Fit the temperature that makes the head's probabilities believable."""
        if head.kind != "regression":
            logits = tf.function(lambda ids: head.network(ids, training=False),
                                 input_signature=[tf.TensorSpec([None, None], tf.int32)])
            head.temperature = metrics.fit_temperature(validation.outputs(logits), validation.targets)

    def facts(self, head, corpus):
        return {"temperature": head.temperature}

    def baselines(self, corpus, test, head):
        return {name: baseline(corpus.train, test.texts, head.labels)
                for name, baseline in BASELINES[head.kind].items()}

    def draw(self, folder, head, targets, answers):
        """Confusion matrix and reliability."""
        if head.kind == "single":
            plots.confusion_matrix(metrics.confusion_matrix(targets, answers), head.labels,
                                   folder / "confusion_matrix.png")
            plots.reliability(*metrics.calibration(targets, answers), folder / "reliability.png")

    def limits(self):
        return [f"Reads the first {FLAGS.max_length} tokens of a text.",
                "Probabilities, if any, are calibrated on the validation part of that corpus.",
                "A token that is not in the vocabulary is read as unknown."]

    def show_answers(self, head, corpus, count=4):
        print()
        rows = head.predict([example.text for example in corpus.test[:count]])
        for example, row in zip(corpus.test[:count], rows):
            print(f"  {self.line(row, example.text)}   (truth: {example.label})")

    def line(self, row, text):
        return f"{tables.answer(row)}   {cli.shown(text)}"


TASK = Sentiment()
main = TASK.main
