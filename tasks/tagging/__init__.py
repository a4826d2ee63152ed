"""Sequence labelling (N→N): data → model → train → evaluate → export.

    python -m tasks.tagging                                            train on the standard corpus
    python -m tasks.tagging --predict "What time is it in Boston?"     predict with the exported model
    python -m tasks.tagging --corpus=mine.conll                        your own tokens and tags

Tags may mark spans (BIO, IOB1, BIOES, BILOU, BMES: chunks, names, slots of a request) or be one a token,
as parts of speech are. Files may also hold texts with character spans, in JSON. Where sentences have
labels, one model learns these intents too; --nointent learns the tags alone.
"""

from tasks import fitting


def fit(sentences, tags=None, validation=None, on_epoch=None, verbose=True, intents=None, **options):
    """Train a tagger as `python -m tasks.tagging` does. Arguments as of `tasks.sentiment.fit`, but:

    Args:    sentences  a list of lists of tokens; or a path, or the name of a corpus
             tags       a list of lists of as many tags
             intents    a list of as many labels of sentences, to be learnt together with the tags
             validation None, a share of the sentences, or (sentences, tags), with intents (sentences,
                        tags, intents)
    Returns: a `zoo.models.tagger.TextTagger`: `.predict(texts)`, `.save`
    """
    return fitting.fit("tagging", options, columns(sentences, tags, intents), validation, on_epoch,
                       verbose)


def evaluate(model, sentences, tags=None, intents=None, **options):
    """How good a tagger is on sentences whose tags are known: a `Report`, per type of span or per tag.

    Args:    intents  None, or a list of the sentences' labels, which a model with intents also predicts
    """
    if getattr(model, "scheme", None) is None:      # its tags are compared as they are
        options = {"scheme": "none", **options}
    return fitting.evaluate("tagging", options, model, columns(sentences, tags, intents))


def columns(sentences, tags, intents):
    """The columns that are given."""
    return (sentences, tags, *[intents] * (intents is not None))
