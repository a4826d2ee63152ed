"""Text classification (N→1): data → model → train → evaluate → export.

    python -m tasks.sentiment                                  train on the standard corpus
    python -m tasks.sentiment --predict "not bad at all"       ask the exported model
    python -m tasks.sentiment --corpus=reviews.csv             your own texts and labels

Any labels will do, not only sentiment: topics, intents, several labels a text (`--multi_label`) or a
number (`--regression`).
"""

import tensorflow as tf
from absl import flags

from tasks import cli
from tasks.recipes import CLASSIFICATION, recipe
from tasks.reporting import plots, tables
from tasks.sentiment import corpora, metrics
from tasks.sentiment.baselines import BASELINES
from tasks.sentiment.dataset import DATASETS
from tasks.task import Task
from zoo.layers.naive_bayes import MOST_LABELS
from zoo.models.classifier import Classifier, TextClassifier
from zoo.models.configurations import CLASSIFIERS, configuration
from zoo.text.tokenizer import TOKENIZERS, Text

FLAGS = flags.FLAGS
OVERRIDES = (*cli.NETWORK, "bidirectional", "pooling", "naive_bayes", "window", "embedding_range",
             "filters", "members")


class Sentiment(Task):
    """What is classification's own."""

    name = "sentiment"
    corpus_flags = ("text_column", "label_column", "fold")
    kind, example = "A recurrent text classifier", "not bad at all"

    def define_flags(self):
        """Called by the program alone: whoever imports this module may have flags of the same names."""
        cli.define_task_flags(self.name, CLASSIFIERS)
        flags.adopt_module_key_flags(cli)
        flags.DEFINE_bool("multi_label", False, "Any number of labels a text, separated by '|'.")
        flags.DEFINE_bool("regression", False, "A number instead of a label.")
        flags.DEFINE_string("text_column", None, "Name or number of the text's column in a file.")
        flags.DEFINE_string("label_column", None, "Name or number of the label's column in a file.")
        flags.DEFINE_integer("fold", None, "0 to 4: the test part of a fixed 5-fold split.")
        flags.DEFINE_enum("tokenizer", "word", list(TOKENIZERS), "How a text is cut.")
        flags.DEFINE_integer("vocabulary_size", 20000, "Largest vocabulary.", 3)
        flags.DEFINE_integer("min_count", 2, "How often a token occurs to be in the vocabulary.", 1)
        flags.DEFINE_integer("max_length", 1024, "Tokens of a text that are read.", 1)
        flags.DEFINE_bool("bidirectional", None, "Read both ways.")
        flags.DEFINE_string("pooling", None, "last, or some of mean, max, attention joined by '+'.")
        flags.DEFINE_bool("naive_bayes", None, "Read and correct log-count ratios of words and pairs.")
        flags.DEFINE_integer("window", None, "Read pieces of this many tokens side by side.", 1)
        flags.DEFINE_float("embedding_range", None, "A new embedding is uniform in plus or minus this.",
                           0)
        flags.DEFINE_integer("filters", None, "Learnt n-grams of each width, 2, 3 and 4; 0 for none.", 0)
        flags.DEFINE_integer("members", None, "Networks that answer together.", 1)
        flags.DEFINE_float("label_smoothing", None, "Share of the target spread over all labels.")
        cli.rates("label_smoothing")

    def load_corpus(self):
        """The corpus of the flags; says what it is and what was odd about it."""
        corpus = corpora.load(FLAGS.corpus, 0, FLAGS.fold, FLAGS.multi_label, FLAGS.regression,
                              FLAGS.text_column, FLAGS.label_column)
        return cli.introduced(corpus, self.unit)

    def recipe(self, corpus):
        """The settings of the corpus's kind, else its own."""
        if corpus.regression:
            return recipe(CLASSIFICATION, "regression")
        return recipe(CLASSIFICATION, "many labels" if len(corpus.labels) > MOST_LABELS else corpus.name)

    def untrained(self, corpus):
        """A head whose vocabulary is learnt and whose network is new."""
        text = Text.learn([example.text for example in corpus.train], FLAGS.tokenizer,
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


if __name__ == "__main__":
    TASK.define_flags()
    cli.main(TASK.main)
