"""What tagging has of its own on the way of `tasks.task`."""

from tasks.reading import in_memory
from tasks.reading.corpus import OWN_TERMS, called
from tasks.reading.encoding import to_learn
from tasks.reading.splits import HELD_OUT
from tasks.recipes import TAGGING, recipe
from tasks.reporting import plots, tables
from tasks.tagging import corpora, metrics
from tasks.tagging.baselines import BASELINES
from tasks.tagging.dataset import Sentences, first_rare, in_scheme
from tasks.task import Task, held_out
from zoo.models.configurations import TAGGERS, configuration
from zoo.models.options import TaggerOptions
from zoo.models.tagger import Tagger, TextTagger
from zoo.text import word_vectors
from zoo.text.token_features import Tokens

MOST_TAGS_DRAWN = 40


class Tagging(Task):
    """Sequence labelling, N→N."""

    name, head_class = "tagging", TextTagger
    unit = "sentences"
    kind, example = "A recurrent tagger", "What time is it in Boston?"

    def load_corpus(self, held_out=HELD_OUT):
        """The corpus of the settings."""
        settings = self.settings
        tokenizer = settings.tokenizer or recipe(
            TAGGING, called(settings.corpus), "default")["tokenizer"]
        return corpora.load(
            settings.corpus, 0, settings.tag_column, settings.scheme, settings.strip_position,
            settings.tagset, settings.token_column, settings.comments, tokenizer,
            settings.encoding, held_out)

    def corpus_of(self, columns, held_out, validation=None):
        """The corpus of lists of tokens and of their tags."""
        datasets = {"train": in_memory.sentences(*columns)}
        if validation:
            datasets["validation"] = in_memory.sentences(*validation)
        return corpora.assembled("sentences", datasets, self.settings.scheme, OWN_TERMS, [],
                                 held_out=held_out)

    def recipe(self, corpus):
        """The settings of the corpus, else of its kind."""
        return recipe(TAGGING, corpus.name, "default" if corpus.scheme else "plain tags")

    def text_settings(self, text):
        return {"tokenizer": text.tokenizer, "digits": text.digits}

    def untrained(self, corpus):
        """A head whose vocabulary and labels are learnt and whose network is new."""
        settings = self.settings
        scheme = corpus.scheme and settings.model_scheme
        words, known = word_vectors.read(settings.vectors) if settings.vectors else ([], None)
        text = self.extended(Tokens.learn(
            to_learn(sentence.tokens for sentence in corpus.train), settings.vocabulary_size,
            settings.min_count, words, tokenizer=settings.tokenizer, digits=settings.digits))
        labels = sorted({tag for sentence in corpus.train for tag in in_scheme(sentence.tags, scheme)})
        options = configuration(TAGGERS, settings.model, settings.chosen(TaggerOptions))
        network = Tagger(len(text.words), labels, scheme, alphabet_size=len(text.alphabet),
                         rare=first_rare(text, corpus.train), **options)
        if settings.vectors:
            word_vectors.into(network.embedding, text.vocabulary, words, known)
        return TextTagger(network, text)

    def data(self, head, examples):
        return Sentences(head, examples)

    def loss(self, head):
        """−log p, summed over the tokens of a batch; the step divides it by their number."""
        return head.network.loss_of

    def baselines(self, corpus, data, head):
        compared = data["test"].compared
        return {name: held_out(data, lambda tokens: compared(baseline(corpus.train, tokens)), "tokens")
                for name, baseline in BASELINES.items()}

    def draw(self, folder, head, targets, predictions):
        """Confusion matrix; the table of all labels is printed."""
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
        return tables.marked(row, text)


def main(settings):
    Tagging(settings).main()
