"""Predicts from a text with a TFLite file: one module to copy, which needs NumPy and ai-edge-litert.

    python run.py model_int8.tflite "not bad at all"                          classification, tagging
    python run.py model_int8.tflite "It was " --length=500 --temperature=0.7  generation (or a label)
    python run.py model_int8.tflite "我爱中国" --width=5                      translation

The files that were exported with the TFLite file must be in its folder: model.json, text.json,
vocabulary.txt and, for tagging, alphabet.txt; for translation all that begin with source_ and target_.
The tokenizers give the tokens of the SavedModel, with Python's `unicodedata`: characters newer than its
version (`unicodedata.unidata_version`) may be split otherwise.
"""
import functools
import json
import pathlib
import re
import sys
import unicodedata

import numpy as np

# Letters and numbers of scripts written without spaces; every one is a word.
IDEOGRAPHS = re.compile(
    "[\u3005\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00016fe3"
    "\U0001aff0-\U0001affe\U0001b000-\U0001b167\U00020000-\U0003ffff]")
# Cased letters of Unicode 14 and later: the SavedModel does not know them, so leaves them as they are and
# ends a word before them, which decides the form of a sigma.
NEW_LETTERS = re.compile("([\u2c2f\u2c5f\ua7c0\ua7c1\ua7d0-\ua7dc\ua7f2-\ua7f4\U00010570-\U000105bc"
                         "\U00010780-\U000107ba\U0001df00-\U0001df2a])")

# Malformed, but one character to the patterns of the SavedModel.
SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")

# Patterns over the letters that `kind` gives to characters.
WORD = (r"d+(?:\.d+)+"                                  # 3.14  1,000,000
        r"|[adm]+(?:['j][adm]+)*"                       # don't  2nd  naïve
        r"|rr"                                          # a flag is two letters
        r"|[^ _](?:[mtg]|j[srt])*")                     # anything else, one by one
# _ is a plain space where it may belong to the word after it, as it does in a text that is written.
PATTERNS = {"word": WORD, "space": "[^ ]+", "character": "[^ ]", "piece": f"_?(?:{WORD})|[ _]"}

RESERVED = 4             # ids of what no text holds: padding, unknown, start and end
UNKNOWN, START, END = 1, 2, 3
CHARACTERS = 24          # of a word that n-grams are made of
MOST_BYTES = 100, 2**20  # A longer word is unknown to word pieces: of a text that is read, or written.


@functools.lru_cache(None)
def kind(character):
    """What a character is to the patterns: one letter, and a space between words."""
    category = unicodedata.category(character)
    if category[0] == "Z" or category in ("Cc", "Cs") or character in "\u200b\ufeff":
        return " "
    if category == "Nd":
        return "d"
    if category[0] in "LN":
        return "i" if IDEOGRAPHS.match(character) else "a"
    if category[0] == "M":
        return "m"
    for signs, letter in ((".,", "."), ("'\u2019\u200c", "'"), ("\u200d", "j")):
        if character in signs:
            return letter
    for first, last, letter in (("\U0001f1e6", "\U0001f1ff", "r"), ("\U0001f3fb", "\U0001f3ff", "t"),
                                ("\U000e0020", "\U000e007f", "g")):
        if first <= character <= last:
            return letter
    return "s" if category[0] == "S" else "o"


def cut(text, tokenizer="word"):
    """[(start, end)] of the tokens in a text.

    >>> [text[a:b] for text in ["It’s 3.5 stars: 很好!"] for a, b in cut(text)]
    ['It’s', '3.5', 'stars', ':', '很', '好', '!']
    """
    kinds = "".join(map(kind, text))
    if tokenizer == "piece":
        kinds = "".join("_" if character == " " else letter for character, letter in zip(text, kinds))
    return [match.span() for match in re.finditer(PATTERNS[tokenizer], kinds)]


def lower(text):
    """Lower case as the SavedModel has it."""
    return "".join(part if NEW_LETTERS.match(part) else part.lower() for part in NEW_LETTERS.split(text))


def normalise(text, lowercase):
    """A string, of bytes perhaps, as one that can be looked up."""
    text = text.replace("\0", "\ufffd")
    return lower(text) if lowercase else text


def read_lines(path):
    r"""{token as bytes: its line}: \\ is a backslash, \n a line feed, \r a return, \xNN a byte."""
    def character(match):
        code = match.group(1)
        if len(code) > 1:
            return bytes.fromhex(code[1:].decode())
        return {b"n": b"\n", b"r": b"\r"}.get(code, code)
    lines = path.read_bytes().split(b"\n")[:-1]
    return {re.sub(rb"\\(x[0-9a-f]{2}|.)", character, line): n for n, line in enumerate(lines)}


class Reader:
    """From texts to what a signature takes, and back. Args: folder of the exported files; "source_" …"""

    def __init__(self, folder, side=""):
        folder = pathlib.Path(folder)
        self.settings = json.loads(need(folder / f"{side}text.json").read_text(encoding="utf-8"))
        self.words = read_lines(need(folder / f"{side}vocabulary.txt"))
        self.longest = max(map(len, self.words))
        self.writes = self.words.get(b"[START]") == START
        alphabet = folder / "alphabet.txt"
        self.alphabet = read_lines(alphabet) if alphabet.exists() else None
        sizes = self.settings.get("sizes") or [self.settings["size"]]
        found = [len(self.words)] + ([len(self.alphabet)] if self.alphabet else [])
        if list(sizes) != found:
            raise ValueError(f"expected {sizes} lines in the vocabularies of {folder}, received {found}: "
                             "copy the files again")

    def __call__(self, text):
        """{input: array [1, …]} of a text, bytes or str, and, for a tagger, its [(token, start, end)]."""
        text = encoded(text)
        if self.alphabet is None:
            return {"ids": padded([self.ids(text)]), "code_points": self.code_points(text)}, None
        tokens = self.tokens(text)
        return {"ids": padded([[self.words.get(self.key(token), 1) for token, *_ in tokens]]),
                "characters": self.characters(tokens),
                "shapes": padded([[shape(token) for token, *_ in tokens]])}, tokens

    # A text as a whole.

    def ids(self, text):
        """Ids of a text's tokens, by its tokeniser."""
        return [n for _, ids in self.parts(text) for n in ids][:self.settings["max_length"]]

    def code_points(self, text):
        """Unicode's numbers of the words' first characters, whatever the tokenizer: [1, T, C]."""
        text = self.normalised(text)
        words = [text[start:end].replace("\u2019", "'") for start, end in cut(text)]
        words = words[:self.settings["max_length"]] or [""]
        return padded([[ord(c) for c in word[:CHARACTERS]] for word in words])[None]

    def normalised(self, text):
        """Bytes as the string that is cut."""
        return normalise(text.decode("utf-8", "replace"), self.settings["lowercase"])

    def parts(self, text):
        """[(word, the ids of its pieces)] of a text."""
        text = self.normalised(text)
        ids = self.pieces if self.settings["tokenizer"] == "subword" else self.one
        return [(word, ids(word)) for word in self.split(text)]

    def split(self, text):
        """A text's words, characters or bytes, as bytes."""
        name = self.settings["tokenizer"]
        if name == "separated":
            words = text.replace("\n", " \0 ").encode().split()
            return [b"\n" if word == b"\0" else b" " + word for word in words]
        if name in ("character", "byte"):
            return [c.encode() for c in text] if name == "character" else \
                [bytes([byte]) for byte in text.encode()]
        if self.writes:  # A line begins with a space, as any other word.
            text = re.sub("(?m)^(?=[^\n])", " ", text)
            return [text[start:end].encode() for start, end in cut(text, "piece")]
        return [text[start:end].replace("\u2019", "'").encode() for start, end in cut(text)]

    def one(self, word):
        """The id of a word, as a list."""
        return [self.words.get(word, UNKNOWN)]

    def pieces(self, word):
        """The longest known piece first, what follows as ##piece; [1] if some part is unknown."""
        if len(word) > MOST_BYTES[self.writes]:
            return [UNKNOWN]
        word, found, start = word.decode(), [], 0
        while start < len(word):
            marks = "##" if start else ""
            ends = range(min(len(word), start + self.longest), start, -1)
            end = next((end for end in ends if (marks + word[start:end]).encode() in self.words), None)
            if end is None:
                return [UNKNOWN]
            found.append(self.words[(marks + word[start:end]).encode()])
            start = end
        return found

    def text(self, ids, unknown=None, inside=False):
        """The text that ids stand for, up to the end.

        Args:    unknown  what each id would be if it is that of an unknown word
                 inside   whether the text goes on inside a line, where a first space is one
        """
        characters, subwords = (self.settings["tokenizer"] == name for name in ("character", "subword"))
        tokens, said = list(self.words), []
        for n, id in enumerate(ids):
            if id == END:
                break
            if id == UNKNOWN:
                word = "\ufffd" if unknown is None else unknown[n].strip().decode()
                said.append(word if characters else f" {word}")
            elif id >= RESERVED:
                token = tokens[id].decode("utf-8", "replace")
                said.append(token.removeprefix("##") if subwords else token)
        if characters:
            return "".join(said)
        return re.sub("\n " if inside else "(?m)^ ", "\n" if inside else "", "".join(said))

    # A text token by token.

    def tokens(self, text):
        """[(token, start, end)], places in bytes."""
        text = text.replace(b"\0", b" ")
        seen = SURROGATE.sub("\ue000".encode(), text).decode("utf-8", "surrogateescape")
        sizes = np.cumsum([0, *(len(c.encode("utf-8", "surrogateescape")) for c in seen)])
        places = [sizes[[start, end]].tolist() for start, end in cut(seen, self.settings["tokenizer"])]
        return [(text[start:end].decode("utf-8", "replace"), start, end) for start, end in places]

    def key(self, token):
        """A token as the vocabulary has it."""
        key = normalise(token, self.settings["lowercase"]).replace("\u2019", "'")
        if self.settings["digits"]:
            key = "".join("0" if unicodedata.category(c) == "Nd" else c for c in key)
        return key.encode()

    def characters(self, tokens):
        """Ids of the tokens' characters: [1, T, C]."""
        limit = self.settings["max_characters"]
        return padded([[self.alphabet.get(c.encode(), 1) for c in token[:limit]]
                       for token, *_ in tokens or [("",)]])[None]


# The first pattern that a token's letters match, from 1: see `case`.
SHAPES = "[lcm]+", "U[lm]+", "U[Um]*", "[Ulctm]+", "[d.]*d[d.]*", "[^Ulctd]+"


def case(character):
    """A letter's case, a digit, or what may stand in a number: one letter."""
    category = unicodedata.category(character)
    if character in ".,:":
        return "."
    return {"Lu": "U", "Ll": "l", "Lo": "c", "Nd": "d"}.get(category) or \
        {"L": "t", "M": "m"}.get(category[0], "o")


def shape(token):
    """Which letters a token has: 1 lower, 2 Title, 3 UPPER, 4 mIXed, 5 a number, 6 no letter, 7 other.

    >>> [shape(token) for token in ["of", "Boston", "IBM", "A", "eBay", "1,000", "?!", "B-2"]]
    [1, 2, 3, 3, 4, 5, 6, 7]
    """
    cases = "".join(map(case, token))
    return next((n for n, pattern in enumerate(SHAPES, 1) if re.fullmatch(pattern, cases)), 7)


def padded(rows):
    """Rows of ids as one array, 0 after the end: [N, T], T ≥ 1."""
    array = np.zeros((len(rows), max([1, *map(len, rows)])), np.int32)
    for line, row in zip(array, rows):
        line[:len(row)] = row
    return array


def need(path):
    """The path, if it is there."""
    if not path.is_file():
        raise FileNotFoundError(f"expected {path}, received no such file: copy it with the TFLite file")
    return path


class Model:
    """A file, and the prediction of a classifier or a tagger: `Model(path)(text)`, a dictionary.

    `options` are the settings of a call and their defaults.
    Raises:  FileNotFoundError, ValueError
    """

    options = {}

    def __init__(self, path):
        self.path = need(pathlib.Path(path))
        self.facts = facts_of(self.path)
        self.open(self.path.parent)

    def open(self, folder):
        """Read the vocabularies."""
        self.read = Reader(folder)

    def __call__(self, text):
        inputs, tokens = self.read(text)
        answer = self.ask("ids", **inputs)
        return self.readable({name: value[0] for name, value in answer.items()}, tokens)

    def ask(self, signature, **inputs):
        """The outputs of a signature: {output: array}; inputs that it does not have are left out."""
        runner = self.runner(signature)
        wanted = runner.get_input_details()
        if not set(wanted) <= set(inputs):
            raise ValueError(f"expected a file that takes {', '.join(inputs)}, received one that takes "
                             f"{', '.join(sorted(wanted))}")
        return runner(**{name: fitted(np.asarray(inputs[name], details["dtype"]),
                                      details["shape_signature"]) for name, details in wanted.items()})

    def runner(self, signature="ids"):
        """A new one for every call: a resized interpreter can return results from stale memory."""
        from ai_edge_litert.interpreter import Interpreter
        interpreter = Interpreter(model_path=str(self.path))
        known = sorted(interpreter.get_signature_list())
        if signature not in known:
            raise ValueError(f"expected a file with the signature {signature}, received one with "
                             f"{', '.join(known)}")
        return interpreter.get_signature_runner(signature)

    def readable(self, answer, tokens):
        """Numbers by their labels, tags by their tokens; anything else as it is."""
        labels = self.facts.get("labels", [])
        if "probabilities" in answer:
            p = dict(zip(labels, map(float, answer["probabilities"])))
            several = self.facts.get("kind") == "multi"
            chosen = [name for name in p if p[name] > 0.5] if several else [max(p, key=p.get)]
            return {"label": "|".join(chosen), "probabilities": p}
        if "values" in answer:
            return {"values": dict(zip(labels, map(float, answer["values"])))}
        if "tags" in answer and tokens is not None:
            return [{"token": token, "tag": labels[tag], "probability": float(p[tag]), "start": start,
                     "end": end} for (token, start, end), tag, p in
                    zip(tokens, answer["tags"], answer["marginals"])]
        return {name: value.tolist() for name, value in answer.items()}


class Generator(Model):
    """Generates from a prompt, or from a label: `Generator(path)("It was ")` → {"text"}.

    Temperature 0 is greedy; the same seed gives the same text. A file of fixed shapes generates
    at most as many tokens as it was made for.
    """

    options = {"length": 200, "seed": 0, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "typical": 1.0,
               "repetition_penalty": 1.0}

    def __call__(self, asked, length=200, seed=0, **settings):
        at_least_one(length=length)
        last, states = self.begin(asked)
        uniform = np.random.default_rng(seed).random((1, length), np.float32)
        settings = {**self.options, **settings}
        written = self.ask("generate_ids", ids=[last], uniform=uniform, **states, **settings)
        return {"text": self.read.text(written["ids"][0, :length], inside=not self.facts["labels"])}

    def begin(self, asked):
        """The last id of a text, and the states before it: {name: array [1, H]}."""
        labels = self.facts["labels"]
        if labels and asked not in labels:
            raise ValueError(f"expected a label among {', '.join(labels)}, received {asked!r}")
        ids = [START] + ([] if labels else self.read.ids(encoded(asked)))
        states = self.ask("init", ids=[START], label=[labels.index(asked) if labels else 0])
        # What is read is what comes before each id: the states never include the last.
        size = self.runner("ids").get_input_details()["ids"]["shape_signature"][1]
        size = len(ids) if size < 0 else size
        for n in range(0, len(ids) - 1, size):
            some = padded([ids[n + 1:n + 1 + size]])
            answer = self.ask("ids", ids=some, previous=[ids[n]], **states)
            states = {name: answer[name] for name in states}
        return ids[-1], states


class Translator(Model):
    """Translates a text: `Translator(path)("我爱中国")` → {"translation", "score"}. Width 1 is greedy.

    With attention an unknown word is replaced by the source word with the largest weight.
    """

    options = {"width": 5, "alpha": 0.75}

    def open(self, folder):
        """Read the vocabularies."""
        self.read, self.target = Reader(folder, "source_"), Reader(folder, "target_")

    def __call__(self, text, width=5, alpha=0.75):
        at_least_one(width=width)
        text = encoded(text)
        ids = padded([self.read.ids(text)])
        found = self.ask("beam", ids=ids, width=width, alpha=alpha)
        best, unknown = found["ids"][0, 0], None
        if "alignments" in found:
            words = [word for word, pieces in self.read.parts(text) for _ in pieces]
            places = found["alignments"][0, 0, :, :ids.shape[1]].argmax(-1)
            unknown = [words[place] if place < len(words) else b"" for place in places]
        return {"translation": self.target.text(best, unknown), "score": float(found["scores"][0, 0])}


HEADS = {"generator": Generator, "translator": Translator}


def load(path):
    """The model of a TFLite file. Raises FileNotFoundError, ValueError."""
    return HEADS.get(facts_of(need(pathlib.Path(path))).get("head"), Model)(path)


def facts_of(path):
    """What model.json says, beside the TFLite file."""
    return json.loads(need(path.parent / "model.json").read_text(encoding="utf-8"))


def encoded(text):
    """A text as bytes."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


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
    if len(arguments) < 2:
        raise ValueError("expected a TFLite file and texts: run.py model.tflite \"not bad at all\"")
    model = load(arguments[0])
    texts, settings = parsed(arguments[1:], model.options)
    for text in texts:
        print(json.dumps(model(text, **settings), ensure_ascii=False))


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
