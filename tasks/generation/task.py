"""What generation has of its own on the way of `tasks.task`."""

import numpy as np

from tasks.generation import baselines as language_baselines, corpora, surprise
from tasks.generation.dataset import LabelledTexts, RunningText, lines
from tasks.generation.dynamic_evaluation import DynamicEvaluation
from tasks.generation.label_check import label_check
from tasks.generation.windows import Stateful, windows
from tasks.reading import in_memory, labelled
from tasks.reading.corpus import OWN_TERMS
from tasks.reading.encoding import to_learn
from tasks.reading.splits import HELD_OUT
from tasks.recipes import GENERATION, recipe
from tasks.task import Task
from tasks.training.run_directory import register
from zoo.models.configurations import GENERATORS, configuration
from zoo.models.language_model import Generator, TextGenerator
from zoo.models.options import GeneratorOptions
from zoo.text.subwords import Subwords

register("plots/*.html")

SHOWN = 3000            # symbols of the test split on the page of surprises


class Generation(Task):
    """Language modelling, N→N, and texts from labels, 1→N."""

    name, head_class = "generation", TextGenerator
    configurations = GENERATORS
    kind, example = "A recurrent language model", "The "
    unit, without_labels = "characters", "the next symbol of a text"

    def train(self):
        if self.settings.dynamic:
            raise ValueError("expected --mode=evaluate with --dynamic, received "
                             f"--mode={self.settings.mode}")
        super().train()

    def load_corpus(self, held_out=HELD_OUT):
        """The corpus of the settings."""
        settings = self.settings
        return corpora.load(settings.corpus, settings.text_column, settings.label_column,
                            settings.id_column, settings.encoding, held_out)

    def corpus_of(self, columns, held_out, validation=None):
        """The corpus of texts one after the other or, where they have labels, of texts that follow from
        them."""
        texts, labels = columns
        if labels is not None:
            return self.labelled(columns, held_out, validation)
        return corpora.running("texts", texts, held_out, validation and validation[0])

    def labelled(self, columns, held_out, validation):
        datasets, notes = {}, []
        for split, given in {"train": columns, "validation": validation}.items():
            if given:
                datasets[split], skipped = in_memory.examples(*given)
                notes += skipped
        return labelled.assembled("texts", datasets, OWN_TERMS, notes, held_out=held_out)

    @staticmethod
    def size(dataset):
        """Characters of a split."""
        return getattr(dataset, "characters", None) or sum(len(example.text) + 1 for example in dataset)

    def recipe(self, corpus):
        """The settings of the corpus, else of its kind."""
        return recipe(GENERATION, corpus.name, "with labels" if corpus.labels else "default")

    def text_settings(self, text):
        return {"level": text.tokenizer}

    def untrained(self, corpus):
        """A head whose vocabulary is learnt and whose network is new."""
        settings = self.settings
        texts = [example.text for example in corpus.train] if corpus.labels else lines(corpus.train)
        text = self.extended(Subwords.learn(to_learn(texts), settings.level, settings.vocabulary_size,
                                            settings.min_count))
        options = configuration(GENERATORS, settings.model, settings.chosen(GeneratorOptions))
        return TextGenerator(Generator(len(text), corpus.labels, **options), text)

    def data(self, head, examples):
        kinds = {True: "texts with labels", False: "running text"}
        wanted, given = bool(head.labels), isinstance(examples, list)
        if wanted != given:
            raise ValueError(f"corpus: expected {kinds[wanted]}, as the model was trained on, received "
                             f"{kinds[given]}")
        return (LabelledTexts if head.labels else RunningText)(head, examples)

    def trained(self, head):
        return head.network if head.labels else Stateful(head.network, self.settings.batch_size)

    def batches(self, head, training):
        if head.labels:
            return super().batches(head, training)
        settings = self.settings
        return lambda epoch: windows(training.ids, training.start, settings.batch_size, settings.window,
                                     settings.seed, epoch, settings.varied)

    def loss(self, head):
        """−log p, summed over the symbols of a batch; the step divides it by their number."""
        if head.labels:
            return lambda targets, outputs: head.network.loss_of(targets, outputs[0])
        return head.network.loss_of

    def scored(self, head, dataset):
        """log p of a split, by a model that adapts to it with `dynamic`."""
        settings = self.settings
        if not settings.dynamic:
            return super().scored(head, dataset)
        if head.labels:
            raise ValueError("expected a running text with --dynamic, received texts with labels; leave "
                             "--dynamic out")
        read = DynamicEvaluation(head, settings.dynamic_rate, settings.dynamic_decay).read
        states = head.network.start({"ids": np.zeros([1, 1], np.int32)})
        return dataset.read_by(read, states, settings.dynamic_window)

    def baselines(self, corpus, data, head):
        return language_baselines.kneser_ney(data["train"], data["validation"], data["test"])

    def draw(self, folder, head, targets, predictions):
        """A page on which each symbol of the test split has the colour of its surprise."""
        # Column by column, for nothing is written after an end.
        pieces = head.text.pieces(np.asarray(targets[:SHOWN], np.int32)[:, None])[:, 0].numpy()
        symbols = [piece.decode("utf-8", "replace") or "\n" for piece in pieces]
        page = surprise.page(symbols, predictions[:SHOWN])
        (folder / "surprise.html").write_text(page, encoding="utf-8")

    def limits(self):
        return ["Writes what is likely after its corpus, true or not.",
                "A symbol that is not in the vocabulary is read as unknown and never written."]

    def facts(self, head, corpus):
        return {"written": label_check(head, corpus)} if head.labels else {}

    def show_predictions(self, head, corpus, count=2):
        print()
        prompts = head.labels or ["\n"]
        for text, row in zip(prompts * count, head.predict(prompts * count)):
            print(self.line(row, text))

    def question(self, head):
        return head.labels[0] if head.labels else self.example

    def line(self, row, text):
        return f"  {text.strip()}{': ' * bool(text.strip())}{row['text']}"


def main(settings):
    Generation(settings).main()
