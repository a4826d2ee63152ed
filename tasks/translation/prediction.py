"""Predictions of translation: translations with their scores, perhaps the n best, and a picture."""

import pathlib

from export import run as lite
from tasks import prediction
from tasks.reading.roles import TEXT_NAMES, Role
from tasks.translation import alignment
from tasks.translation.parallel_files import SOURCE, TARGET

PHRASES = ("banned", "required")
BATCH = 64


class Prediction(prediction.Prediction):
    """A row gets `translation` and `score`, log p/L^α; with `n_best` above 1 `translations` too, a list
    of both. A blank text has none. With phrases, which no export takes, the model translates."""

    def __init__(self, task, settings, head=None):
        super().__init__(task, settings, head)
        if settings.picture and (settings.banned or settings.required):
            raise ValueError("picture: expected neither banned nor required phrases with it, received "
                             "some; leave --picture out")
        if settings.n_best > settings.width:
            raise ValueError(f"n_best: expected at most the width of the beam, {settings.width}, "
                             f"received {settings.n_best}; raise --width")
        if settings.picture and settings.input is not None:
            raise ValueError("picture: expected --predict=TEXT with it, received --input; leave it out")

    @property
    def needs_model(self):
        return super().needs_model or bool(self.phrases())

    def phrases(self):
        """{option: phrases} that are given."""
        return {name: [phrase.strip() for phrase in getattr(self.settings, name)]
                for name in PHRASES if getattr(self.settings, name)}

    def role(self):
        """The source's column; that of the training's second side if it was reversed."""
        stored = self.settings.resumed(self.run.settings)
        turned = stored.reverse and "source_column" not in self.settings.given
        given = stored.target_column if turned else stored.source_column
        facts = self.run.folder / "metrics.json"
        language = self.run.read_json(facts.name)["languages"][:1] if facts.exists() else []
        return Role("source_column", given, (*(TARGET if turned else SOURCE), *language, *TEXT_NAMES))

    def predict(self, texts, first):
        kept = [text for text in texts if text.strip()]
        settings = self.settings
        beam = {"width": settings.width, "alpha": settings.alpha, "n_best": settings.n_best}
        found = iter(with_phrases(self.head, kept, self.phrases(), **beam) if self.phrases() else
                     self.model.predict(kept, **beam))
        every = [next(found) if text.strip() else None for text in texts]
        if settings.picture:
            self.draw(texts)
        return every

    def draw(self, texts):
        """Draw where attention looked for one text."""
        settings = self.settings
        if len(texts) != 1 or not pictured(self.model, texts[0], settings.width, settings.alpha,
                                           pathlib.Path(settings.picture)):
            raise ValueError("picture: expected one text, with words, and a translator with attention; "
                             "leave --picture out")

    def line(self, prediction, text):
        if self.settings.n_best == 1 or prediction is None:
            return prediction["translation"] if prediction else "\n" * (self.settings.n_best - 1)
        return "\n".join(f"{one['score']:.3f}  {one['translation']}"
                         for one in prediction["translations"])

    def added(self, prediction, text):
        names = ["translation", "score", *["translations"] * (self.settings.n_best > 1)]
        return {name: prediction and prediction[name] for name in names}


def with_phrases(head, texts, phrases, width, alpha, n_best):
    """As `export.run.Translator.predict`, with {"banned": [phrase, …], "required": …}.

    Raises:  ValueError: a phrase with an unknown token, or one that does not fit
    """
    for name, given in phrases.items():
        for phrase, ids in zip(given, head.text.target(given).to_list()):
            if not ids or lite.UNKNOWN in ids:
                raise ValueError(f"{name}: expected tokens that the target's vocabulary has, received "
                                 f"{phrase!r}; spell it as the corpus does")
    every = []
    for n in range(0, len(texts), BATCH):
        found = head.n_best(texts[n:n + BATCH], width, alpha, **phrases)
        for translations, scores in zip(found["translations"].numpy(), found["scores"].numpy()):
            if "required" in phrases and scores[0] <= lite.NOTHING:
                raise ValueError(f"required: expected phrases that fit into every translation, received "
                                 f"{phrases['required']}; leave some out")
            best = [{"translation": text.decode("utf-8", "replace"), "score": float(score)}
                    for n, (text, score) in enumerate(zip(translations[:n_best], scores))
                    if n == 0 or score > lite.NOTHING]
            every.append({**best[0], "translations": best})
    return every


def pictured(model, text, width, alpha, path):
    """Draw where attention looked for the best translation; whether there is such a picture."""
    ids = model.read.ids(lite.encoded(text))
    found = model.ask("beam", ids=lite.padded([ids]), width=width, alpha=alpha)
    if "alignments" not in found or not ids:
        return False
    weights, output = found["alignments"][0, 0], found["ids"][0, 0][:found["lengths"][0, 0]]
    source = [model.read.text([n], [word]) for n, word in zip(ids, model.words(text))]
    target = [model.target.text([n], [word]) for n, word in zip(output, model.looked_at(weights, text))]
    target = target[:-1] if len(output) and output[-1] == lite.END else target
    return drawn(source, target, weights, path)


def drawn(source, target, weights, path):
    """Draw the weights [T, S] of tokens as a picture, if there are any; whether there are."""
    if not (source and target):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    alignment.draw(source, target, weights[:len(target), :len(source)], path)
    return True
