"""Language modelling and text generation (N→N, 1→N): data → model → train → evaluate → export.

    python -m tasks.generation                                    train on the standard corpus
    python -m tasks.generation --predict "ROMEO: "                continue a text
    python -m tasks.generation --corpus=novel.txt                 your own text
    python -m tasks.generation --corpus=names --predict female    a text that follows from a label

A text without labels is read in windows; the states are carried from one window to the next.
"""

from tasks import fitting


def fit(texts, labels=None, validation=None, on_epoch=None, verbose=True, **options):
    """Train a language model as `python -m tasks.generation` does. As `tasks.sentiment.fit`, but:

    Args:    texts   a list of strings, read one after the other, each on lines of its own; or a path, or
                     the name of a corpus
             labels  a list of as many labels that the texts shall follow from, or None
    Returns: a `zoo.models.language_model.TextGenerator`: `.predict(texts)`, `.save`
    """
    return fitting.fit("generation", options, (texts, labels), validation, on_epoch, verbose)


def evaluate(model, texts, labels=None, **options):
    """How well a language model predicts texts: a `Report` with bits per character and perplexity."""
    return fitting.evaluate("generation", options, model, (texts, labels))
