"""The classifier as a scikit-learn estimator."""

import inspect

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from tasks import sentiment
from tasks.sentiment.options import Settings
from zoo.options import fields

LEFT_OUT = ("corpus", "mode", "split", "output", "predict", "output_dir", "overwrite", "regression",
            "multi_label")
OPTIONS = {field.name: field.default for field in fields(Settings) if field.name not in LEFT_OUT}


class RecurrentClassifier(ClassifierMixin, BaseEstimator):
    """A recurrent text classifier for `Pipeline`, `cross_val_score` and `GridSearchCV`.

    Args:    options  of `docs/options.md`, as units=64, epochs=5, seed=0; and
             validation, verbose  of `tasks.sentiment.fit`
    Attributes after `fit`: `model_`, a `zoo.models.classifier.TextClassifier`; `classes_`

    >>> RecurrentClassifier(units=8).get_params()["units"]
    8
    """

    def __init__(self, **options):
        for name, value in {**DEFAULTS, **options}.items():
            if name not in DEFAULTS:
                raise TypeError(f"expected an option among {', '.join(DEFAULTS)}, received {name!r}")
            setattr(self, name, value)

    def fit(self, X, y):
        """Train on texts [N] and their labels [N]."""
        y = np.asarray(y)
        if any(label is None or label != label for label in y):
            raise ValueError("y: expected a label for every text, received None or NaN")
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"y: expected at least two labels, received {self.classes_.tolist()}")
        given = {name: value for name in OPTIONS if (value := getattr(self, name)) != OPTIONS[name]}
        validation = self.validation
        if isinstance(validation, (tuple, list)):       # else a share of the examples
            validation = (*validation[:1], *map(self._numbered, validation[1:]))
        self.model_ = sentiment.fit(list(X), self._numbered(y), validation, verbose=self.verbose,
                                    **given)
        return self

    def _numbered(self, labels):
        """Labels as the model knows them: their places in `classes_`, as text in the same order."""
        places = {label: f"{n:06}" for n, label in enumerate(self.classes_.tolist())}
        found = np.asarray(labels).tolist()
        unknown = [label for label in found if label not in places]
        if unknown:
            raise ValueError(f"validation: expected labels among {self.classes_.tolist()}, received "
                             f"{unknown[0]!r}")
        return [places[label] for label in found]

    def predict_proba(self, X):
        """Probabilities [N, C], in the order of `classes_`."""
        check_is_fitted(self)
        p = self.model_.predict_proba(list(X))
        return p / p.sum(1, keepdims=True)      # in float64, as scikit-learn wants them

    def predict(self, X):
        """The likeliest labels [N]."""
        p = self.predict_proba(X)       # which refuses an estimator that is not fitted
        return self.classes_[np.argmax(p, 1)]


DEFAULTS = {**OPTIONS, "validation": None, "verbose": False}
# scikit-learn reads the parameters off the signature.
RecurrentClassifier.__init__.__signature__ = inspect.Signature(
    [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
     *(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
       for name, value in DEFAULTS.items())])
