"""The built-in corpus: short reviews in which the order of the words decides.

Every sentence is written for this project: hand-written words and patterns, and a small grammar
that fills them. An adjective says nothing by itself: it is as frequent in praise as in blame.

    The plot was dull, but I loved it.          positive
    I loved the plot, but it was dull.          negative
    Not bad at all.                             positive
    Not good at all.                            negative

so a bag of words is misled and a model that reads in order is not. The patterns of the training,
validation and test splits are disjoint; their words and local constructions are shared.
"""

import collections
import random
import re

from tasks.reading.sample import tidy

LABELS = ("negative", "positive")
SIZES = {"train": 4800, "validation": 600, "test": 600}
TERMS = "written for this project, under the project's own licence; part of its source code"
Domain = collections.namedtuple("Domain", "thing aspect good bad")
DOMAINS = (
    Domain("film|movie|comedy|thriller|drama",
           "plot|acting|script|dialogue|story|ending|opening",
           "clever|gripping|moving|original|convincing|funny",
           "dull|clumsy|silly|predictable|lifeless|boring"),
    Domain("meal|dinner|lunch|breakfast",
           "curry|bread|pie|rice|chicken|dessert|sauce",
           "tasty|fresh|delicious|satisfying|tempting|wholesome",
           "bland|stale|greasy|tasteless|inedible|watery"),
    Domain("hotel|hostel|guesthouse|resort",
           "room|bathroom|lobby|terrace|suite|corridor|pool",
           "clean|comfortable|cosy|spacious|tidy|quiet",
           "dirty|shabby|cramped|grubby|noisy|gloomy"),
    Domain("phone|tablet|laptop|camera",
           "keyboard|trackpad|touchscreen|charger|app|speaker|microphone",
           "reliable|responsive|solid|precise|handy|dependable",
           "flimsy|sluggish|unreliable|faulty|useless|fiddly"),
)
GOOD = "|good|great|pleasant|impressive|lovely|wonderful|nice"        # of anything
BAD = "|bad|poor|unpleasant|disappointing|awful|terrible|nasty"


# {like} has the polarity of the clause, {unlike} the opposite one.
FACTS = (
    "the {aspect} was {like}",
    "the {aspect} was {very} {like}",
    "the {aspect} was always {like}",
    "the {aspect} turned out to be {like}",
    "the {aspect} was not {unlike}",
    "the {aspect} was not {unlike} at all",
    "the {aspect} was hardly {unlike}",
    "the {aspect} was anything but {unlike}",
    "the {aspect} was far from {unlike}",
    "the {aspect} was never {unlike}",
    "there was nothing {unlike} about the {aspect}",
)


OPINIONS = (
    "I found the {aspect} {like}",
    "I thought the {aspect} was {very} {like}",
    "I {love}d the {aspect}",
    "I did not find the {aspect} {unlike}",
    "I did not {hate} the {aspect}",
)
VERDICTS = (
    "it was {very} {like}",
    "it was not {unlike} at all",
    "the {thing} was {like}",
    "I {really} {love}d the {thing}",
    "I did not {hate} the {thing}",
)


# {main} agrees with the label, so does {same}; {other} and {rumour} contradict it.
CLAUSES = {
    "main": FACTS + OPINIONS + VERDICTS,
    "same": FACTS,
    "other": FACTS + OPINIONS,
    "rumour": FACTS,
}


WORDS = {
    "very": "really|truly|very|quite",
    "really": "really|truly|simply",
    "friend": "sister|brother|neighbour|friend|guide|boss",
    "love": "love|like|admire",
    "hate": "hate|dislike|despise",
    "hope": "had hoped",
    "fear": "was afraid",
}


# What a slot draws from where the polarity is (negative, positive).
DRAWS_FROM = {
    "like": ("bad", "good"), "unlike": ("good", "bad"),
    "love": ("hate", "love"), "hate": ("love", "hate"),
    "feared_like": ("fear", "hope"), "feared_unlike": ("hope", "fear"),
}


PATTERNS = {
    "train": (
        "{like}.",
        "{very} {like}.",
        "a {like} {thing}.",
        "what a {like} {thing}.",
        "not {unlike}.",
        "not {unlike} at all.",
        "hardly {unlike}.",
        "anything but {unlike}.",
        "far from {unlike}.",
        "{very} {like}, the {aspect}.",
        "hardly {unlike}, the {aspect}.",
        "not {unlike} at all, and {same}.",
        "not a {unlike} {thing}.",
        "not a {unlike} {thing} but a {like} one.",
        "{main}.",
        "{main}.",
        "{main}, and {same}.",
        "honestly, {main}.",
        "for me, {main}.",
        "{other}, but {main}.",
        "{other}, but {main}.",
        "{other}, yet {main}.",
        "{other}. still, {main}.",
        "{other}. in the end, though, {main}.",
        "I admit that {other}, but {main}.",
        "{rumour}, but I {love}d it.",
        "in the end, I {love}d it.",
        "I {love}d it, although {rumour}.",
        "I {hate}d the {aspect}, but it was {like}.",
        "although {other}, {main}.",
        "{main}, although {other}.",
        "even though {other}, {main}.",
        "{main}, even if {other}.",
        "{same}, and {main}, even though {other}.",
        "I {love}d it, even though {rumour}.",
        "despite the {unlike} {aspect}, {main}.",
        "{main}, despite the {unlike} {aspect}.",
        "my {friend} said that {rumour}, but that was wrong.",
        "my {friend} said that {same}, and that was right.",
        "the reviews said that {rumour}, but they were wrong.",
        "the reviews said that {same}, and they were right.",
        "everybody told me that {rumour}. in truth, {main}.",
        "it was {like} rather than {unlike}.",
        "the {aspect} was more {like} than {unlike}.",
        "the {aspect} went from {unlike} to {like}.",
        "I expected something {unlike} and got something {like}.",
        "I had expected a {unlike} {thing} and got a {like} one.",
        "I got a {like} {aspect}, where I had expected a {unlike} one.",
        "I got something {like} where I had expected something {unlike}.",
        "I {feared_unlike} that the {aspect} would be {unlike}, but it was not.",
        "I {feared_like} that the {aspect} would be {like}, and it was.",
    ),
    "validation": (
        "in truth, {main}.",
        "honestly, {main}, and {same}.",
        "{other}, and yet {main}.",
        "even if {other}, {main}.",
        "although {rumour}, I {love}d it.",
        "I admit that {other}. still, {main}.",
        "my {friend} told me that {rumour}, but {main}.",
        "the reviews said that {same}, and that was right.",
        "everybody said that {rumour}, but that was wrong.",
        "the {thing} was {like} rather than {unlike}.",
        "the {thing} went from {unlike} to {like}.",
        "I had expected a {unlike} {thing} and got something {like}.",
    ),
    "test": (
        "in the end, {main}.",
        "not {unlike} at all, the {aspect}.",
        "{main}, and for me {same}.",
        "I admit that {other}, yet {main}.",
        "{other}, but in the end {main}.",
        "honestly, although {other}, {main}.",
        "{main}, even though {other}.",
        "honestly, I {really} {love}d it, although {rumour}.",
        "despite the {unlike} {aspect} {main}, and {same}.",
        "the reviews told me that {rumour}. still, {main}.",
        "everybody said that {rumour}, but they were wrong.",
        "my {friend} told me that {same}, and that was right.",
        "it was more {like} than {unlike}.",
        "I got a {like} {thing} where I had expected something {unlike}.",
        "I {feared_unlike} that the {thing} would be {unlike}, but it was not.",
    ),
}


def generate(seed=0, sizes=None):
    """Returns {split: [(text, label), …]}, half of each label, no sentence twice.

    >>> datasets = generate(sizes={"train": 4, "validation": 2, "test": 2})
    >>> [len(datasets[split]) for split in ("train", "validation", "test")]
    [4, 2, 2]
    >>> sorted(label for _, label in datasets["train"])
    ['negative', 'negative', 'positive', 'positive']
    """
    rng, seen, datasets = random.Random(seed), set(), {}
    for split, size in (sizes or SIZES).items():
        rows = datasets[split] = []
        while len(rows) < size:
            label = LABELS[len(rows) % 2]
            text = sentence(rng.choice(PATTERNS[split]), label == "positive", rng)
            if text not in seen:
                seen.add(text)
                rows.append((text, label))
        rng.shuffle(rows)
    return datasets


def sentence(pattern, positive, rng):
    """One sentence of a pattern and a polarity, about one domain, no word drawn twice.

    >>> sentence("not {unlike} at all.", True, random.Random(0))
    'Not fiddly at all.'
    """
    words = shuffled_words(rng.choice(DOMAINS), rng)

    def expand(text, positive):
        return re.sub("{(.*?)}", lambda slot: draw(slot[1], positive), text)

    def draw(slot, positive):
        if slot in CLAUSES:
            return expand(rng.choice(CLAUSES[slot]), positive ^ (slot in ("other", "rumour")))
        return words[DRAWS_FROM[slot][positive] if slot in DRAWS_FROM else slot].pop()

    return tidy(expand(pattern, positive))


def shuffled_words(domain, rng):
    """{slot: its words in random order}."""
    table = dict(WORDS, thing=domain.thing, aspect=domain.aspect,
                 good=domain.good + GOOD, bad=domain.bad + BAD)
    choices = {slot: words.split("|") for slot, words in table.items()}
    return {slot: rng.sample(words, len(words)) for slot, words in choices.items()}
