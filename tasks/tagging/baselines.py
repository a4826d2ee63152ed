"""What a recurrent tagger has to beat: NLTK's hidden Markov model, and each word's most frequent tag.

Each learns from sentences (tokens and tags) and predicts a list of tags for each list of tokens.
"""
import collections
import re

from tasks.naive_bayes import majority, multinomial_naive_bayes


def most_frequent_tag(train, texts):
    """The tag that a word has most often in training, whatever stands around it.

    A word that training lacks gets the most frequent tag of the words that training has once, which
    are the most like it. Of equally frequent tags the first in the alphabet.

    >>> train = [(("may", "I"), ("VERB", "PRON")), (("May", "may"), ("NOUN", "VERB"))]
    >>> most_frequent_tag(train, [("may", "May"), ()])
    [['VERB', 'NOUN'], []]
    """
    of_word = collections.defaultdict(collections.Counter)
    for tokens, tags in train:
        for token, tag in zip(tokens, tags):
            of_word[token][tag] += 1
    once = collections.Counter(tag for tags in of_word.values() if tags.total() == 1 for tag in tags)
    everything = collections.Counter(tag for _, tags in train for tag in tags)
    unknown = _first(once or everything)
    best = {word: _first(tags) for word, tags in of_word.items()}
    return [[best.get(token, unknown) for token in tokens] for tokens in texts]


def _first(tags):
    return min(tags, key=lambda tag: (-tags[tag], tag))


def hidden_markov(train, texts, gamma=0.1):
    """The most probable tags of a first-order hidden Markov model, counted and decoded by NLTK.

        argmax Π_t P(y_t | y_{t−1}) · P(x_t | y_t),   each P being (n + γ) / (N + γ·possibilities)

    Words that training has once or not at all are replaced by how they look (`look`), so that an
    unknown word is judged by rare words of its kind.

    >>> train = [(("I", "may"), ("PRON", "VERB")), (("in", "May"), ("ADP", "NOUN"))] * 2
    >>> hidden_markov(train, [("I", "June"), ("in", "April")])
    [['PRON', 'VERB'], ['ADP', 'NOUN']]

    Source:  Rabiner 1989; rare words by their form, Brants 2000 (there by suffixes of any length)
    """
    from nltk.probability import LidstoneProbDist
    from nltk.tag.hmm import HiddenMarkovModelTagger
    count = collections.Counter(token for tokens, _ in train for token in tokens)
    known = {token for token, n in count.items() if n > 1}

    def symbols(tokens):
        return [token if token in known else look(token) for token in tokens]

    tagger = HiddenMarkovModelTagger.train(
        [list(zip(symbols(tokens), tags)) for tokens, tags in train if tokens],
        estimator=lambda counts, possibilities: LidstoneProbDist(counts, gamma, possibilities))
    return [tagger.best_path(symbols(tokens)) if tokens else [] for tokens in texts]


def look(word):
    """How a word looks: its last two letters if it is all small, else what it is made of.

    >>> [look(word) for word in ("walking", "Boston", "NATO", "1,984", "B-52", "词")]
    ['<ng>', '<Xx>', '<X>', '<d,d>', '<X-d>', '<x>']
    """
    kinds = "".join("X" if letter.isupper() else "d" if letter.isdigit() else "x" if letter.isalpha()
                    else letter for letter in word)
    shape = re.sub(r"(.)\1+", r"\1", kinds)
    return f"<{word[-2:] if shape == 'x' and len(word) > 2 else shape}>"


BASELINES = {"most frequent tag": most_frequent_tag, "HMM (NLTK)": hidden_markov}
INTENT_BASELINES = {"majority": majority, "multinomial naive Bayes": multinomial_naive_bayes}
