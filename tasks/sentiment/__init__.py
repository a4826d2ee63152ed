"""Text classification (N→1): data → model → train → evaluate → export.

    python -m tasks.sentiment                                  train on the standard corpus
    python -m tasks.sentiment --predict "not bad at all"       predict with the exported model
    python -m tasks.sentiment --corpus=reviews.csv             your own texts and labels

Any labels will do, not only sentiment: topics, intents, several labels a text (`--multi_label`) or a
number (`--regression`).
"""

from tasks import fitting


def fit(texts, labels=None, validation=None, on_epoch=None, verbose=True, **options):
    """Train a classifier as `python -m tasks.sentiment` does: the same data, options and seed give the
    same weights.

    Args:    texts       a list of strings; or, without labels, the path of a file or folder, the name of
                         a corpus, or a pandas DataFrame
             labels      a list of labels; of lists of labels with `multi_label`; of numbers with
                         `regression`
             validation  the share of the examples that the best epoch is chosen by, by default 0.1, or a
                         pair (texts, labels); which ones is decided by a hash of the text. A path is
                         split as the command line splits it
             on_epoch    called with {"epoch", "loss", …} after each epoch
             verbose     print what is read and how training goes on
             options     of `docs/options.md`, as units=64, epochs=5, seed=0; with output_dir the run can
                         be resumed
             start       among the options: a run or a pretrained model that training starts from
    Returns: a `zoo.models.classifier.TextClassifier`: `.predict(texts)`, `.predict_proba(texts)`, `.save`
    Raises:  ValueError: data or an option that cannot be right
    """
    return fitting.fit("sentiment", options, (texts, labels), validation, on_epoch, verbose)


def evaluate(model, texts, labels=None, **options):
    """How good a classifier is on texts whose labels are known, all of them.

    Args:    model          what `fit` returned or `zoo.load` loaded
             texts, labels  as for `fit`
    Returns: a `tasks.reporting.report.Report`: `.accuracy`, `.per_class`, `.to_json()`
    """
    kind = {"multi_label": getattr(model, "kind", "") == "multi",
            "regression": getattr(model, "kind", "") == "regression"}
    return fitting.evaluate("sentiment", {**kind, **options}, model, (texts, labels))
