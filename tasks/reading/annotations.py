"""Texts with character spans in JSON, as annotation tools write them, as sentences of tokens and tags.

    doccano        {"text": …, "label": [[0, 5, "PER"]]}, also "labels"; or with "entities":
                   [{"start_offset": 0, "end_offset": 5, "label": "PER"}]
    Label Studio   {"data": {"text": …}, "annotations": [{"result": [{"value":
                   {"start": 0, "end": 5, "labels": ["PER"]}}]}]}
    spaCy          {"text": …, "ents" or "spans": [{"start": 0, "end": 5, "label": "PER"}]},
                   {"text": …, "entities": [[0, 5, "PER"]]}, [text, {"entities": [[0, 5, "PER"]]}]

Beside them may stand the label of the text, {"intent": "statement"}. One record a line (JSON Lines), or
all in one array. Offsets count characters, the end is exclusive. Texts are cut into tokens as the
exported model cuts them, and where a span begins or ends.
"""

import bisect
import collections
import itertools
import json
import re

from export.tokenizer import cut
from tasks.reading.layout import INTENT_NAMES
from tasks.reading.objects import HALVES
from tasks.reading.splits import Sentence
from zoo.text.spans import tags_of

ENDINGS = (".json", ".jsonl", ".ndjson")
TEXT_KEYS = ("text", "sentence", "content", "document", "body", "message", "utterance", "data")
SPAN_KEYS = ("label", "labels", "entities", "ents", "spans", "annotations")
EXPECTED = 'a text and its spans, such as {"text": "Anna sings", "label": [[0, 4, "PER"]]}'
LOOKED_AT = 10_000  # records of the training file
SKIPPED = ("texts without annotations", "texts that the annotator rejected", "texts without a token")

Keys = collections.namedtuple("Keys", "text spans intent")
Span = collections.namedtuple("Span", "start end label")


def are_in(name, text):
    """Whether a file holds JSON, by its name or its first characters.

    >>> are_in("a.txt", '{"text": "a"}'), are_in("a.txt", "[ O")
    (True, False)
    """
    name = name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")
    first = text.lstrip().partition("\n")[0]
    return name.endswith(ENDINGS) or bool(re.match(r'\s*(\[\s*)?\{\s*"|\s*\[\s*\[\s*"', text)) or \
        first.startswith("[") and _is_json(first)


def parse(name, text, keys, tokenizer):
    """The sentences, a count of the records that hold none, {tag: line}, and notes.

    Raises:  ValueError: names the line of what is no text with spans
    """
    sentences, left_out, first, split = [], collections.Counter(), {}, []
    for line, record in records(name, text):
        where = f"{name}, line {line}"
        skipped, body, spans = _opened(where, record, keys)
        tokens, borders = ([], []) if skipped else _tokens(body, spans, tokenizer)
        if not tokens:
            left_out[skipped or SKIPPED[2]] += 1
            continue
        intent = _flat(record).get(keys.intent)
        check_intent(where, keys.intent, intent)
        sentence = _sentence(where, body, tokens, spans)._replace(intent=intent)
        sentences.append(sentence)
        split += [(line, body[start:end]) for start, end in borders]
        for tag in sentence.tags:
            first.setdefault(tag, line)
    if not sentences:
        raise ValueError(f"{name}: expected {EXPECTED}, received {left_out.total():,} records without")
    notes = ["texts with spans are cut into tokens as the exported model cuts them: tokenizer="
             f"{tokenizer}"]
    if split:
        notes.append(f"{name}: {len(split):,} tokens are split where a span begins or ends, the first in "
                     f"line {split[0][0]}: '{split[0][1][:40]}'; the exported model will not split such")
    return sentences, left_out, first, notes


# ---------------------------------------------------------------------------------------------- records

def records(name, text):
    """(line number, value) of JSON Lines or of the elements of one array."""
    first, *more = text.strip().split("\n", 1)
    pairs = re.match(r'\[\s*"', first)
    array = first.startswith("[") and not ((more or pairs) and _is_json(first))
    return _elements(name, text) if array else _lines(name, text)


def _is_json(line):
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def _lines(name, text):
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise _broken(name, number, "a JSON object a line, or one array of them", error) from None


def _elements(name, text):
    decoder, between = json.JSONDecoder(), re.compile(r"[\s,]*")
    at, counted, line = text.index("[") + 1, 0, 1
    while not re.compile(r"\s*\]\s*$").match(text, at):
        at = between.match(text, at).end()
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            line = getattr(error, "lineno", line)
            raise _broken(name, line, "one array of JSON objects", error) from None
        yield line, value


def _broken(name, line, expected, error):
    return ValueError(f"{name}, line {line}: expected {expected}, received something else "
                      f"({getattr(error, 'msg', error)}); correct the line")


# ---------------------------------------------------------------------------------- a text and its spans

def keys(name, text, form):
    """The keys of texts and spans, as given, else the usual ones that hold any in the training file.

    Raises:  ValueError: no such key, or several
    """
    seen = [_flat(record) for _, record in itertools.islice(records(name, text), LOOKED_AT)]
    texts = [key for key in (form.token_column, *TEXT_KEYS) if key is not None
             and any(isinstance(record.get(key), str) for record in seen)]
    lists = [key for key in ([form.tag_column] if form.tag_column is not None else SPAN_KEYS)
             if any(isinstance(record.get(key), list) for record in seen)]
    spans = [key for key in lists if any(record.get(key) for record in seen)] or lists[:1]
    known = ", ".join(dict.fromkeys(key for record in seen for key in record)) or "none"
    for what, found, flag in (("the text", texts[:1], "token_column"),
                              ("the spans", spans, "tag_column")):
        if len(found) != 1 or getattr(form, flag) not in (None, found[0]):
            raise ValueError(f"{name}: expected {EXPECTED}, received {' and '.join(found) or 'no key'} "
                             f"for {what}, of the keys {known}; set {flag}")
    return Keys(texts[0], spans[0], intent_key(name, seen, form))


def intent_key(name, records, form):
    """The key of the texts' labels: as given, else `intent`, else a usual one whose values are few; None
    without.

    Raises:  ValueError: no record has the key that is given
    """
    given = form.intent_column
    usual = INTENT_NAMES if form.intents is not False else ()
    for key in usual if given is None else (given,):
        values = [record[key] for record in records if isinstance(record.get(key), str)]
        if values and (key in (given, INTENT_NAMES[0]) or 2 * len(set(values)) <= len(values)):
            return key
    if given is not None:
        raise ValueError(f"{name}: expected a string in the key '{given}', received none; set "
                         "intent_column to a key of the records")
    return None


def check_intent(where, key, intent):
    """Refuse a record without a label where there is a key for one."""
    if key and not (isinstance(intent, str) and intent.strip()):
        raise ValueError(f"{where}: expected a label in {key}, received {intent!r}; correct the line, or "
                         "set intent to false to read none")


def _flat(record):
    """A record as one dictionary: a pair of text and annotations, or Label Studio's, unfolded."""
    if isinstance(record, list) and len(record) == 2 and isinstance(record[1], dict):
        return {"text": record[0], **record[1]}
    if not isinstance(record, dict):
        return {}
    if isinstance(record.get("data"), dict):
        made = record.get("annotations", record.get("completions")) or []
        made = [one for one in made if isinstance(one, dict) and not one.get("was_cancelled")]
        return {**record["data"], "annotations": made or None}
    return record


def _opened(where, record, keys):
    """(why the record is skipped or None, its text, its spans in order)."""
    record = _flat(record)
    body, found = record.get(keys.text), record.get(keys.spans)
    if record.get("answer", "accept") != "accept":
        return SKIPPED[1], "", []
    if not isinstance(body, str) or not isinstance(found, list | None):
        raise ValueError(f"{where}: expected {EXPECTED} with the keys {keys.text} and {keys.spans}, "
                         f"received {json.dumps(record, ensure_ascii=False)[:60]}; correct the line")
    if found is None:
        return SKIPPED[0], "", []
    results = [one["result"] for one in found if isinstance(one, dict) and "result" in one]
    found = _agreed(where, results) if results else found
    body = HALVES.sub(" ", body)
    return None, body, _checked(where, body, [_span(where, body, span) for span in found])


def _agreed(where, results):
    """The spans of Label Studio, which may hold those of several annotators."""
    each = [[one["value"] for one in result if isinstance(one, dict) and "labels" in one.get("value", ())]
            for result in results]
    if any(_comparable(one) != _comparable(each[0]) for one in each):
        raise ValueError(f"{where}: expected annotations that agree, received {len(each)} that differ; "
                         "keep one")
    return each[0]


def _comparable(values):
    return sorted((value.get("start"), value.get("end"), value["labels"]) for value in values)


def _span(where, body, span):
    """(start, end, label, its text or None) of any form."""
    if isinstance(span, dict):
        label = span.get("label", span.get("labels"))
        start, end = (span.get(key, span.get(f"{key}_offset")) for key in ("start", "end"))
        quoted = span.get("text")
    else:
        start, end, label = span if isinstance(span, list) and len(span) == 3 else [None] * 3
        quoted = None
    label = label[0] if isinstance(label, list) and len(label) == 1 else label
    label = str(label).strip() if isinstance(label, str | int) else ""
    right = all(isinstance(number, int) and not isinstance(number, bool) for number in (start, end))
    if not right or not label:
        raise ValueError(f"{where}: expected a span as start, end and one label, received "
                         f"{json.dumps(span, ensure_ascii=False)[:60]}; correct the line")
    return start, end, label, quoted


def _checked(where, body, found):
    """Spans in order, without the spaces at their ends; each inside the text, none over another."""
    found = [(start, end, label) for start, end, label, _ in _in_characters(where, body, found)]
    spans = []
    for start, end, label in sorted(set(found)):
        if not 0 <= start < end <= len(body) or not body[start:end].strip():
            raise ValueError(f"{where}: expected spans inside the {len(body)} characters of the text, "
                             f"received [{start}, {end}, {label}]; correct the line")
        start += len(body[start:end]) - len(body[start:end].lstrip())
        span = Span(start, start + len(body[start:end].strip()), label)
        if spans and span.start < spans[-1].end:
            raise ValueError(f"{where}: expected spans that do not overlap, received "
                             f"{_shown(body, spans[-1])} and {_shown(body, span)}; keep one of them")
        spans.append(span)
    return spans


def _shown(body, span):
    return f"'{body[span.start:span.end][:40]}' [{span.start}, {span.end}, {span.label}]"


def _in_characters(where, body, found):
    """Spans whose texts are given and differ may count UTF-16 units, as browsers do."""
    if _quote_right(body, found):
        return found
    units = [0]
    for character in body:
        units.append(units[-1] + 1 + (character > "\uffff"))
    place = {unit: at for at, unit in enumerate(units)}
    moved = [(place.get(start, -1), place.get(end, -1), *rest) for start, end, *rest in found]
    if not _quote_right(body, moved):
        start, end, label, quoted = next(span for span in found if not _quote_right(body, [span]))
        raise ValueError(f"{where}: expected '{quoted[:40]}' at [{start}, {end}, {label}], received "
                         f"'{body[start:end][:40]}'; export the texts again, unchanged")
    return moved


def _quote_right(body, found):
    return all(quoted is None or body[start:end] == quoted for start, end, _, quoted in found)


# ---------------------------------------------------------------------------------- tokens and their tags

def _tokens(body, spans, tokenizer):
    """[(start, end)] of the tokens, split where spans begin or end; and those that were split."""
    borders = sorted({at for span in spans for at in span[:2]})
    tokens, split = [], []
    for start, end in cut(body, tokenizer):
        inside = borders[bisect.bisect_right(borders, start):bisect.bisect_left(borders, end)]
        split += [(start, end)] * bool(inside)
        tokens += zip([start, *inside], [*inside, end])
    return tokens, split


def _sentence(where, body, tokens, spans):
    starts = [start for start, _ in tokens]
    numbered = [(bisect.bisect_left(starts, span.start), bisect.bisect_left(starts, span.end), span.label)
                for span in spans]
    for span, (first, last, _) in zip(spans, numbered):
        if first == last:
            raise ValueError(f"{where}: expected a span with a token, received {_shown(body, span)}; "
                             "correct the line")
    return Sentence(tuple(body[start:end] for start, end in tokens),
                    tuple(tags_of(numbered, len(tokens), "BIO")))
