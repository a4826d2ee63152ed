"""The way of every task that trains a head: data → model → train → evaluate → export."""

import copy
import dataclasses
import functools
import time

import zoo
from export import onnx
from tasks import exporting, prediction, tuning
from tasks.options import NONE
from tasks.reading import language, sharded
from tasks.reading.corpus import files_of, same
from tasks.reading.splits import HELD_OUT, SPLITS, WHOLE
from tasks.recipes import CANDIDATES, STREAMED
from tasks.reporting import tables
from tasks.results import Results
from tasks.training import loop, precision, workers
from tasks.training.batches import Batches, Streamed, bucketed, shared_out
from tasks.training.run_directory import FINGERPRINT, Followed, Run, command_of, register
from zoo.models.configurations import nearest
from zoo.options import names_of
from zoo.text import word_vectors

register("test_predictions.jsonl", "plots/*.png", "MODEL_CARD.md",
         "model.keras", "model.json", "text.json", "vocabulary.txt", "alphabet.txt", "labels.txt",
         "tensorboard/events.out.tfevents.*")

HELD = "validation", "test"     # splits that a model is measured on


class Task(Results):
    """What all tasks share, with the settings of one call. A task's own file defines what is its own:

        name, head_class           of `python -m tasks.<name>`; the class of its heads
        unit, size                 what a split of a corpus is made of, in the plural, and its number
        kind, example              what its models are, in words; a text to call one with
        read_corpus(held_out)      the corpus of the settings: a `tasks.reading.corpus.Corpus`
        corpus_of(columns, held_out)   the corpus of lists, one a column, and of those of validation
        recipe(corpus)             {option: value} where the user left one open
        configurations             {model: options} of its networks
        text_settings(text)        {option: value} of the text processing of a head
        untrained(corpus)          a head whose vocabulary is learnt and whose network is new
        data(head, examples)       a `tasks.training.dataset.Data`
        loss(head)                 (targets, outputs) → the loss, summed over what a batch counts
        baselines(corpus, data, head)   {name: {split: predictions}} of what counts alone know, for
                                   validation and test; see `held_out`
        limits()                   what a user must know, sentences of the model card
        line(row, text)            one prediction as it is printed
    """

    size = staticmethod(len)

    def __init__(self, settings):
        self.settings = settings

    def main(self):
        """Predict, evaluate, export again, or train."""
        if self.settings.onnx:
            onnx.need()         # before hours of training
        if prediction.is_wanted(self.settings):
            prediction.main(prediction.of(self.name, self.settings, self.trained_head))
        else:
            ways = {"train": self.train, "evaluate": self.evaluate, "export": self.export_again}
            ways[self.settings.mode]()

    def train(self):
        """The whole way from a corpus to exported, measured files."""
        if self.settings.output:
            raise ValueError("output: expected --mode=evaluate or --input with --output, received "
                             "neither; leave it out")
        self.follow_earlier()
        corpus = self.introduced(self.load_corpus())
        self.tune(corpus)
        head, run = self.begun(corpus)
        if run.finished:
            print(f"{run.folder} holds this run, finished; --overwrite trains it again.\n")
            return tables.show(run.read_json("metrics.json"))
        data = self.datasets(head, corpus)
        result = self.fit(head, data, run)
        head.save(run.folder)
        self.finish(run, head, corpus, data, result)

    def load_corpus(self, held_out=HELD_OUT):
        """The corpus of the settings; that of a pattern is read shard by shard."""
        if not sharded.is_pattern(self.settings.corpus):
            return self.read_corpus(held_out)
        if held_out is not HELD_OUT:
            raise ValueError("corpus: expected a file or a folder to measure on, or to take a share of, "
                             f"received a pattern, {self.settings.corpus}")
        if getattr(self.settings, "fold", None) is not None:
            raise ValueError("fold: expected a corpus in memory with it, received shards; leave it out")
        return sharded.load(self.settings.corpus, self.read_shard)

    def read_shard(self, path):
        """All examples of a shard, as the test split of a corpus."""
        task = copy.copy(self)
        task.settings = dataclasses.replace(self.settings, corpus=path)
        return task.read_corpus(WHOLE)

    def tune(self, corpus):
        """Choose options on the validation split, if that is wanted."""
        if self.settings.tune_minutes:
            if corpus.stream:
                raise ValueError("tune_minutes: expected a corpus in memory, received shards; tune on "
                                 "one of them")
            self.settings = tuning.tuned(self, corpus)

    def candidates(self, recipe):
        """[{option: value}] that tuning compares with the recipe {option: value}."""
        given = recipe.get("vectors") not in (None, NONE)
        return CANDIDATES[self.name] + (CANDIDATES[f"{self.name}, vectors"] if given else [])

    def vectors_for(self, corpus, characters=False):
        """Where vectors of words, or of characters, come from: where the user says, else for some
        languages from the package."""
        if self.settings.vectors or corpus.stream or self.earlier or not self.looks_up_words():
            return self.settings.vectors
        return language.vectors_of([example.text for example in corpus.train], characters)

    def looks_up_words(self):
        """Whether the network that is asked for has an embedding of whole tokens."""
        return False

    def begun(self, corpus):
        """A new head for a corpus, and the run directory that it is trained in."""
        loop.deterministic(self.settings.seed)
        if corpus.stream:
            self.alternative = {}       # it would count in memory
        recipe = {**self.recipe(corpus), **(STREAMED[self.name] if corpus.stream else {})}
        recipe = {name: value for name, value in recipe.items()
                  if getattr(self.settings, name) is None}
        self.settings = settings = self.settings.filled(recipe)
        if recipe:
            labels = f"{len(corpus.labels):,} labels, " * bool(corpus.labels)
            reason = self.reason(corpus) and f" ({self.reason(corpus)})"
            print(f"recipe for {labels}{self.counted(corpus)['train']:,} {self.unit}{reason}: "
                  + ", ".join(f"{name} {value}" for name, value in recipe.items()))
        with precision.mixed(settings.mixed_precision):
            head = self.untrained(corpus)
        if self.earlier:
            print(f"init_from {settings.init_from}: {head.start_from(self.earlier)}")
        environment = {**loop.environment(), "engine": head.network.engine_in_use}
        with workers.chief_first():
            run = (Run if workers.is_chief() else Followed).open(
                settings.output_dir, self.name, self.recorded(corpus),
                settings.overwrite and workers.is_chief(), environment, settings.before())
        return head, run

    def reason(self, corpus):
        """What of the corpus has led to its recipe, in a few words; "" where its size and labels have."""
        return ""

    @functools.cached_property
    def earlier(self):
        """The head that training starts from, or None."""
        return zoo.load(self.settings.init_from) if self.settings.init_from else None

    def follow_earlier(self):
        """Read texts as the head that training starts from does, and build the network as its own is,
        where no option and no --model says otherwise."""
        if not isinstance(self.earlier, self.head_class):
            return
        taken, given = self.text_settings(self.earlier.text), self.settings.given
        if "model" not in given:
            options = self.earlier.network.options
            taken |= {"model": nearest(self.configurations, options), **{
                name: getattr(options, name) for name in names_of(options) if name != "engine"}}
        self.settings = dataclasses.replace(self.settings, **{
            name: value for name, value in taken.items() if name not in given})

    def earlier_vectors(self):
        """The word vectors of the head that training starts from, by its words; None if it has none."""
        network = isinstance(self.earlier, self.head_class) and self.earlier.network
        return network and network.vectors and word_vectors.Table(
            self.earlier.text.vocabulary, network.vectors.table.embeddings.numpy()) or None

    def extended(self, text):
        """A text processing in which the ids of the head that training starts from stay."""
        if not isinstance(self.earlier, self.head_class):
            return text
        learnt = getattr(self.earlier.network, "learnt", None)      # other words have vectors alone
        return text.after(self.earlier.text, **({"count": learnt} if learnt else {}))

    def known_by_vectors(self, seen, vectors):
        """The words that are known beside those that are learnt: those of training that have a vector,
        and the first of the vectors, or all of an earlier model's.

        Args:    seen   the words of training;   vectors   a `zoo.text.word_vectors.Table`
        """
        first = self.settings.vectors and self.settings.vector_words
        return [*(word for word in seen if vectors.places(word)), *vectors.words[:first]]

    def datasets(self, head, corpus, names=SPLITS):
        """{split: `tasks.training.dataset.Data`}."""
        data = {split: self.data(head, getattr(corpus, split)) for split in names}
        if "train" in data:
            data["train"].stream = corpus.stream
        return data

    def recorded(self, corpus):
        """What shapes the result: the settings, and which corpus they led to."""
        name = corpus.name if self.settings.corpus == "auto" else self.settings.corpus
        return {**self.settings.recorded(), "corpus": name, FINGERPRINT: corpus.fingerprint}

    def introduced(self, corpus):
        """The corpus, once what it is and what was odd about it is printed."""
        for warning in corpus.warnings:
            print(f"note: {warning}")
        sizes = [f"{size:,} for {split}" for split, size in self.counted(corpus).items() if size]
        print(f"{corpus.name}: {', '.join(sizes)} ({self.unit})", *corpus.description, sep="\n  ")
        return corpus

    def counted(self, corpus):
        """{split: its size}."""
        sizes = {split: self.size(getattr(corpus, split)) for split in SPLITS}
        return {**sizes, "train": len(corpus.stream)} if corpus.stream else sizes

    def prepare(self, head, training):
        """Before training: what is counted on the training split."""

    def calibrate(self, head, validation):
        """After training: what is fitted on the validation split."""

    def fit(self, head, data, run, on_epoch=None):
        """Train the head's network; its weights are then those of the best epoch."""
        training, validation = data["train"], data["validation"]
        run_now = exporting.of_head(head)
        start = time.perf_counter()
        self.prepare(head, training)
        prepared = time.perf_counter() - start

        def validate(network):
            return validation.metrics(validation.predict(run_now))

        network, batches, settings = self.trained(head), self.batches(head, training), self.settings
        result = loop.train(network, self.loss(head), batches, validate, run, loop.Settings(
            epochs=settings.epochs, learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay, clip_norm=settings.clip_norm, average=settings.average,
            patience=settings.patience, monitor=training.monitor, mode=training.mode,
            tensorboard=settings.tensorboard and str(run.folder / "tensorboard")), on_epoch)
        self.calibrate(head, validation)
        if settings.mixed_precision:
            head.network = precision.in_float32(head.network)
        return result._replace(seconds=result.seconds + prepared)

    def trained(self, head):
        """What is called with the inputs of a batch while it is trained."""
        return head.network

    def batches(self, head, training):
        """epoch → its batches: by default of texts of similar length."""
        size, seed = self.settings.batch_size, self.settings.seed
        if training.stream:
            return self.streamed(head, training.stream)
        lengths, make = self.examples(training)
        return lambda epoch: Batches(bucketed(lengths, size, seed, epoch), make)

    def streamed(self, head, stream):
        """epoch → its batches, of shards that are read while it goes on."""
        size, seed = self.settings.batch_size, self.settings.seed

        def batches(epoch):
            groups = stream.groups(seed, epoch)
            counts = stream.counts(groups, size)

            def read(n):
                lengths, make = self.examples(self.data_in(head, stream.examples(groups[n])))
                return Batches(shared_out(lengths, counts[n], [seed, epoch, n]), make)
            return Streamed(counts, read)
        return batches

    def data_in(self, head, examples):
        """The data of training examples that are in no sample."""
        return self.data(head, examples)

    def examples(self, training):
        """([N] lengths that batches are sorted by, indices → a `Batch`) of the data of training."""
        return training.lengths, training.batch

    def predictions(self, head, data):
        """The head's predictions for validation and test."""
        now = exporting.of_head(head)
        return {split: data[split].predict(now) for split in ("validation", "test")}

    def trained_head(self, run):
        """The head of a run or, where it has stopped, of its best checkpoint."""
        if (run.folder / "model.keras").is_file():
            return zoo.load(run.folder)
        stored = run.load_checkpoint("best")
        if not stored:
            raise ValueError(f"expected a finished run in {run.folder}, found one that stopped in its "
                             "first epoch; go on with the command that started it: "
                             f"{command_of(self.name, run.folder)} …")
        return self.of_checkpoint(run, stored[0])

    def of_checkpoint(self, run, arrays):
        """The head of a run with the weights of a checkpoint; its corpus is read for the vocabulary."""
        self.settings = self.settings.resumed(run.settings)
        corpus = self.load_corpus()
        if corpus.fingerprint != run.settings[FINGERPRINT]:
            raise ValueError(f"expected the corpus that {run.folder} was started with, received another; "
                             "bring it back")
        head = self.untrained(corpus)
        data = self.datasets(head, corpus, ("train", "validation"))
        self.prepare(head, data["train"])
        loop.restore({"network": self.trained(head).variables}, arrays)
        self.calibrate(head, data["validation"])
        return head

    def evaluate(self):
        """Evaluate the trained model on a split of its corpus, or on all of another file or folder."""
        if self.settings.output == "-":
            raise ValueError("output: expected a file with --mode=evaluate, received -; it prints anyway")
        run = Run.existing(self.settings.output_dir, self.name)
        whole = self.is_another_file(run)
        self.settings = self.read_as(run)
        run, corpus = self.again(WHOLE if whole else HELD_OUT)
        if not whole and same(self.settings.corpus, run.settings["corpus"]) and (
                corpus.fingerprint != run.settings[FINGERPRINT]):
            print("note: the corpus is not as it was in training: the model may have seen some of this")
        report = self.reported(self.best_head(run), corpus, "test" if whole else self.settings.split)
        print(report)
        if self.settings.output:
            report.to_json(self.settings.output)

    def read_as(self, run):
        """The settings, by which another corpus is read as a run's own where the model depends on it."""
        return self.settings

    def is_another_file(self, run):
        """Whether a file is to be evaluated that is not the corpus of the run.

        Raises:  ValueError: a part of it is asked for, or another test split of the run's corpus
        """
        settings, given = self.settings, self.settings.given
        if "corpus" in given and not same(settings.corpus, run.settings["corpus"]):
            part = "fold" if "fold" in given else "split" if settings.split != "test" else None
            if part and files_of(settings.corpus):
                raise ValueError(f"{part}: expected the corpus of the training with it, received another "
                                 "file, which is evaluated whole; leave it out")
            return bool(files_of(settings.corpus))
        fold = run.settings.get("fold")
        if "fold" in given and settings.fold != fold:
            raise ValueError(f"fold: expected that of the training, {fold}, received {settings.fold}, "
                             "whose test split the model has seen; leave it out")
        if "corpus" in given and files_of(settings.corpus):
            print(f"note: the model was trained on {settings.corpus}: only the {settings.split} split is "
                  "evaluated")
        return False

    def reported(self, head, corpus, split="test"):
        """The `Report` of a head on a split."""
        dataset = self.datasets(head, corpus, [split])[split]
        return dataset.report(self.scored(head, dataset))

    def scored(self, head, dataset):
        """The predictions that --mode=evaluate measures."""
        return dataset.predict(exporting.of_head(head))

    def export_again(self):
        """Write the exports of the trained model again, as a new version, and measure them."""
        run, corpus = self.again()
        run.lock()
        Run.open(run.folder, self.name, self.recorded(corpus),      # refuses other corpora and settings
                 environment=run.read_json("settings.json")["environment"],
                 before=self.settings.before())
        head = self.best_head(run)
        data = self.datasets(head, corpus, ("validation", "test"))
        exports = exporting.export(run, head, data, self.predictions(head, data), self.settings.force,
                                   self.settings.tf_serving, self.settings.onnx)
        if run.finished:
            self.record(run, head, corpus, {**run.read_json("metrics.json"), "exports": exports})

    def best_head(self, run):
        """As `trained_head`; says so where it is that of a checkpoint."""
        if not run.finished:
            print(f"note: {run.folder} is not finished: its best checkpoint is used, and metrics.json "
                  "and the model card are written at the end of training")
        return self.trained_head(run)

    def again(self, held_out=HELD_OUT):
        """The run and its corpus, loaded with its settings where nothing else is given."""
        run = Run.existing(self.settings.output_dir, self.name)
        self.settings = self.settings.resumed(run.settings)
        return run, self.introduced(self.load_corpus(held_out))


def held_out(data, predict, read="texts"):
    """{split: predictions} for validation and test of a function that is called once.

    Args:    predict  texts of both → their predictions
             read     the attribute of the data that holds the texts
    """
    validation, test = (list(getattr(data[split], read)) for split in HELD)
    found = predict(validation + test)
    return {"validation": found[:len(validation)], "test": found[len(validation):]}
