"""What tagging has of its own on the way of `tasks.task`."""

import collections
import dataclasses
import time

import numpy as np

from tasks import calibration, exporting, fitting
from tasks.options import NONE
from tasks.reading import in_memory
from tasks.reading.corpus import OWN_TERMS
from tasks.reading.encoding import to_learn
from tasks.reading.splits import HELD_OUT
from tasks.recipes import BESIDE_VECTORS, FEW_SENTENCES, NAMED, TAGGING
from tasks.reporting import plots
from tasks.tagging import corpora, linear_chain, metrics, prediction
from tasks.tagging.baselines import BASELINES, INTENT_BASELINES
from tasks.tagging.dataset import Sentences, first_rare, in_scheme, tags_of
from tasks.task import HELD, Task, held_out
from zoo import trained
from zoo.models.configurations import TAGGERS, configuration
from zoo.models.options import TaggerOptions
from zoo.models.tagger import Tagger, TextTagger
from zoo.text import word_vectors
from zoo.text.spans import SCHEMES
from zoo.text.token_features import Tokens

ALL = 1 << 30           # words of a vocabulary
MOST_TAGS_DRAWN = 40
CHARACTERS = 0.99       # the share of tokens of one character where tokens are characters
FEATURES = "CRF on features"
OF_FEATURES = {"model": "crf", "batch_size": 16, "learning_rate": 1e-2, "average": 0.99, "intent": False}
SMALLEST = 1e-30        # a probability, so that it has a logarithm


class Tagging(Task):
    """Sequence labelling, N→N."""

    name, head_class = "tagging", TextTagger
    configurations = TAGGERS
    unit = "sentences"
    kind, example = "A recurrent tagger", "What time is it in Boston?"

    def read_corpus(self, held_out=HELD_OUT):
        """The corpus of the settings."""
        settings = self.settings
        tokenizer = settings.tokenizer or TAGGING["default"]["tokenizer"]
        return corpora.load(
            settings.corpus, 0, settings.tag_column, settings.scheme, settings.strip_position,
            settings.tagset, settings.token_column, settings.comments, tokenizer,
            settings.encoding, held_out, settings.intent_column, settings.intent, settings.fold)

    def corpus_of(self, columns, held_out, validation=None):
        """The corpus of lists of tokens, of their tags and perhaps of intents."""
        datasets = {"train": in_memory.sentences(*columns)}
        if validation:
            datasets["validation"] = in_memory.sentences(*validation)
        return corpora.assembled("sentences", datasets, self.settings.scheme, OWN_TERMS, [],
                                 held_out=held_out, intent=self.settings.intent)

    def read_as(self, run):
        """Tags that were learnt as they stand are compared as they stand."""
        plain = run.settings.get("scheme") == NONE and "scheme" not in self.settings.given
        return dataclasses.replace(self.settings, scheme=NONE) if plain else self.settings

    def recipe(self, corpus):
        """The settings of the corpus, else of its kind."""
        if corpus.name in NAMED:
            return TAGGING[corpus.name]
        kind = kind_of(corpus)[0]
        found, characters = TAGGING[kind], kind == "characters"
        # Words are not what a model that cuts texts into characters looks up.
        cut = self.settings.tokenizer == "character" and not characters
        vectors = self.settings.vectors if cut else self.vectors_for(corpus, characters)
        beside = BESIDE_VECTORS if vectors not in (None, NONE) else {}
        return {**found, **({"vectors": vectors} if vectors else {}), **beside}

    def looks_up_words(self):
        settings = self.settings
        return settings.model != "crf" and settings.layers != 0

    def reason(self, corpus):
        return "" if corpus.name in NAMED else kind_of(corpus)[1]

    def text_settings(self, text):
        return {"tokenizer": text.tokenizer, "digits": text.digits}

    def untrained(self, corpus):
        """A head whose vocabulary and labels are learnt and whose network is new."""
        settings = self.settings
        scheme = corpus.scheme and settings.model_scheme
        text, learnt, vectors = self.text_of(corpus)
        labels = sorted({tag for sentence in corpus.train for tag in in_scheme(sentence.tags, scheme)})
        if corpus.stream and scheme:        # a type's tags need not all be in the sample
            kinds = {tag[1:] for tag in corpus.labels if tag != "O"}     # "-place", or "" of words
            labels = sorted({"O"} | {letter + kind for letter in SCHEMES[scheme] if letter != "O"
                                     for kind in kinds})
        options = configuration(TAGGERS, settings.model, settings.chosen(TaggerOptions))
        intents = corpus.intents if corpus.stream else sorted(
            {sentence.intent for sentence in corpus.train} - {None})
        network = Tagger(len(text.words), labels, scheme, len(text.alphabet),
                         first_rare(text, corpus.train), vectors.width if vectors else 0, learnt,
                         intents, **options)
        if vectors and not network.vectors:
            raise ValueError("vectors: expected a model with an embedding, received one of features "
                             "alone; use another --model")
        if vectors:
            network.vectors.give(vectors.rows(text.vocabulary))
        return TextTagger(network, text)

    def text_of(self, corpus):
        """The text processing, how many of its words are learnt, and the vectors of words or None."""
        settings, tokens = self.settings, [*to_learn(sentence.tokens for sentence in corpus.train)]
        how = {"tokenizer": settings.tokenizer, "digits": settings.digits}
        text = self.extended(Tokens.learn(tokens, settings.vocabulary_size, settings.min_count, **how))
        learnt, vectors = len(text.words), self.vectors_of(text)
        if vectors:
            seen = Tokens.learn(tokens, ALL, **how).vocabulary
            text = text.including(self.known_by_vectors(seen, vectors))
        return text, learnt, vectors

    def vectors_of(self, text):
        """The vectors of words as a text processing looks them up, the first of several; or None."""
        if self.settings.vectors in (None, NONE):
            return None if self.settings.vectors else self.earlier_vectors()
        words, vectors = word_vectors.read(trained.word_vectors(self.settings.vectors))
        first = {}
        for n, key in enumerate(text.keys(words).numpy()):
            first.setdefault(key.decode(), n)
        return word_vectors.Table(list(first), vectors[list(first.values())])

    def data(self, head, examples):
        return Sentences(head, examples)

    def data_in(self, head, examples):
        return self.data(head, examples).widened(head.text.max_characters)

    def loss(self, head):
        """−log p, summed over the tokens of a batch; the step divides it by their number."""
        return head.network.loss_of

    def prepare(self, head, training):
        if head.intents and head.network.intent.wide:
            training.fit_linear(head.network.intent.wide, self.settings.seed)
        if head.network.features and not training.stream:
            linear_chain.fit(head.network, training, self.settings.seed)

    def calibrate(self, head, validation):
        """Fit the temperature that makes the intents' probabilities believable."""
        if head.intents:
            found = validation.predict(exporting.of_head(head))
            p = np.array([one.probabilities for one in found], np.float64)
            logits = head.temperature * np.log(np.maximum(p, SMALLEST))     # but for a constant a row
            known = [head.intents.index(intent) if intent in head.intents else -1
                     for intent in validation.intents]
            rows = np.flatnonzero(np.array(known) >= 0)
            head.temperature = calibration.fit_temperature(logits[rows], np.array(known)[rows])

    def facts(self, head, corpus):
        return {"temperature": head.temperature} if head.intents else {}

    def label_counts(self, corpus):
        return dict(collections.Counter(sentence.intent for sentence in corpus.train
                                        if sentence.intent is not None).most_common())

    def described(self, corpus):
        intents = f"; intents: {', '.join(corpus.intents)}" * bool(corpus.intents)
        return super().described(corpus) + intents

    def baselines(self, corpus, data, head):
        test, sentences = data["test"], columns_of(corpus.train)
        examples = [(sentence.text, sentence.intent) for sentence in corpus.train]
        tags = {name: held_out(data, lambda tokens: test.of_baseline(
            baseline(list(zip(*sentences)), tokens)), "tokens") for name, baseline in BASELINES.items()}
        intents = {f"{name}, intents": held_out(data, lambda texts: test.of_baseline(
            intents=baseline(examples, texts, head.intents)))
            for name, baseline in INTENT_BASELINES.items() if test.intents}
        return {**tags, FEATURES: self.of_features(corpus, len(head.labels)), **intents}

    def of_features(self, corpus, labels):
        """The predictions of a linear chain over features, without a network."""
        seconds, buckets = time.perf_counter(), TAGGERS["crf"]["features"]
        # What is fitted has nothing left to learn but the transitions.
        options = {**OF_FEATURES, "epochs": 1 if linear_chain.can_fit(buckets, labels) else 6}
        model = fitting.fit("tagging", {**options, "scheme": corpus.scheme or "none"},
                            columns_of(corpus.train), columns_of(corpus.validation), verbose=False)
        print(f"baseline {FEATURES}: trained in {time.perf_counter() - seconds:.0f} s")
        now = exporting.of_head(model)
        return {split: self.data(model, getattr(corpus, split)).predict(now) for split in HELD}

    def draw(self, folder, head, targets, predictions):
        """Confusion matrix; the table of all labels is printed."""
        predictions = tags_of(predictions)
        rows = metrics.per_label(targets, predictions, head.scheme)
        print("", *metrics.table(rows), sep="\n")
        labels = sorted({tag for rows in (targets, predictions) for tags in rows for tag in tags})
        if len(labels) <= MOST_TAGS_DRAWN:
            plots.confusion_matrix(metrics.confusion_matrix(targets, predictions, labels), labels,
                                   folder / "confusion_matrix.png")

    def limits(self):
        return ["Cuts texts by its own rules; what is already cut belongs into the signature `tokens`.",
                "A word that is not in the vocabulary is read as unknown, its characters as they are."]

    def show_predictions(self, head, corpus, count=4):
        print()
        for sentence in corpus.test[:count]:
            text = " ".join(sentence.tokens)
            print(f"  {self.line(head.predict([text])[0], text)}")

    def line(self, row, text):
        return prediction.line(row, text)


def columns_of(sentences):
    """Their tokens and their tags, two lists."""
    return [sentence.tokens for sentence in sentences], [sentence.tags for sentence in sentences]


def kind_of(corpus):
    """(which of the recipes for corpora without one of their own is for a corpus, why).

    >>> kind_of(corpora.load("sample"))
    ('few spans', 'the tags mark spans, in fewer than 4,000 sentences')
    """
    lengths = [len(token) for sentence in corpus.train for token in sentence.tokens]
    if lengths.count(1) >= CHARACTERS * len(lengths):
        return "characters", "tokens are characters"
    if not corpus.scheme:
        return "plain tags", "the tags mark no spans"
    few = f", in fewer than {FEW_SENTENCES:,} sentences" * (len(corpus.train) < FEW_SENTENCES)
    if corpus.intents:
        return "few " * bool(few) + "intents", f"the tags mark spans beside intents{few}"
    return "few spans" if few else "default", f"the tags mark spans{few}"


def main(settings):
    Tagging(settings).main()
