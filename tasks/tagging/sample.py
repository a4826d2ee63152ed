"""The built-in corpus for tagging: slots of spoken requests, in which context decides.

Every pattern and every title is written for this project. One word fills many slots, and what tells
them apart stands before it or after it, near or far:

    what time is it in [Boston place] ?
    play [Boston song] by [Jordan artist]
    book a flight from [Boston origin] to [Austin destination]
    tell [Austin person] [I am in Boston message]
    a table for [six guests] at [seven time]

so the most frequent tag of a word is a poor guess, and so is the tag before it: only words say whether
one leaves or arrives. Half of the sentences are as one writes them, half as one hears them: in lower
case, without punctuation. Half of the held-out sentences have patterns, and some have names, that
training lacks.
"""
import collections
import random
import re

from tasks.reading.splits import normalised
from zoo.text.spans import tags_of

SIZES = {"train": 3000, "validation": 400, "test": 400}
TERMS = "written for this project, under the project's own licence; part of its source code"
SLOTS = ("place", "origin", "destination", "time", "date", "person", "song", "artist", "item",
         "amount", "guests", "message")
TITLES = ("song", "artist")                # written with capital letters
SMALL = {"a", "in", "of", "the", "to", "at", "and", "on", "by", "for", "is"}

# {rule} draws one of its alternatives, {slot:rule} tags what it draws, {slot} is {slot:slot}.
GRAMMAR = {
    "time": "{hour}|{hour} o'clock|half past {hour}|a quarter to {hour}|{hour} thirty|noon|midnight",
    "date": "{day}|{day}|{weekday} {daytime}|tomorrow {daytime}|{month} the {nth}|the {nth} of {month}",
    "person": "{name}|{name}|{name} {surname}|my {relative}",
    "song": "{city}|{name}|{weekday}|{month}|{city} in {month}|{weekday} {daytime}|the road to {city}"
            "|goodbye {name}|call me at {hour}|{number} {things}|{goods} and {goods}|half past {hour}"
            "|tell {name} to wait|what time is it|rain in {city}|a letter from {name}"
            "|wake me on {weekday}|{number} tickets to {city}|play it again {name}|tomorrow in {city}"
            "|the {nth} of {month}",
    "artist": "{city}|{name}|{name} {surname}|{name} and {name}|the {weekday} {club}|the {city} {club}"
              "|the salt {club}|{number} {club}|{month} {surname}",
    "amount": "a box of|a bag of|some|{number} bags of",
    "message": "I am in {city}|I will be in {city} {soon}|we need {number} {things}|{name} is here"
               "|the {ride} to {city} is late|meet me in {city} {soon}|I forgot the {goods}"
               "|call {name} {soon}|dinner is at {hour}|{name} will play {city} {soon}"
               "|bring {goods} and {goods}",
    "wares": "{amount} {item:goods}|{amount:number} {item:things}",
    "when": "{date}|at {time}|{date} at {time}|at {time} {date}",
    "maybe_when": "{when}||",
    "soon": "{day}|at {hour}|on {weekday}",
    "ask": "||please|could you|hey|can you please",
    "now": "||please|right now",
    "day": "today|tomorrow|tonight|{weekday}|next {weekday}|this {weekday}",
    "daytime": "morning|afternoon|evening|night",
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "month": "January|March|April|May|June|August|October",
    "nth": "first|second|third|fourth|fifth|tenth|twelfth|twentieth",
    "hour": "one|two|three|four|five|six|seven|eight|nine|ten|eleven",
    "number": "two|three|four|five|six|seven|eight|nine|ten|eleven",
    "ride": "train|bus|flight|ferry",
    "meal": "breakfast|lunch|dinner|coffee",
    "weather": "sunny|cold|foggy|windy|warm",
    "relative": "sister|brother|mother|father|boss|neighbour",
    "club": "club|brothers|sisters|neighbours|strings|trains",
    "surname": "Lane|Rivers|Stone|Fields|March|Day|Baker|Berry",
    "goods": "{stuff}|{things}",
    "stuff": "milk|rice|butter|honey|bread|coffee|salt|tea",
    "things": "eggs|apples|roses|candles|plums|tickets",
    "name": "Austin|Paris|Florence|Sydney|Georgia|Jordan|Chelsea|Lincoln|Victoria|Nancy|April|May|June"
            "|Anna|Tom|Maria|Omar|Mei|Rose",
    "city": "Austin|Paris|Florence|Sydney|Georgia|Jordan|Chelsea|Lincoln|Victoria|Nancy|Boston|Lima|Oslo"
            "|Nice|Reading|New York|San Diego|Salt Lake City",
}
# Names that only the held-out splits have, beside the others.
UNSEEN = {
    "validation": {"name": "|Madison|Igor|Leila|Sofia", "city": "|Madison|Sofia|Quito|Porto",
                   "things": "|pears", "stuff": "|flour", "surname": "|Marsh"},
    "test": {"name": "|Orlando|Kingston|Hana|Pablo|Ines",
             "city": "|Orlando|Kingston|Dakar|Bergen|El Paso",
             "things": "|lemons|beans", "stuff": "|soap", "surname": "|Hill|Wood"},
}

PATTERNS = {
    "train": (
        "what time is it in {place:city} ?",
        "what is the time in {place:city} {now} ?",
        "how {weather} will it be in {place:city} {when} ?",
        "is it {weather} in {place:city} {now} ?",
        "will it be {weather} {when} in {place:city} ?",
        "do I need a coat in {place:city} {maybe_when} ?",
        "{ask} show {place:city} on the map",
        "{ask} set {place:city} as my home city",
        "{ask} book a {ride} from {origin:city} to {destination:city} {maybe_when}",
        "{ask} book a {ride} to {destination:city} from {origin:city} {maybe_when}",
        "I need a {ride} to {destination:city} from {origin:city} {maybe_when}",
        "{ask} find a {ride} that leaves {origin:city} {when} for {destination:city}",
        "which {ride} gets to {destination:city} from {origin:city} before {time} ?",
        "how do I get from {origin:city} to {destination:city} ?",
        "how long is the {ride} from {origin:city} to {destination:city} ?",
        "when does the {ride} to {destination:city} leave {origin:city} {maybe_when} ?",
        "{ask} wake me {when}",
        "{ask} set an alarm for {time} {date}",
        "{ask} move the alarm from {time} to {time}",
        "{ask} move {meal} with {person} from {date} to {date}",
        "{ask} remind me to call {person} {when}",
        "{ask} remind me {when} to buy {wares}",
        "{ask} remind {person} {when} that {message}",
        "{ask} tell {person} {message}",
        "{ask} tell {person} that {message}",
        "{ask} text {person} {message}",
        "{ask} send {person} a message saying {message}",
        "{ask} call {person} {now}",
        "is {person} free for {meal} {when} ?",
        "{ask} invite {person} and {person} to {meal} {maybe_when}",
        "{ask} add {person} to my contacts",
        "{ask} look up {person} in my contacts",
        "{ask} play {song} {now}",
        "{ask} play {song} by {artist}",
        "{ask} play something by {artist} {now}",
        "I want to hear {song} by {artist}",
        "{ask} play {artist} singing {song}",
        "who sings {song} ?",
        "is {song} by {artist} ?",
        "{ask} add {song} to my playlist",
        "{ask} set {song} as my ringtone",
        "{ask} wake me {when} with {song}",
        "{ask} add {item:goods} to my shopping list",
        "{ask} add {item:goods} {item:goods} and {item:goods} to the list",
        "{ask} put {wares} on my shopping list",
        "{ask} order {wares} and {wares} {maybe_when}",
        "we need {item:goods} {item:goods} and {wares}",
        "{ask} book a table for {guests:number} at {time} {date}",
        "{ask} book a table in {place:city} at {time} for {guests:number}",
        "{ask} reserve {meal} for {guests:number} in {place:city} {when}",
        "{ask} change the table from {guests:number} to {guests:number}",
        "change {meal} {date} from {time} to {time}",
    ),
    "validation": (
        "what is the time {now} in {place:city} ?",
        "{ask} add {place:city} to the map",
        "{ask} find the {ride} to {destination:city} that leaves {origin:city} before {time}",
        "I need a {ride} {date} from {origin:city} to {destination:city}",
        "{ask} text {person} that {message}",
        "{ask} remind me {when} to call {person}",
        "I want to hear {artist} singing {song}",
        "{ask} put {song} on my playlist",
        "{ask} order {item:goods} {item:goods} and {wares}",
        "{ask} book a table {date} for {guests:number} at {time}",
        "{ask} change {meal} with {person} from {time} to {time}",
        "is {person} in my contacts ?",
    ),
    "test": (
        "is it {time} in {place:city} ?",
        "how {weather} is it {now} in {place:city} ?",
        "{ask} look up {place:city} on the map",
        "{ask} book a {ride} {when} to {destination:city} from {origin:city}",
        "when does the {ride} from {origin:city} get to {destination:city} ?",
        "which {ride} leaves {origin:city} for {destination:city} before {time} ?",
        "{ask} send a message to {person} saying {message}",
        "{ask} remind {person} to buy {wares} {when}",
        "{ask} tell {person} and {person} that {message}",
        "who sings {song} with {artist} ?",
        "{ask} add {song} by {artist} to the playlist",
        "{ask} wake me with {song} {when}",
        "{ask} add {wares} to the shopping list",
        "we need a table for {guests:number} {date} at {time}",
        "{ask} reserve a table in {place:city} for {guests:number} at {time}",
        "{ask} invite {person} to {meal} in {place:city} {maybe_when}",
        "{ask} set an alarm for {date} at {time}",
    ),
}


def generate(seed=0, sizes=None):
    """Returns {split: [(tokens, tags), …]}, tags in the scheme BIO, no sentence twice.

    >>> datasets = generate(sizes={"train": 4, "validation": 2, "test": 2})
    >>> [len(datasets[split]) for split in ("train", "validation", "test")]
    [4, 2, 2]
    """
    rng, seen, datasets = random.Random(seed), set(), {}
    for split, size in (sizes or SIZES).items():
        rows, grammar = [], rules(UNSEEN.get(split, {}))
        while len(rows) < size:
            pattern = rng.choice(PATTERNS[split if rng.random() < 0.5 else "train"])
            tokens, tags = sentence(pattern, grammar, rng)
            spoken = heard(tokens)
            if normalised(" ".join(spoken)) not in seen:
                seen.add(normalised(" ".join(spoken)))
                rows.append((spoken, tags[:len(spoken)]) if len(rows) % 2 else (tokens, tags))
        rng.shuffle(rows)
        datasets[split] = rows
    return datasets


def rules(more):
    """{rule: its alternatives}, some rules having more than the grammar says."""
    return {rule: (text + more.get(rule, "")).split("|") for rule, text in GRAMMAR.items()}


def sentence(pattern, grammar, rng):
    """Tokens and tags of one sentence; no name, hour or ware is drawn twice for it.

    >>> sentence("play {song} ?", {"song": ["rain in {city}"], "city": ["Oslo"]}, random.Random(0))
    (('Play', 'Rain', 'in', 'Oslo', '?'), ('O', 'B-song', 'I-song', 'I-song', 'O'))
    """
    tokens, found, drawn = [], [], collections.Counter()

    def write(text, inside=False):
        for piece in text.split():
            if not piece.startswith("{"):
                tokens.append(piece)
                continue
            slot, _, rule = piece[1:-1].partition(":")
            tagged, start = slot in SLOTS and not inside, len(tokens)
            write(draw(rule or slot), inside or tagged)
            if tagged:
                found.append((start, len(tokens), slot))

    def draw(rule):
        fresh = [choice for choice in grammar[rule] if "{" in choice or not drawn[choice]]
        choice = rng.choice(fresh)
        drawn[choice] += len(fresh) > 1 and bool(choice)
        return choice

    write(pattern)
    return spelled(tokens, found), tuple(tags_of(found, len(tokens), "BIO"))


def spelled(tokens, found):
    """Capital letters in titles and at the start."""
    tokens = list(tokens)
    for start, end, slot in found:
        for t in range(start, end) if slot in TITLES else ():
            tokens[t] = tokens[t] if t > start and tokens[t] in SMALL else capital(tokens[t])
    return (capital(tokens[0]), *tokens[1:])


def capital(word):
    return word[:1].upper() + word[1:]


def heard(tokens):
    """Lower case, without the question mark at the end.

    >>> heard(("Is", "it", "May", "?"))
    ('is', 'it', 'may')
    """
    return tuple(token.lower() for token in tokens if re.search(r"\w", token))
