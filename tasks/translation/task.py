"""What translation has of its own on the way of `tasks.task`."""

import numpy as np

from tasks.reading import in_memory
from tasks.reading.corpus import OWN_TERMS
from tasks.reading.encoding import to_learn
from tasks.reading.splits import HELD_OUT, SPLITS
from tasks.recipes import TRANSLATION, recipe
from tasks.reporting import tables
from tasks.task import Task, held_out
from tasks.training.run_directory import register
from tasks.translation import baselines as translation_baselines, corpora, metrics, prediction
from tasks.translation.dataset import Predictions, Translations
from tasks.translation.parallel_files import UNKNOWN as UNKNOWN_LANGUAGE, Texts
from zoo.models.configurations import TRANSLATORS, configuration
from zoo.models.options import TranslatorOptions
from zoo.models.translator import TextTranslator, Translator
from zoo.text.subwords import Subwords
from zoo.text.text_pair import TextPair

register("source/*.txt", "source/*.json", "target/*.txt", "target/*.json",
         "plots/attention_*.svg", "plots/predicted.svg")

BASELINES = {"source as it is": translation_baselines.copied,
             "word for word (IBM 1)": translation_baselines.word_for_word}
UNSPACED = ("zh", "cmn", "zho", "ja", "jpn")    # languages written without spaces
DRAWN = 4                                       # test sentences whose attention is drawn
LONGEST = 50                                    # a translation has at most so many symbols for one


class Translation(Task):
    """Translation, N→M."""

    name, head_class = "translation", TextTranslator
    configurations = TRANSLATORS
    unit = "pairs"
    kind, example = "A recurrent translator", "我爱中国"

    def read_corpus(self, held_out=HELD_OUT):
        """The corpus of the settings."""
        settings = self.settings
        return corpora.load(
            settings.corpus, 0, settings.source_language, settings.target_language, settings.reverse,
            settings.source_column, settings.target_column, settings.id_column, settings.encoding,
            held_out)

    def load_corpus(self, held_out=HELD_OUT):
        return self.remembered(super().load_corpus(held_out))

    def corpus_of(self, columns, held_out, validation=None):
        """The corpus of sentences and their translations."""
        datasets, notes = {}, []
        for split, given in {"train": columns, "validation": validation}.items():
            if given:
                datasets[split], skipped = in_memory.pairs(*given)
                notes += skipped
        languages = (self.settings.source_language or UNKNOWN_LANGUAGE,
                     self.settings.target_language or UNKNOWN_LANGUAGE)
        texts = Texts(languages, datasets, notes)
        return self.remembered(corpora.assembled("pairs", texts, (None, None), False, OWN_TERMS,
                                                 held_out))

    def remembered(self, corpus):
        """The corpus; BLEU depends on the language of its targets."""
        self.language = corpus.target_language
        return corpus

    def recipe(self, corpus):
        return recipe(TRANSLATION, corpus.name, "default")

    def text_settings(self, text):
        return {f"{side}_level": one.tokenizer for side, one in text.sides.items()}

    def untrained(self, corpus):
        """A head whose vocabularies are learnt and whose network is new."""
        settings = self.settings
        text = self.extended(TextPair(*(
            Subwords.learn(to_learn(pair[side] for pair in corpus.train), level or by_language(language),
                           settings.vocabulary_size, settings.min_count)
            for side, (level, language) in enumerate((
                (settings.source_level, corpus.source_language),
                (settings.target_level, corpus.target_language))))))
        options = configuration(TRANSLATORS, settings.model, settings.chosen(TranslatorOptions))
        network = Translator(len(text.source), len(text.target), **options)
        return TextTranslator(network, text, longest(text, corpus.train))

    def data(self, head, examples):
        return Translations(head, examples, self.language, self.settings.width, self.settings.alpha)

    def datasets(self, head, corpus, names=SPLITS):
        """Validation is translated greedily: there is a translation of every epoch, and of every file."""
        data = super().datasets(head, corpus, names)
        if "validation" in data:
            data["validation"].width = 1
        return data

    def prepare(self, head, training):
        longer = training.pairs.longer(self.settings.max_length)
        if longer:
            sample = " of the sample" * bool(training.stream)
            print(f"note: {longer:,} pairs{sample} have more than {self.settings.max_length} tokens on a "
                  "side and are not trained on (--max_length)")

    def examples(self, training):
        """Pairs of which both sides are of similar length."""
        pairs = training.pairs
        kept, key = pairs.no_longer_than(self.settings.max_length), pairs.key()
        if not len(kept):
            raise ValueError(f"max_length: expected pairs with at most {self.settings.max_length} tokens "
                             "on each side, received none; set a larger one")
        return key[kept], lambda group: pairs.batch(kept[group])

    def loss(self, head):
        """−log p, summed over the tokens of a batch; the step divides it by their number."""
        return head.network.loss_of

    def baselines(self, corpus, data, head):
        found = {name: held_out(data, lambda texts: baseline(corpus.train, texts))
                 for name, baseline in BASELINES.items()}
        return {name: {split: Predictions(texts) for split, texts in splits.items()}
                for name, splits in found.items()}

    def facts(self, head, corpus):
        references = list(corpora.references(corpus.test).values())
        return {"languages": [corpus.source_language, corpus.target_language],
                "beam": {"width": self.settings.width, "alpha": self.settings.alpha},
                "metrics": metrics.signatures(references, corpus.target_language)}

    def curves(self, row):
        return {name: value for name, value in row.items() if name not in ("perplexity", "exact_match")}

    def draw(self, folder, head, targets, predictions):
        """Where attention looked for the first test sentences."""
        texts = [text for text in targets if text.strip()][:DRAWN]
        if head.network.attends and texts:
            found = head.n_best(texts, self.settings.width, self.settings.alpha, n_best=1)
            for n in range(len(texts)):
                pictured({name: np.asarray(found[name])[n] for name in found},
                         folder / f"attention_{n + 1}.svg")

    def described(self, corpus):
        return f"{corpus.source_language} → {corpus.target_language}"

    def limits(self):
        return ["Translates sentence by sentence: what the one before said is not known.",
                "It may leave out or make up parts of a sentence, the more so the longer it is."]

    def show_predictions(self, head, corpus, count=4):
        print()
        asked = list(corpora.references(corpus.test).items())[:count]
        for (text, truth), row in zip(asked, head.predict([text for text, _ in asked])):
            print(f"  {tables.shown(text)}\n    {self.line(row, text)}   (truth: {truth[0]})")

    def line(self, row, text):
        return row["translation"]


def by_language(language):
    """What a symbol is where nobody said: a character, or a word piece."""
    return "character" if language.lower().replace("_", "-").partition("-")[0] in UNSPACED else "subword"


def longest(text, pairs):
    """How many symbols of the target there are for one of the source at the most, at least 2."""
    sides = [side([pair[n] for pair in pairs]).row_lengths().numpy()
             for n, side in enumerate((text.source, text.target))]
    return int(min(LONGEST, max(2, np.ceil(np.max(sides[1] / np.maximum(sides[0], 4))))))


def pictured(row, path):
    """Draw where attention looked for the best translation of a row; whether there is such a picture."""
    if "alignments" not in row:
        return False
    source, target = ([token.decode("utf-8", "replace") for token in tokens if token]
                      for tokens in (row["source_tokens"], row["tokens"][0]))
    return prediction.drawn(source, target, row["alignments"][0], path)


def main(settings):
    Translation(settings).main()
