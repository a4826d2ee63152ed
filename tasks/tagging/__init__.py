"""Sequence labelling (N→N): data → model → train → evaluate → export.

    python -m tasks.tagging                                            train on the standard corpus
    python -m tasks.tagging --predict "What time is it in Boston?"     predict with the exported model
    python -m tasks.tagging --corpus=mine.conll                        your own tokens and tags

Tags may mark spans (BIO, IOB1, BIOES, BILOU, BMES: chunks, names, slots of a request) or be one a token,
as parts of speech are. Files may also hold texts with character spans, in JSON.
"""

from tasks import fitting


def fit(sentences, tags=None, validation=None, on_epoch=None, verbose=True, **options):
    """Train a tagger as `python -m tasks.tagging` does. Arguments as of `tasks.sentiment.fit`, but:

    Args:    sentences  a list of lists of tokens; or a path, or the name of a corpus
             tags       a list of lists of as many tags
    Returns: a `zoo.models.tagger.TextTagger`: `.predict(texts)`, `.save`
    """
    return fitting.fit("tagging", options, (sentences, tags), validation, on_epoch, verbose)


def evaluate(model, sentences, tags=None, **options):
    """How good a tagger is on sentences whose tags are known: a `Report`, per type of span or per tag."""
    return fitting.evaluate("tagging", options, model, (sentences, tags))
