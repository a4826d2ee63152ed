"""How good translations are. Every number is a Python float, ready for JSON.

BLEU and chrF are sacreBLEU's, from 0 to 100, and its signatures say which ones: without them such numbers
cannot be compared. A source may have several references.
"""
import collections
import fractions
import math

# sacreBLEU's tokenizer where it is not "13a". Its own for Japanese needs a morphological analyser.
TOKENIZERS = {"zh": "zh", "cmn": "zh", "zho": "zh", "ja": "char", "jpn": "char"}


def translation(predicted, references, language):
    """The metrics of translations in one dictionary.

        exact_match = the part of the translations that is one of their references, as it stands

    Args:    predicted   one string a source
             references  one list of strings a source, at least one in each
             language    of the translations: it decides how BLEU cuts them
    Raises:  ValueError: another number of sources on one side, a source without a reference

    >>> scores = translation(["A cat sat there."], [["There sat a cat.", "A cat sat there."]], "en")
    >>> {name: round(score, 1) for name, score in scores.items()}
    {'bleu': 100.0, 'chrf': 100.0, 'exact_match': 1.0}

    Source:  Papineni et al. 2002; Popović 2015; Post 2018
    """
    scores = {name: float(score.score) for name, (_, score) in _scored(
        predicted, references, language).items()}
    right = sum(text in texts for text, texts in zip(predicted, references))
    return {**scores, "exact_match": right / len(predicted)}


def sentence_chrf(predicted, references):
    """sacreBLEU's chrF of one translation, 0 to 100.

    >>> sentence_chrf("A cat sat there.", ["A cat sat there."])
    100.0
    """
    from sacrebleu.metrics import CHRF
    return float(CHRF().sentence_score(predicted, references).score)


def signatures(references, language):
    """What has to stand beside a BLEU and a chrF.

    >>> signatures([["嗨"], ["好", "很好"]], "zh")["bleu"].split("|")[:4]
    ['nrefs:var', 'case:mixed', 'eff:no', 'tok:zh']
    """
    scored = _scored([texts[0] for texts in references], references, language)
    return {name: str(metric.get_signature()) for name, (metric, _) in scored.items()}


def _scored(predicted, references, language):
    """{name: (metric, score)} of BLEU and chrF."""
    from sacrebleu.metrics import BLEU, CHRF
    _check(predicted, references)
    width = max(map(len, references))
    columns = [[texts[n] if n < len(texts) else None for texts in references] for n in range(width)]
    tokenizer = TOKENIZERS.get(str(language).lower().replace("_", "-").partition("-")[0], "13a")
    metrics = {"bleu": BLEU(tokenize=tokenizer, force=True), "chrf": CHRF()}
    return {name: (metric, metric.corpus_score(list(predicted), columns))
            for name, metric in metrics.items()}


def _check(predicted, references):
    if len(predicted) != len(references) or not len(predicted):
        raise ValueError("expected as many lists of references as translations, at least one, received "
                         f"{len(references)} and {len(predicted)}")
    for number, texts in enumerate(references, 1):
        if isinstance(texts, str) or not texts:
            raise ValueError(f"source {number}: expected a list of references, received {texts!r}")


# ----------------------------------------------------------------- the variant that weights by 1 / 2^n

def bleu_variant(predicted, label, k):
    """A BLEU of one sequence, in which longer n-grams weigh less, from 0 to 1; without smoothing.

        exp(min(0, 1 − len_label / len_pred)) · Π_{n=1}^{k} p_n^{1/2^n},   p_n as in `precisions`

    The variant of row 19 of docs/equations.md; the tasks report sacreBLEU's.

    A prediction shorter than k has no longer n-grams and is judged by those it has; an empty one gets 0.

    Args:    predicted, label  sequences of tokens
             k                 longest n-gram, at least 1

    >>> round(bleu_variant("A B B C D".split(), "A B C D E F".split(), k=2), 3)
    0.681
    >>> bleu_variant("A B B C D".split(), "A B C D E F".split(), k=4)
    0.0

    Source:  Zhang et al., Dive into Deep Learning, section 10.7
    """
    if not predicted:
        return 0.0
    penalty = math.exp(min(0, 1 - len(label) / len(predicted)))
    return penalty * math.prod(p ** 0.5 ** n for n, p in enumerate(precisions(predicted, label, k), 1))


def precisions(predicted, label, k):
    """p_n for n = 1 … k: the part of the predicted n-grams that the label has, each as often as there.

    >>> print(*precisions("A B B C D".split(), "A B C D E F".split(), k=4))
    4/5 3/4 1/3 0
    """
    if k < 1:
        raise ValueError(f"k: expected n-grams of at least 1 token, received {k}")
    found = []
    for n in range(1, min(k, len(predicted)) + 1):
        ours, theirs = (collections.Counter(zip(*(tokens[i:] for i in range(n))))
                        for tokens in (predicted, label))
        found.append(fractions.Fraction((ours & theirs).total(), ours.total()))
    return found
