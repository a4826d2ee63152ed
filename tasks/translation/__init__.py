"""Translation (N→M): data → model → train → evaluate → export.

    python -m tasks.translation                                    train on the standard corpus
    python -m tasks.translation --predict "Ich habe keine Zeit."   translate with the exported model
    python -m tasks.translation --predict … --required=time --banned="I have"    phrases in, phrases out
    python -m tasks.translation --corpus=train.de,train.en         your own aligned files, or a table

After every epoch the validation split is translated greedily; beam search translates the test split.
"""

from tasks import fitting


def fit(sources, targets=None, validation=None, on_epoch=None, verbose=True, **options):
    """Train a translator as `python -m tasks.translation` does. As `tasks.sentiment.fit`, but:

    Args:    sources  a list of sentences; or a path, the name of a corpus, or a pandas DataFrame
             targets  a list of their translations
    Returns: a `zoo.models.translator.TextTranslator`: `.predict(texts)`, `.save`
    """
    return fitting.fit("translation", options, (sources, targets), validation, on_epoch,
                       verbose)


def evaluate(model, sources, targets=None, **options):
    """How good translations are: a `Report` with BLEU and chrF, and the worst sentences by chrF."""
    return fitting.evaluate("translation", options, model, (sources, targets))
