"""Text classification (N→1): data → model → train → evaluate → export.

    python -m tasks.sentiment                                  train on the standard corpus
    python -m tasks.sentiment --predict "not bad at all"       ask the exported model
    python -m tasks.sentiment --corpus=reviews.csv             your own texts and labels

Any labels will do, not only sentiment: topics, intents, several labels a text (`--multi_label`) or a
number (`--regression`).
"""

import numpy as np
import tensorflow as tf
from absl import flags

import zoo
from export import model_card, saved_model
from tasks import command, corpora, loop, metrics, plots, publish, report
from tasks.batches import Batch, Batches, bucketed, cut_by_tokens
from tasks.objectives import OBJECTIVES
from tasks.recipes import CLASSIFICATION, recipe
from tasks.run import FINGERPRINT, Run
from zoo.classifier import CELLS, Classifier, TextClassifier
from zoo.configurations import CLASSIFIERS, configuration
from zoo.naive_bayes import MOST_LABELS, CrossFit
from zoo.text import TOKENIZERS, Text

TASK = "sentiment"
FLAGS = flags.FLAGS
command.define_common_flags(TASK)
flags.adopt_module_key_flags(command)

flags.DEFINE_enum("mode", "train", ["train", "evaluate", "export"], "train does everything; "
                  "evaluate scores the trained model on its corpus or, if given, another --corpus; "
                  "export writes and measures its files again.")
flags.DEFINE_bool("multi_label", False, "Any number of labels a text, separated by '|'.")
flags.DEFINE_bool("regression", False, "A number instead of a label.")
flags.DEFINE_string("text_column", None, "Name or number of the text's column in a file.")
flags.DEFINE_string("label_column", None, "Name or number of the label's column in a file.")
flags.DEFINE_integer("fold", None, "0 to 4: the test part of a fixed 5-fold split.")
CORPUS_FLAGS = ("text_column", "label_column", "fold")

flags.DEFINE_enum("tokenizer", "word", list(TOKENIZERS), "How a text is cut.")
flags.DEFINE_integer("vocabulary_size", 20000, "Largest vocabulary.", 3)
flags.DEFINE_integer("min_count", 2, "How often a token occurs to be in the vocabulary.", 1)
flags.DEFINE_integer("max_length", 1024, "Tokens of a text that are read.", 1)

flags.DEFINE_enum("model", None, list(CLASSIFIERS), "A configuration of the zoo; this and the "
                  "training flags come from the corpus's recipe by default: see tasks/recipes.py.")
flags.DEFINE_enum("cell", None, list(CELLS), "Overrides the model's.")
flags.DEFINE_bool("bidirectional", None, "Overrides the model's.")
flags.DEFINE_string("pooling", None, "last, or some of mean, max, attention joined by '+'.")
flags.DEFINE_integer("units", None, "Width of a recurrent layer, of one direction.", 1)
flags.DEFINE_integer("layers", None, "Recurrent layers.", 1)
flags.DEFINE_integer("embedding", None, "Width of the embedding.", 1)
flags.DEFINE_float("embedding_range", None, "A new embedding is uniform in plus or minus this.", 0)
flags.DEFINE_integer("filters", None, "Learnt n-grams of each width, 2, 3 and 4; 0 for none.", 0)
flags.DEFINE_integer("members", None, "Networks that answer together.", 1)
flags.DEFINE_float("word_dropout", None, "Rate at which a word is read as unknown.")
flags.DEFINE_float("embedding_dropout", None, "Rate for the embedding's coordinates.")
flags.DEFINE_float("output_dropout", None, "Rate before the linear layer.")
flags.DEFINE_string("engine", None, "Engine of the recurrent layers: see zoo.engines.")
flags.DEFINE_bool("naive_bayes", None, "Read and correct log-count ratios of words and pairs.")
flags.DEFINE_integer("window", None, "Read pieces of this many tokens side by side.", 1)
OVERRIDES = ("cell", "bidirectional", "pooling", "units", "layers", "embedding", "word_dropout",
             "embedding_dropout", "output_dropout", "naive_bayes", "window", "engine",
             "embedding_range", "filters", "members")

flags.DEFINE_integer("epochs", None, "Most epochs.", 1)
flags.DEFINE_integer("batch_size", None, "Texts a step.", 1)
flags.DEFINE_float("learning_rate", None, "Highest learning rate.", 0)
flags.DEFINE_float("weight_decay", None, "Decoupled weight decay.", 0)
flags.DEFINE_float("average", None, "Decay of the averaged weights; 0 for none.")
flags.DEFINE_integer("patience", None, "Epochs without a better score before stopping.", 0)
flags.DEFINE_float("label_smoothing", None, "Share of the target spread over all labels.")
flags.DEFINE_float("clip_norm", 1.0, "Largest norm of the gradient; 0 for any.", 0)
command.rates("word_dropout", "embedding_dropout", "output_dropout", "label_smoothing", "average")


def main():
    """Answer, score, export again, or train."""
    if FLAGS.predict is not None:
        answer()
    elif FLAGS.mode == "evaluate":
        evaluate()
    elif FLAGS.mode == "export":
        export_again()
    else:
        train()


def train():
    """The whole way from a corpus to exported, measured files."""
    loop.deterministic(FLAGS.seed)
    corpus = load_corpus()
    command.fill(recipe(CLASSIFICATION, recipe_name(corpus)))
    head = untrained(corpus)
    run = Run.open(FLAGS.output_dir, TASK, settings(corpus), FLAGS.overwrite,
                   {**loop.environment(), "engine": head.network.engine_in_use})
    if run.finished:
        print(f"{run.folder} holds this run, finished; --overwrite trains it again.\n")
        return report.show(run.read_json("metrics.json"))
    data = {part: Data(head, getattr(corpus, part)) for part in corpora.PARTS}
    result = fit(head, data, run)
    calibrate(head, data["validation"])
    head.save(run.folder)
    finish(run, head, corpus, data, result)


def load_corpus():
    """The corpus of the flags; says what it is and what was odd about it."""
    corpus = corpora.load(FLAGS.corpus, 0, FLAGS.fold, FLAGS.multi_label, FLAGS.regression,
                          FLAGS.text_column, FLAGS.label_column)
    for warning in corpus.warnings:
        print(f"note: {warning}")
    print(f"{corpus.name}: {len(corpus.train):,} texts to learn from, {len(corpus.validation):,} "
          f"to choose by, {len(corpus.test):,} to test on")
    return corpus


def recipe_name(corpus):
    """Which recipe goes with a corpus: that of its kind, else its own."""
    if corpus.regression:
        return "regression"
    return "many labels" if len(corpus.labels) > MOST_LABELS else corpus.name


def settings(corpus):
    """What shapes the result: the flags, and which corpus they led to."""
    name = corpus.name if FLAGS.corpus == "auto" else FLAGS.corpus
    return {**command.settings(__name__), "corpus": name, FINGERPRINT: corpus.fingerprint}


def untrained(corpus):
    """A head whose vocabulary is learnt and whose network is new."""
    text = Text.learn([example.text for example in corpus.train], FLAGS.tokenizer,
                      FLAGS.vocabulary_size, FLAGS.min_count, max_length=FLAGS.max_length)
    labels = corpus.labels or ["value"]
    kind = "multi" if corpus.multi_label else "regression" if corpus.regression else "single"
    options = configuration(CLASSIFIERS, FLAGS.model, command.chosen(OVERRIDES))
    if kind == "regression" and options.get("naive_bayes"):
        raise ValueError("naive_bayes: expected labels to count, received numbers; use another --model")
    network = Classifier(len(text), len(labels), **options)
    head = TextClassifier(network, text, labels, kind)
    if FLAGS.init_from:
        head.start_from(zoo.load(FLAGS.init_from))
    return head


class Data:
    """The texts of one part as ids, and their targets."""

    def __init__(self, head, examples):
        self.objective = OBJECTIVES[head.kind]
        self.texts = [example.text for example in examples]
        self.targets = self.objective.targets(examples, head.labels)
        self.ids = [row for n in range(0, len(self.texts), 1024)
                    for row in head.text(self.texts[n:n + 1024]).numpy()]
        self.lengths = np.array([len(row) for row in self.ids])
        self.wanted, self.crossfit = self.targets, None

    def standardise(self, head):
        """Learn numbers of mean 0 and deviation 1, whatever their unit; the head turns them back."""
        head.mean, head.deviation = float(self.targets.mean()), float(self.targets.std()) or 1.0
        self.wanted = (self.targets - head.mean) / head.deviation

    def count(self, network):
        """Count log-count ratios, for the network and, out of fold, for training on these texts."""
        members = self.objective.members(self.targets, network.ratios.outputs)
        self.crossfit = CrossFit(self.ids, members, network.ratios.vocabulary_size, FLAGS.seed)
        self.crossfit.give(network.ratios)

    def batch(self, rows):
        """One training step's data, padded to its longest text."""
        ids = self.padded(rows)
        if self.crossfit:
            ids = ids, self.crossfit.ratios(rows, ids)
        return Batch(ids, self.wanted[rows], len(rows), int(self.lengths[rows].sum()))

    def padded(self, rows):
        """The ids of some texts: [rows, T], 0 after the end."""
        ids = np.zeros((len(rows), max(1, self.lengths[rows].max())), np.int32)
        for line, row in zip(ids, rows):
            line[:self.lengths[row]] = self.ids[row]
        return ids

    def outputs(self, function, tokens=16384):
        """function(ids [B, T]) for every text, in order, read in batches of similar length."""
        order = np.argsort(self.lengths, kind="stable")
        groups = cut_by_tokens(order, np.maximum(self.lengths, 1), tokens)
        outputs = np.concatenate([np.asarray(function(self.padded(rows))) for rows in groups])
        return outputs[np.argsort(order)]

    def measures(self, answers):
        """The measures of answers, one a text."""
        return self.objective.measures(self.targets, answers)


def fit(head, data, run):
    """Train the head's network; its weights are then those of the best epoch."""
    objective, training = OBJECTIVES[head.kind], data["train"]
    if head.network.ratios:
        training.count(head.network)
    if head.kind == "regression":
        training.standardise(head)
    answers = answers_of(head)

    def loss(targets, logits):
        """The mean of the members' own losses: each learns as if it were alone."""
        each = tf.unstack(tf.reshape(logits, [head.network.options["members"], -1, logits.shape[-1]]))
        losses = [objective.loss(targets, one, FLAGS.label_smoothing) for one in each]
        return tf.add_n(losses) / len(losses)

    def batches(epoch):
        groups = bucketed(training.lengths, FLAGS.batch_size, FLAGS.seed, epoch)
        return Batches(groups, training.batch)

    def validate(network):
        return data["validation"].measures(data["validation"].outputs(answers))

    return loop.train(head.network, loss, batches, validate, run, loop.Settings(
        epochs=FLAGS.epochs, learning_rate=FLAGS.learning_rate, weight_decay=FLAGS.weight_decay,
        clip_norm=FLAGS.clip_norm, average=FLAGS.average, patience=FLAGS.patience,
        monitor=objective.monitor, mode=objective.mode,
        tensorboard=FLAGS.tensorboard and str(run.folder / "tensorboard")))


def traced(function):
    """A function of ids [B, T] as one graph for any size."""
    return tf.function(function, input_signature=[tf.TensorSpec([None, None], tf.int32)])


def answers_of(head):
    """ids [B, T] → probabilities or values, as the head gives them now."""
    return traced(lambda ids: head.answer(ids)[OBJECTIVES[head.kind].output])


def calibrate(head, validation):
    """Fit the temperature that makes the head's probabilities believable."""
    if head.kind != "regression":
        logits = validation.outputs(traced(lambda ids: head.network(ids, training=False)))
        head.temperature = metrics.fit_temperature(logits, validation.targets)


def finish(run, head, corpus, data, result):
    """Export, measure every file on the test part, and write all results."""
    answers_now = answers_of(head)
    answers = {part: data[part].outputs(answers_now) for part in ("validation", "test")}
    facts = {
        "task": TASK, "corpus": corpus.name, "model": FLAGS.model, "seed": FLAGS.seed,
        "command": command.line(TASK, __name__),
        "parameters": sizes(head.network.trainable_weights), "weights": sizes(head.network.weights),
        "engine": head.network.engine_in_use, "temperature": head.temperature,
        "train": {"seconds": result.seconds, "tokens_per_second": result.tokens_per_second,
                  "epochs": result.epochs},
        **{part: data[part].measures(answers[part]) for part in answers},
        "baselines": baselines_on(data["test"], corpus, head),
        "exports": publish.export(run, head, data, FLAGS.force)}
    draw(run, head, data["test"].targets, answers["test"], result.history)
    record(run, corpus, facts)
    show_answers(head, corpus)
    where = f" --output_dir={run.folder}" if FLAGS["output_dir"].present else ""
    print(f'\nnext: python -m tasks.{TASK}{where} --predict "not bad at all"')


def sizes(weights):
    """How many numbers the weights hold."""
    return int(sum(np.prod(weight.shape) for weight in weights))


def record(run, corpus, facts):
    """Write the model card and, last, the metrics that say the run is finished; show them."""
    write_card(run, corpus, facts)
    run.write_json("metrics.json", facts)
    report.show(facts)


def baselines_on(test, corpus, head):
    """What counts alone reach on the test part."""
    return {name: test.measures(baseline(corpus.train, test.texts, head.labels))
            for name, baseline in OBJECTIVES[head.kind].baselines.items()}


def draw(run, head, targets, answers, history):
    """The pictures people look at: learning curves, confusion matrix, reliability."""
    folder = run.folder / "plots"
    folder.mkdir(exist_ok=True)
    plots.learning_curves(history, folder / "learning_curves.png", OBJECTIVES[head.kind].unit)
    if head.kind == "single":
        plots.confusion_matrix(metrics.confusion_matrix(targets, answers), head.labels,
                               folder / "confusion_matrix.png")
        plots.reliability(*metrics.calibration(targets, answers), folder / "reliability.png")


def write_card(run, corpus, facts):
    """MODEL_CARD.md: what a user of the files must know."""
    model_card.write(run.folder / "MODEL_CARD.md", {
        "title": f"{facts['model']} on {corpus.name}",
        "summary": "A recurrent text classifier: " + (", ".join(corpus.labels) or "a number") + ".",
        "data": f"{corpus.name}: {len(corpus.train):,} texts to train, {len(corpus.validation):,} "
                f"to choose and {len(corpus.test):,} to test.",
        "terms": corpus.terms,
        "sizes": {"trained parameters": facts["parameters"], "weights": facts["weights"],
                  "training seconds": facts["train"]["seconds"], "epochs": facts["train"]["epochs"]},
        "variants": report.rows(facts),
        "seed": facts["seed"],
        "command": facts["command"],
        "signatures": saved_model.describe(run.folder / "saved_model"),
        "limits": ["Trained on one corpus: texts of another kind get worse answers.",
                   f"Reads the first {FLAGS.max_length} tokens of a text.",
                   "Probabilities, if any, are calibrated on the validation part of that corpus.",
                   "A token that is not in the vocabulary is read as unknown."]})


def show_answers(head, corpus, count=4):
    """A few test texts with the model's answers."""
    print()
    for example, row in zip(corpus.test[:count], head.predict([e.text for e in corpus.test[:count]])):
        print(f"  {report.answer(row)}   {command.shown(example.text)}   (truth: {example.label})")


def answer():
    """Answer texts from the last export, without building the model."""
    run = Run.trained(FLAGS.output_dir, TASK)
    texts = command.questions(FLAGS.predict)
    for text, row in zip(texts, publish.served(run, texts)):
        print(f"{report.answer(row)}   {command.shown(text)}")


def evaluate():
    """Score the trained model on the test part of its corpus, or of another."""
    run, corpus = again()
    head = zoo.load(run.folder)
    test = Data(head, corpus.test)
    for name, value in test.measures(test.outputs(answers_of(head))).items():
        print(f"  {name:28} {value:.4f}")


def export_again():
    """Write the exports of the trained model again, as a new version, and measure them."""
    run, corpus = again()
    Run.open(run.folder, TASK, settings(corpus))    # refuses another corpus and other settings
    head = zoo.load(run.folder)
    data = {part: Data(head, getattr(corpus, part)) for part in ("validation", "test")}
    exports = publish.export(run, head, data, FLAGS.force)
    record(run, corpus, {**run.read_json("metrics.json"), "exports": exports})


def again():
    """The finished run and its corpus, loaded with its settings where no flag says otherwise."""
    run = Run.trained(FLAGS.output_dir, TASK)
    command.take_up(run.settings, CORPUS_FLAGS)
    return run, load_corpus()


if __name__ == "__main__":
    command.main(main)
