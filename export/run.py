"""Predicts from a text with a TFLite file: one module to copy, which needs NumPy and ai-edge-litert.

    python run.py model_int8.tflite "not bad at all"                          classification, tagging
    python run.py model_int8.tflite "It was " --length=500 --temperature=0.7  generation (or a label)
    python run.py model_int8.tflite "我爱中国" --width=5                      translation

Prints a line of JSON for every text. From Python: `run.load("model_int8.tflite").predict(texts)`.

The TFLite file holds, as a zip at its end, model.json and tokenizer.json, which has the vocabularies and
the Unicode tables of the SavedModel's tokenizer; a file without them needs them in its folder. Malformed
bytes are U+FFFD, and so is each half of a surrogate pair in a Python string.
"""
import bisect
import concurrent.futures
import importlib
import json
import os
import pathlib
import re
import sys
import zipfile

import numpy as np

FORMAT = 1               # of tokenizer.json
# Malformed, but one character to the patterns of the SavedModel.
SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
APOSTROPHE, SIGMA, FINAL_SIGMA, LOST = "\u2019", "\u03a3", "\u03c2", "\ufffd"
SPACES = " \t\n\r\x0b\x0c"
WIDEST = 64              # beam of an exported file
NOTHING = -1e9           # the score where a beam found fewer texts than it is wide
RESERVED = 4             # ids of what no text holds: padding, unknown, start and end
UNKNOWN, START, END = 1, 2, 3
CHARACTERS = 24          # of a word that n-grams are made of
BATCH = 128              # texts that are predicted together


class Letters(dict):
    """{code point: a letter of its class}, filled as characters come.

    Args:  characters  of tokenizer.json;  place  0 letters of words, 1 of shapes, 2 of the end of a word
    """

    def __init__(self, characters, place):
        super().__init__()
        self.first, self.numbers = characters["ranges"][::2], characters["ranges"][1::2]
        self.letters = [letters[place] for letters in characters["classes"]]

    def __missing__(self, point):
        self[point] = self.letters[self.numbers[bisect.bisect(self.first, point) - 1]]
        return self[point]


class Tables:
    """How a text is cut and written small, by tokenizer.json: docs/devices.md specifies it."""

    def __init__(self, specification):
        if specification.get("format") != FORMAT:
            raise ValueError(f"expected tokenizer.json of format {FORMAT}, received "
                             f"{specification.get('format')}: copy export/run.py again")
        characters = specification["characters"]
        self.words, self.shapes, self.ends = (Letters(characters, place) for place in range(3))
        self.ends[ord(SIGMA)] = "S"
        self.small = {point: point + distance for first, last, step, distance in characters["lower"]
                      for point in range(first, last + 1, step)}
        self.small |= {int(point): "".join(map(chr, points))
                       for point, points in characters["lower_more"].items()}
        self.automata = {name: linked(states) for name, states in specification["automata"].items()}

    def cut(self, text, name):
        """[(start, end)] of the tokens in a text: from each place the longest of the automaton's."""
        letters, found, start = text.translate(self.words), [], 0
        while start < len(letters):
            state, at, end = self.automata[name], start, start
            while at < len(letters) and (state := state[1].get(letters[at])):
                at += 1
                if state[0]:
                    end = at
            if end > start:
                found.append((start, end))
            start = max(end, start + 1)
        return found

    def lower(self, text):
        """A text in lower case; a Σ that ends a word is ς."""
        if SIGMA in text:
            characters = list(text)
            for match in re.finditer("[cS]i*S(?!i*[cS])", text.translate(self.ends)):
                characters[match.end() - 1] = FINAL_SIGMA
            text = "".join(characters)
        return text.translate(self.small)

    def digits(self, text):
        """A text with every digit as 0."""
        return "".join("0" if self.words[ord(c)] == "d" else c for c in text)

    def shape(self, token):
        """Which letters a token has: 1 lower, 2 Title, 3 UPPER, 4 mIXed, 5 a number, 6 signs, 7 other."""
        state = self.automata["shape"]
        for letter in token.translate(self.shapes):
            state = state[1][letter]
        return state[0]


def linked(states):
    """The first of the states [[value, {letters: number}]] as (value, {letter: state})."""
    found = [(value, {}) for value, _ in states]
    for (_, following), (_, after) in zip(found, states):
        following.update((letter, found[n]) for letters, n in after.items() for letter in letters)
    return found[0]


class Reader:
    """From texts to what a signature takes, and back.

    Args:  specification  tokenizer.json;  side  which of its texts: "text", "source" or "target"
    """

    def __init__(self, specification, side="text"):
        self.tables, self.settings = Tables(specification), specification[side]
        self.words = {word: n for n, word in enumerate(self.settings["vocabulary"])}
        self.alphabet = {letter: n for n, letter in enumerate(self.settings.get("alphabet", []))}
        self.longest = max(map(len, self.words))

    def __call__(self, text):
        """{input: list} of a text, bytes or str; for a tagger also [(token, start, end)], in bytes."""
        text = encoded(text)
        if not self.alphabet:
            return {"ids": self.ids(text), "code_points": self.code_points(text)}, None
        tokens = self.tokens(text)
        return {"ids": [self.words.get(self.key(token), UNKNOWN) for token, *_ in tokens],
                "characters": self.characters(tokens),
                "shapes": [self.tables.shape(token) for token, *_ in tokens],
                "code_points": [list(map(ord, self.tables.lower(token)[:CHARACTERS]))
                                for token, *_ in tokens]}, tokens

    # A text as a whole.

    def ids(self, text):
        """Ids of a text's tokens, by its tokeniser."""
        return [n for _, ids in self.parts(text) for n in ids][:self.settings["max_length"]]

    def code_points(self, text):
        """Unicode's numbers of the words' first characters, whatever the tokenizer, a list a word."""
        text = self.normalised(text)
        places = self.tables.cut(text, "word")[:self.settings["max_length"]]
        return [list(map(ord, text[start:end].replace(APOSTROPHE, "'")[:CHARACTERS]))
                for start, end in places]

    def normalised(self, text):
        """Bytes as the string that is cut."""
        text = text.decode("utf-8", "replace").replace("\0", LOST)
        return self.tables.lower(text) if self.settings["lowercase"] else text

    def parts(self, text):
        """[(word, the ids of its pieces)] of a text."""
        ids = self.pieces if self.settings["longest_word"] else self.one
        return [(word, ids(word)) for word in self.split(self.normalised(text))]

    def split(self, text):
        """A text's words or characters; a byte is the character of the same number."""
        if self.settings["line_space"]:     # A line begins with a space, as any other word.
            text = re.sub("(?m)^(?=[^\n])", " ", text)
        words = [text[start:end] for start, end in self.tables.cut(text, self.settings["automaton"])]
        if self.settings["bytes"]:
            return list(text.encode().decode("latin-1"))
        if self.settings["word_space"]:
            return [word if word == "\n" else f" {word}" for word in words]
        plain = self.settings["apostrophe"]
        return [word.replace(APOSTROPHE, "'") for word in words] if plain else words

    def one(self, word):
        """The id of a word, as a list."""
        return [self.words.get(word, UNKNOWN)]

    def pieces(self, word):
        """The longest known piece first, what follows as ##piece; [1] if some part is unknown."""
        if len(word.encode()) > self.settings["longest_word"]:
            return [UNKNOWN]
        found, start = [], 0
        while start < len(word):
            marks = "##" if start else ""
            ends = range(min(len(word), start + self.longest), start, -1)
            end = next((end for end in ends if marks + word[start:end] in self.words), None)
            if end is None:
                return [UNKNOWN]
            found.append(self.words[marks + word[start:end]])
            start = end
        return found

    def text(self, ids, unknown=None, inside=False):
        """The text that ids stand for, up to the end.

        Args:    unknown  what each id would be if it is that of an unknown word
                 inside   whether the text goes on inside a line, where a first space is one
        """
        characters, subwords = self.settings["automaton"] == "each", self.settings["longest_word"]
        tokens, said = list(self.words), []
        for n, id in enumerate(ids):
            if id == END:
                break
            if id == UNKNOWN:
                word = LOST if unknown is None else unknown[n].strip(SPACES)
                said.append(word if characters else f" {word}")
            elif id >= RESERVED:
                said.append(tokens[id].removeprefix("##") if subwords else tokens[id])
        if characters:
            return "".join(said)
        return re.sub("\n " if inside else "(?m)^ ", "\n" if inside else "", "".join(said))

    # A text token by token.

    def tokens(self, text):
        """[(token, start, end)], places in bytes."""
        seen = SURROGATE.sub("\ue000".encode(), text).decode("utf-8", "surrogateescape")
        sizes = np.cumsum([0, *(len(c.encode("utf-8", "surrogateescape")) for c in seen)])
        places = [sizes[[start, end]].tolist()
                  for start, end in self.tables.cut(seen, self.settings["automaton"])]
        return [(text[start:end].decode("utf-8", "replace"), start, end) for start, end in places]

    def key(self, token):
        """A token as the vocabulary has it."""
        key = (self.tables.lower(token) if self.settings["lowercase"] else token).replace(APOSTROPHE, "'")
        return self.tables.digits(key) if self.settings["digits"] else key

    def characters(self, tokens):
        """Ids of the tokens' characters, a list a token."""
        limit = self.settings["max_characters"]
        return [[self.alphabet.get(c, UNKNOWN) for c in token[:limit]] for token, *_ in tokens]


def padded(rows):
    """Rows of ids as one array, 0 after the end: [N, T], T ≥ 1; rows of rows as [N, T, C].

    >>> padded([[2, 3], []]).tolist(), padded([[[2], [3, 4]], []]).tolist()
    ([[2, 3], [0, 0]], [[[2, 0], [3, 4]], [[0, 0], [0, 0]]])
    """
    sizes = [len(rows), max([1, *map(len, rows)])]
    cells = [cell for row in rows for cell in row if isinstance(cell, list)]
    array = np.zeros(sizes + [max([1, *map(len, cells)])] * bool(cells), np.int32)
    for line, row in zip(array, rows):
        if cells:
            for place, cell in zip(line, row):
                place[:len(cell)] = cell
        else:
            line[:len(row)] = row
    return array


def stacked(rows):
    """[{input: list}] of texts → {input: array} of all, batch first."""
    inputs = {name: padded([row[name] for row in rows]) for name in rows[0]}
    for name in {"characters", "code_points"} & set(inputs):
        if inputs[name].ndim < 3:  # no text has a token
            inputs[name] = inputs[name][..., None]
    return inputs


def need(path):
    """The path, if it is there."""
    if not path.is_file():
        raise FileNotFoundError(f"expected {path}, received no such file: copy it with the TFLite file")
    return path


class Model:
    """A file, and the predictions of a classifier or a tagger.

    `Model(path).predict(texts)` gives a dictionary a text, `Model(path)(text)` that of one text.
    `options` are the settings of a call, and their defaults.

    A classifier gives "label" and "probabilities" {label: p}, or "values" {name: value}. A tagger gives
    lists, "tokens", "tags", "probability" of each tag, where each token starts and ends, and with a
    scheme the "spans": "start_char" and "end_char" in characters (slices of a Python string),
    "start_utf16" and "end_utf16" in UTF-16 units (JavaScript, Java, Swift), "start_byte" and "end_byte"
    in bytes of UTF-8. One that was trained with intents also gives the "intent" of the text, its
    probability as "confidence", and those of all as "intents" {intent: p}.

    Args:    path  of the file;  ask  None, or what answers in its place: (signature, {input: array}) →
                   {output: array}
    Raises:  FileNotFoundError, ValueError
    """

    options = {}

    def __init__(self, path, ask=None):
        self.path = pathlib.Path(path)
        self.facts = facts_of(self.path)
        self.open(specification_of(self.path))
        self.answer, self.most, self.length = ask, BATCH, None
        if not ask:
            self.answer = self.ask_file
            self.fix_sizes()

    def open(self, specification):
        """Read the vocabularies."""
        self.read = Reader(specification)

    def __call__(self, text, **options):
        return self.predict([text], **options)[0]

    def predict(self, texts, **options):
        """A dictionary a text, in order; texts of similar length are predicted together."""
        read = [self.read(text) for text in texts]
        return self.in_batches([len(inputs["ids"]) for inputs, _ in read], lambda chosen: self.batch(
            [read[n] for n in chosen], [texts[n] for n in chosen], **options))

    def in_batches(self, lengths, predict):
        """The predictions of all texts, in order; a thread a core.

        Args:  predict  numbers of texts of similar length → a list of their predictions
        """
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        slices = [order[n:n + self.most] for n in range(0, len(order), self.most)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            found = [one for predictions in threads.map(predict, slices) for one in predictions]
        return [one for _, one in sorted(zip(order, found), key=lambda pair: pair[0])]

    def batch(self, read, texts):
        """The predictions of some texts that are read."""
        answer = self.ask("ids", **stacked([inputs for inputs, _ in read]))
        rows = ({name: value[n] for name, value in answer.items()} for n in range(len(read)))
        return [self.readable(row, tokens, text) for row, (_, tokens), text in zip(rows, read, texts)]

    def ask(self, signature, **inputs):
        """The outputs of a signature: {output: array}; inputs that it does not have are left out."""
        return self.answer(signature, inputs)

    def ask_file(self, signature, inputs):
        """`ask` of the TFLite file."""
        runner = self.runner(signature)
        wanted = runner.get_input_details()
        if not set(wanted) <= set(inputs):
            raise ValueError(f"expected a file that takes {', '.join(inputs)}, received one that takes "
                             f"{', '.join(sorted(wanted))}")
        return runner(**{name: fitted(np.asarray(inputs[name], details["dtype"]),
                                      details["shape_signature"]) for name, details in wanted.items()})

    def fix_sizes(self):
        """A file of fixed shapes takes one text, of so many tokens."""
        interpreter = self.interpreter()
        for name in interpreter.get_signature_list():
            inputs = interpreter.get_signature_runner(name).get_input_details()
            tokens = inputs.get("ids") or inputs.get("code_points")
            shape = tokens["shape_signature"] if tokens else []
            if len(shape) > 1 and shape[1] > 0:
                self.most, self.length = 1, int(shape[1])

    def interpreter(self):
        """A new one for every call: a resized interpreter can return results from stale memory."""
        from ai_edge_litert.interpreter import Interpreter
        return Interpreter(model_path=str(need(self.path)))

    def runner(self, signature="ids"):
        """What runs a signature of the file."""
        interpreter = self.interpreter()
        known = sorted(interpreter.get_signature_list())
        if signature not in known:
            raise ValueError(f"expected a file with the signature {signature}, received one with "
                             f"{', '.join(known)}")
        return interpreter.get_signature_runner(signature)

    def readable(self, answer, tokens, text):
        """Numbers by their labels, tags with their tokens and spans; anything else as it is."""
        labels = self.facts.get("labels", [])
        if "probabilities" in answer:
            p = dict(zip(labels, map(float, answer["probabilities"])))
            if self.facts.get("kind") != "multi":
                return {"label": max(p, key=p.get), "probabilities": p}
            thresholds = self.facts.get("thresholds") or [0.5] * len(labels)
            chosen = [name for name, least in zip(labels, thresholds) if p[name] > least]
            return {"label": "|".join(chosen), "chosen": chosen, "probabilities": p}
        if "values" in answer:
            return {"values": dict(zip(labels, map(float, answer["values"])))}
        if "tags" in answer and tokens is not None:
            return self.tagged(answer, tokens, text)
        return {name: value.tolist() for name, value in answer.items()}

    def tagged(self, answer, tokens, text):
        """The lists of a tagger, as long as the text has tokens, or as the file is made for."""
        tokens = tokens[:len(answer["tags"])]
        tags = [self.facts["labels"][tag] for tag in answer["tags"][:len(tokens)]]
        found = {"tokens": [token for token, *_ in tokens], "tags": tags, "probability": [
            float(p[tag]) for p, tag in zip(answer["marginals"], answer["tags"][:len(tokens)])],
            **offsets(text, [place for _, *place in tokens])}
        if self.facts["scheme"]:
            found["spans"] = [{"type": kind, **{name: found[name][first if name[0] == "s" else last - 1]
                                                for name in OFFSETS}}
                              for first, last, kind in spans(tags)]
        if "intents" in answer:
            p = dict(zip(self.facts["intents"], map(float, answer["intents"])))
            found |= {"intent": max(p, key=p.get), "confidence": max(p.values()), "intents": p}
        return found


UNITS = {  # What an offset counts in a text of bytes.
    "char": lambda text: len(text.decode("utf-8", "surrogateescape")),
    "utf16": lambda text: sum(1 + (c > "\uffff") for c in text.decode("utf-8", "surrogateescape")),
    "byte": len}
OFFSETS = [f"{side}_{unit}" for unit in UNITS for side in ("start", "end")]


def offsets(text, places):
    """Where tokens start and end, in each unit: {"start_char": […], "end_char": […], …}.

    Args:  text  bytes or str;  places  [(start, end)] in bytes, in order

    >>> offsets("né 🙂", [(0, 3), (4, 8)])["end_utf16"]
    [2, 5]
    """
    text, borders = encoded(text), [0, *(border for place in places for border in place)]
    pieces = [text[start:end] for start, end in zip(borders, borders[1:])]
    found = {}
    for unit, size in UNITS.items():
        at = np.cumsum([size(piece) for piece in pieces], dtype=int).tolist()
        found[f"start_{unit}"], found[f"end_{unit}"] = at[::2], at[1::2]
    return found


def spans(tags):
    """[(first, last, type)] of tags in BIO, IOB1 or BIOES, the last exclusive.

    >>> spans(["B-X", "I-X", "O", "S-Y", "B-Y"])
    [(0, 2, 'X'), (3, 4, 'Y'), (4, 5, 'Y')]
    """
    found, start, before, kind_before = [], 0, "O", ""
    for n, tag in enumerate([*tags, "O"]):
        letter, _, kind = tag.partition("-")
        if "O" in (before, letter) or kind_before != kind or before in "ES" or letter in "BS":
            if before != "O":
                found.append((start, n, kind_before))
            start = n
        before, kind_before = letter, kind
    return found


class Generator(Model):
    """Generates from a prompt, or from a label: `Generator(path)("It was ")` → {"text"}.

    Temperature 0 is greedy; text number n of a seed is always the same one, `first` is the number of
    the first text. A file of fixed shapes generates at most as many tokens as it was made for.
    """

    options = {"length": 200, "seed": 0, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "typical": 1.0,
               "repetition_penalty": 1.0}

    def predict(self, texts, length=200, seed=0, first=0, **settings):
        at_least_one(length=length)
        labels, settings = self.facts["labels"], {**self.options, **settings}
        unknown = [text for text in texts if labels and text not in labels]
        if unknown:
            raise ValueError(f"expected a label among {', '.join(labels)}, received {unknown[0]!r}")
        ids = [[START] + ([] if labels else self.read.ids(encoded(text))) for text in texts]
        numbers = [labels.index(text) if labels else 0 for text in texts]

        def predict(chosen):
            last, states = self.begin([ids[n] for n in chosen], [numbers[n] for n in chosen])
            uniform = [np.random.default_rng([seed, first + n]).random(length, np.float32)
                       for n in chosen]
            written = self.ask("generate_ids", ids=last, uniform=uniform, **states, **settings)["ids"]
            return [{"text": self.read.text(row[:length], inside=not labels)} for row in written]
        return self.in_batches(list(map(len, ids)), predict)

    def begin(self, ids, labels):
        """The last id of each text, and the states before it: {name: array [B, H]}."""
        states = self.ask("init", ids=[START] * len(ids), label=labels)
        # What is read is what comes before each id: the states never include the last.
        previous, following = [START] * len(ids), padded([row[1:] for row in ids])
        steps = max(map(len, ids)) - 1
        for n in range(0, steps, self.length or max(1, steps)):
            some = following[:, n:n + (self.length or steps)]
            answer = self.ask("ids", ids=some, previous=previous, **states)
            states, previous = {name: answer[name] for name in states}, some[:, -1]
        return [row[-1] for row in ids], states


class Translator(Model):
    """Translates a text: `Translator(path)("我爱中国")` → {"translation", "score"}. Width 1 is greedy.

    With `n_best` above 1 there are "translations" too, a list of both. With attention an unknown word is
    replaced by the source word with the largest weight.
    """

    options = {"width": 5, "alpha": 0.75, "n_best": 1}

    def open(self, specification):
        """Read the vocabularies."""
        self.read, self.target = Reader(specification, "source"), Reader(specification, "target")

    def predict(self, texts, width=5, alpha=0.75, n_best=1):
        at_least_one(width=width, n_best=n_best)
        if width > WIDEST:
            raise ValueError(f"width: expected at most {WIDEST}, received {width}")
        if n_best > width:
            raise ValueError(f"n_best: expected at most the width of the beam, {width}, received "
                             f"{n_best}; raise width")
        texts = list(map(encoded, texts))
        ids = list(map(self.read.ids, texts))

        def predict(chosen):
            found = self.ask("beam", ids=padded([ids[n] for n in chosen]), width=width, alpha=alpha)
            rows = ({name: value[n] for name, value in found.items()} for n in range(len(chosen)))
            return [self.translated(row, texts[n], n_best) for row, n in zip(rows, chosen)]
        return self.in_batches(list(map(len, ids)), predict)

    def translated(self, found, text, n_best):
        """The translations of a text by the beam's ids [n, T], scores [n] and alignments [n, T, S]."""
        every = []
        for n in range(n_best):
            unknown = self.looked_at(found["alignments"][n], text) if "alignments" in found else None
            if n == 0 or found["scores"][n] > NOTHING:
                every.append({"translation": self.target.text(found["ids"][n], unknown),
                              "score": float(found["scores"][n])})
        return {**every[0], **({"translations": every} if n_best > 1 else {})}

    def words(self, text):
        """The word of the source that each of its ids is of."""
        return [word for word, pieces in self.read.parts(encoded(text)) for _ in pieces]

    def looked_at(self, weights, text):
        """The word of the source that was looked at most, for each row of weights [T, S]."""
        words = self.words(text)
        return [words[place] if place < len(words) else "" for place in weights.argmax(-1)]


HEADS = {"generator": Generator, "translator": Translator}


def load(path, ask=None):
    """The model of a TFLite file; see `Model`. Raises FileNotFoundError, ValueError."""
    path = pathlib.Path(path)
    return HEADS.get(facts_of(path).get("head"), Model)(path, ask)


def facts_of(path):
    """What model.json says of a TFLite file."""
    return read_json(path, "model.json")


def specification_of(path):
    """What tokenizer.json says of a TFLite file.

    Of files that were exported before there was one, the project makes it, with TensorFlow.
    """
    try:
        return read_json(path, "tokenizer.json")
    except FileNotFoundError as missing:
        try:
            return importlib.import_module("export.tokenizer").of_folder(path.parent)
        except ModuleNotFoundError:
            raise missing from None


def read_json(path, name):
    """A JSON file that was exported with a TFLite file: in the zip at its end, else beside it.

    Raises:  FileNotFoundError; ValueError: it is incomplete
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as within:
            if name in within.namelist():
                return json.loads(within.read(name))
    path = path.parent / name
    try:
        return json.loads(need(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}, received: {error}; copy the file again") from None


def encoded(text):
    """A text as bytes: each half of a surrogate pair alone is U+FFFD.

    >>> encoded("a\\ud83d").decode(), encoded("\\ud83d\\ude42").decode()
    ('a�', '🙂')
    """
    if not isinstance(text, str):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def at_least_one(**numbers):
    """ValueError for less."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}: expected at least 1, received {number}")


def fitted(array, shape):
    """An array cut and padded to the sizes that a file fixes; -1 is any size."""
    sizes = [have if want < 0 else want for have, want in zip(array.shape, shape)]
    fixed = np.zeros(sizes, array.dtype)
    part = tuple(slice(min(have, want)) for have, want in zip(array.shape, sizes))
    fixed[part] = array[part]
    return fixed


def parsed(arguments, options):
    """Texts, and the settings that stand among them as --name=value.

    >>> parsed(["It was ", "--length=20"], {"length": 200})
    (['It was '], {'length': 20})
    """
    found = [(argument, re.fullmatch(r"--(\w+)=(.*)", argument, re.S)) for argument in arguments]
    settings = {}
    for name, value in (match.groups() for _, match in found if match):
        if name not in options:
            raise ValueError(f"expected options among {', '.join(options) or 'none'}, received --{name}")
        try:
            settings[name] = type(options[name])(value)
        except ValueError:
            raise ValueError(f"--{name}: expected a number, received {value!r}") from None
    return [argument for argument, match in found if not match], settings


def main(arguments):
    """Print a line of JSON for every text."""
    if {"--help", "-h"} & set(arguments):
        return print(usage())
    if len(arguments) < 2:
        raise ValueError("expected a TFLite file and texts: run.py model.tflite \"not bad at all\"")
    model = load(file_of(arguments[0]))
    texts, settings = parsed(arguments[1:], model.options)
    for prediction in model.predict(texts, **settings):
        print(json.dumps(prediction, ensure_ascii=False))


def file_of(path):
    """The path; of the name of a model that comes with recurrent-zoo, if that is installed, its file."""
    if not os.path.exists(path):
        try:
            from zoo import trained
        except ModuleNotFoundError:
            return path
        if trained.known(path):
            return trained.file(path)
    return path


def usage():
    """What `--help` prints: the module's own words, and the options with their defaults."""
    lines = [f"  {name}: " + "  ".join(f"--{option}={value}" for option, value in head.options.items())
             for name, head in HEADS.items()]
    return "\n".join([__doc__, "Options, with their defaults:", *lines])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as problem:
        print(f"run.py: {problem}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as problem:
        print(f"run.py: {problem}; python -m pip install ai-edge-litert", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("run.py: interrupted", file=sys.stderr)
        sys.exit(130)
