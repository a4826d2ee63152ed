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
from export import model_card, saved_model, tflite
from tasks import command, corpora, loop, metrics, plots, report
from tasks.batches import Batch, Batches, bucketed, cut_by_tokens
from tasks.objectives import OBJECTIVES
from tasks.recipes import CLASSIFICATION, recipe
from tasks.run import Run
from zoo.classifier import CELLS, Classifier, TextClassifier, named, rows
from zoo.configurations import CLASSIFIERS, configuration
from zoo.naive_bayes import CrossFit
from zoo.text import TOKENIZERS, Text

TASK = "sentiment"
FLAGS = flags.FLAGS
command.define_common_flags(TASK)
flags.adopt_module_key_flags(command)

flags.DEFINE_enum("mode", "train", ["train", "evaluate", "export"], "train does everything; "
                  "evaluate scores the trained model on --corpus; export writes its files again.")
flags.DEFINE_bool("multi_label", False, "Any number of labels a text, separated by '|'.")
flags.DEFINE_bool("regression", False, "A number instead of a label.")
flags.DEFINE_string("text_column", None, "Name or number of the text's column in a file.")
flags.DEFINE_string("label_column", None, "Name or number of the label's column in a file.")
flags.DEFINE_integer("fold", None, "0 to 4: the test part of a fixed 5-fold split.")

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
flags.DEFINE_float("word_dropout", None, "Rate at which a word is read as unknown.", 0, 1)
flags.DEFINE_float("embedding_dropout", None, "Rate for the embedding's coordinates.", 0, 1)
flags.DEFINE_float("output_dropout", None, "Rate before the linear layer.", 0, 1)
flags.DEFINE_string("engine", None, "Engine of the recurrent layers: see zoo.engines.")
flags.DEFINE_bool("naive_bayes", None, "Read and correct log-count ratios of words and pairs.")
flags.DEFINE_integer("window", None, "Read pieces of this many tokens side by side.", 1)
OVERRIDES = ("cell", "bidirectional", "pooling", "units", "layers", "embedding", "word_dropout",
             "embedding_dropout", "output_dropout", "naive_bayes", "window", "engine")

flags.DEFINE_integer("epochs", None, "Most epochs.", 1)
flags.DEFINE_integer("batch_size", None, "Texts a step.", 1)
flags.DEFINE_float("learning_rate", None, "Highest learning rate.", 0)
flags.DEFINE_float("weight_decay", None, "Decoupled weight decay.", 0)
flags.DEFINE_float("average", None, "Decay of the averaged weights; 0 for none.", 0, 1)
flags.DEFINE_integer("patience", None, "Epochs without a better score before stopping.", 0)
flags.DEFINE_float("label_smoothing", None, "Share of the target spread over all labels.", 0, 1)
flags.DEFINE_float("clip_norm", 1.0, "Largest norm of the gradient; 0 for any.", 0)


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
    command.fill(recipe(CLASSIFICATION, "regression" if corpus.regression else corpus.name))
    head = untrained(corpus)
    run = Run.open(FLAGS.output_dir, TASK, {**command.settings(), "corpus": corpus.name},
                   FLAGS.overwrite, loop.environment())
    if run.finished:
        print(f"{run.folder} holds this run, finished; --overwrite trains it again.\n")
        return report.show(run.read_json("metrics.json"))
    data = {part: Data(head, getattr(corpus, part)) for part in corpora.PARTS}
    result = fit(head, data, run)
    calibrate(head, data["validation"])
    head.save(run.folder)
    publish(run, head, corpus, data, result)


def load_corpus():
    """The corpus of the flags; says what it is and what was odd about it."""
    corpus = corpora.load(FLAGS.corpus, 0, FLAGS.fold, FLAGS.multi_label, FLAGS.regression,
                          FLAGS.text_column, FLAGS.label_column)
    for warning in corpus.warnings:
        print(f"note: {warning}")
    print(f"{corpus.name}: {len(corpus.train):,} texts to learn from, {len(corpus.validation):,} "
          f"to choose by, {len(corpus.test):,} to test on")
    return corpus


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
    network(tf.zeros([1, 1], tf.int32))
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
        self.crossfit = None

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
        return Batch(ids, self.targets[rows], len(rows), int(self.lengths[rows].sum()))

    def padded(self, rows):
        """The ids of some texts: [rows, T], 0 after the end."""
        ids = np.zeros((len(rows), max(1, self.lengths[rows].max())), np.int32)
        for line, row in zip(ids, rows):
            line[:self.lengths[row]] = self.ids[row]
        return ids

    def logits(self, function, tokens=16384):
        """function(ids [B, T]) for every text, in order, read in batches of similar length."""
        order = np.argsort(self.lengths, kind="stable")
        groups = cut_by_tokens(order, np.maximum(self.lengths, 1), tokens)
        outputs = np.concatenate([np.asarray(function(self.padded(rows))) for rows in groups])
        return outputs[np.argsort(order)]

    def measures(self, answers):
        """The measures of `answers`, as the outputs of `logits`."""
        return self.objective.measures(self.targets, answers)


def fit(head, data, run):
    """Train the head's network; its weights are then those of the best epoch."""
    objective, training = OBJECTIVES[head.kind], data["train"]
    infer = inference(head.network)
    if head.network.ratios:
        training.count(head.network)

    def loss(targets, logits):
        return objective.loss(targets, logits, FLAGS.label_smoothing)

    def batches(epoch):
        groups = bucketed(training.lengths, FLAGS.batch_size, FLAGS.seed, epoch)
        return Batches(groups, training.batch)

    def validate(network):
        validation = data["validation"]
        return validation.measures(objective.answers(validation.logits(infer), 1.0))

    return loop.train(head.network, loss, batches, validate, run, loop.Settings(
        epochs=FLAGS.epochs, learning_rate=FLAGS.learning_rate, weight_decay=FLAGS.weight_decay,
        clip_norm=FLAGS.clip_norm, average=FLAGS.average, patience=FLAGS.patience,
        monitor=objective.monitor, mode=objective.mode,
        tensorboard=FLAGS.tensorboard and str(run.folder / "tensorboard")))


def inference(network):
    """The network as a function of ids [B, T] of any size, traced once."""
    return tf.function(lambda ids: network(ids, training=False),
                       input_signature=[tf.TensorSpec([None, None], tf.int32)])


def calibrate(head, validation):
    """Fit the temperature that makes the head's probabilities believable."""
    if head.kind != "regression":
        head.temperature = metrics.fit_temperature(
            validation.logits(inference(head.network)), validation.targets)


def publish(run, head, corpus, data, result):
    """Export, measure every file on the test part, and write all results."""
    print("\nexporting …", flush=True)
    exports = export(run, head, data["validation"])
    validation, test = data["validation"], data["test"]
    facts = {
        "task": TASK, "corpus": corpus.name, "model": FLAGS.model, "seed": FLAGS.seed,
        "parameters": int(sum(np.prod(w.shape) for w in head.network.trainable_weights)),
        "engine": head.network.engine_in_use, "temperature": head.temperature,
        "train": {"seconds": result.seconds, "tokens_per_second": result.tokens_per_second,
                  "epochs": result.epochs},
        "validation": validation.measures(validation.logits(answers_of(head))),
        "test": test.measures(test.logits(answers_of(head))),
        "baselines": baselines_on(test, corpus, head),
        "exports": tested(run, head, test, exports)}
    draw(run, head, test, result)
    write_card(run, corpus, facts)
    run.write_json("metrics.json", facts)
    report.show(facts)
    show_answers(head, corpus)
    where = f" --output_dir={run.folder}" if FLAGS["output_dir"].present else ""
    print(f'\nnext: python -m tasks.{TASK}{where} --predict "not bad at all"')


def answers_of(head):
    """ids [B, T] → probabilities or values, by the Keras model."""
    output = OBJECTIVES[head.kind].output
    return tf.function(lambda ids: head.answer(ids)[output],
                       input_signature=[tf.TensorSpec([None, None], tf.int32)])


def export(run, head, validation):
    """Write the SavedModel and the TFLite files; validation decides which of them are kept."""
    objective = OBJECTIVES[head.kind]
    sign = 1 if objective.mode == "max" else -1

    def score(lite):
        answers = validation.logits(lambda ids: lite(ids)[objective.output])
        return sign * validation.measures(answers)[objective.monitor]

    return {
        "saved_model": saved_model.write(head, run.folder / "saved_model", validation.texts[:16]),
        "tflite": tflite.write(head, run.folder / "tflite", evaluate=score, force=FLAGS.force)}


def tested(run, head, test, exports):
    """The exports with the measures of each file on the test part."""
    output = OBJECTIVES[head.kind].output
    serve = saved_model.load(run.folder / "saved_model")["serving_default"]
    answers = [serve(text=tf.constant(test.texts[n:n + 16]))[output]
               for n in range(0, len(test.texts), 16)]
    exports["saved_model"]["test"] = test.measures(np.concatenate(answers))
    for entry in exports["tflite"].values():
        if "file" in entry:
            path = run.folder / "tflite" / entry["file"]
            lite = tflite.Lite(path)
            entry["test"] = test.measures(test.logits(lambda ids: lite(ids=ids)[output]))
            one_by_one = [test.padded(np.array([n])) for n in range(min(200, len(test.ids)))]
            measured = tflite.measure(path, one_by_one)
            entry.update({key: measured[key] for key in ("milliseconds", "milliseconds_p95")})
    return exports


def baselines_on(test, corpus, head):
    """What counts alone reach on the test part."""
    return {name: test.measures(baseline(corpus.train, test.texts, head.labels))
            for name, baseline in OBJECTIVES[head.kind].baselines.items()}


def draw(run, head, test, result):
    """The pictures people look at: learning curves, confusion matrix, reliability."""
    folder = run.folder / "plots"
    folder.mkdir(exist_ok=True)
    plots.learning_curves(result.history, folder / "learning_curves.png")
    if head.kind == "single":
        answers = test.logits(answers_of(head))
        plots.confusion_matrix(metrics.confusion_matrix(test.targets, answers), head.labels,
                               folder / "confusion_matrix.png")
        plots.reliability(*metrics.calibration(test.targets, answers), folder / "reliability.png")


def write_card(run, corpus, facts):
    """MODEL_CARD.md: what a user of the files must know."""
    model_card.write(run.folder / "MODEL_CARD.md", {
        "title": f"{facts['model']} on {corpus.name}",
        "summary": "A recurrent text classifier: " + (", ".join(corpus.labels) or "a number") + ".",
        "data": f"{corpus.name}: {len(corpus.train):,} texts to train, {len(corpus.validation):,} "
                f"to choose and {len(corpus.test):,} to test.",
        "terms": corpus.terms,
        "sizes": {"parameters": facts["parameters"],
                  "training seconds": facts["train"]["seconds"], "epochs": facts["train"]["epochs"]},
        "variants": report.rows(facts),
        "seed": FLAGS.seed,
        "command": command.line(TASK),
        "signatures": saved_model.describe(run.folder / "saved_model"),
        "limits": ["Trained on one corpus: texts of another kind get worse answers.",
                   f"Reads the first {FLAGS.max_length} tokens of a text.",
                   "Probabilities are calibrated on the validation part of that corpus.",
                   "A token that is not in the vocabulary is read as unknown."]})


def show_answers(head, corpus, count=4):
    """A few test texts with the model's answers."""
    print()
    for example, row in zip(corpus.test[:count], head.predict([e.text for e in corpus.test[:count]])):
        print(f"  {report.answer(row)}   {command.shown(example.text)}   (truth: {example.label})")


def answer():
    """Answer texts from the last export, without building the model."""
    run = Run.existing(FLAGS.output_dir, TASK)
    texts = command.questions(FLAGS.predict)
    serve = saved_model.load(run.folder / "saved_model")["serving_default"]
    labels = run.read_json("model.json")["labels"]
    for text, row in zip(texts, rows(serve(text=tf.constant(texts)))):
        print(f"{report.answer(named(row, labels))}   {command.shown(text)}")


def evaluate():
    """Score the trained model on the test part of a corpus, which may be a new one."""
    head, corpus = zoo.load(Run.existing(FLAGS.output_dir, TASK).folder), load_corpus()
    test = Data(head, corpus.test)
    for name, value in test.measures(test.logits(answers_of(head))).items():
        print(f"  {name:28} {value:.4f}")


def export_again():
    """Write the exports of the trained model again, as a new version."""
    run, corpus = Run.existing(FLAGS.output_dir, TASK), load_corpus()
    head = zoo.load(run.folder)
    validation = Data(head, corpus.validation)
    export(run, head, validation)
    print(f"exported to {run.folder}/saved_model and {run.folder}/tflite")


if __name__ == "__main__":
    command.main(main)
