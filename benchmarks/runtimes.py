"""The same text in each runtime: whether the answer is Keras's, how long it takes, how large the file is.

    python -m benchmarks.runtimes banking-intents=intents.txt runs/generation=prompts.txt --count=1000

Each MODEL=TEXTS is a run directory, or the name of a pretrained model, and a file with a text a line. A
text is answered alone, twice, on one thread; the second time counts, since the first of a length prepares
the file for it. A generator goes on for 20 symbols, greedy; a translator takes a beam of 5.

    Keras             the graph of the model, text in
    SavedModel        the same, loaded from the file
    LiteRT, Python    export.run, the file float32 or int8, in an interpreter that stays open
    LiteRT, C         export/c/zoo_predict, the same files; it takes a C compiler
    LiteRT.js         model_web.tflite (int8) in headless Chromium; `npm --prefix export/web install`
    ONNX Runtime      the signature ids alone, of numbers

An answer is Keras's if label, tags or text are; it is a tie where these differ and the probabilities, or
the scores, of both are within 1e-4. In ONNX Runtime it is if all numbers are within 1e-5. What a runtime
lacks is left out, with a note.
"""
import argparse
import functools
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
import tensorflow as tf

import ai_edge_litert
from benchmarks import browser
from export import onnx, run, saved_model, tflite, tokenizer
from tasks import cli
import zoo

TIE, EXACT = 1e-4, 1e-5
FILES = {"float32": "model_float32.tflite", "int8": "model_int8.tflite", "web": "model_web.tflite"}
SYMBOLS = 20
SETTINGS = {"generator": {"length": SYMBOLS, "temperature": 0.0}, "translator": {"width": 5, "n_best": 1}}
SECONDS = 3600      # that a page may take


class Case:
    """A model, its texts, and its files in a folder, which are written if they are not there."""

    def __init__(self, source, texts, folder, count):
        self.name = pathlib.Path(source).name
        self.head = zoo.load(source)
        lines = pathlib.Path(texts).read_text(encoding="utf-8").splitlines()
        self.texts = [line for line in lines if line.strip()][:count]
        self.kind, self.folder = self.head.name, pathlib.Path(folder) / self.name
        self.settings = SETTINGS.get(self.kind, {})
        specification = tokenizer.specification(self.head.text)
        self.read = run.Reader(specification, "source" if self.kind == "translator" else "text")
        if not (self.folder / "tflite").is_dir():
            self.write()

    def write(self):
        """The files: SavedModel, float32, int8 and web, and ONNX."""
        length = int(np.percentile([len(self.read(text)[0]["ids"]) for text in self.texts], 99))
        saved_model.write(self.head, self.folder / "saved_model", self.texts[:16])
        onnx.write(self.head, self.folder / "onnx", self.texts[:16])
        tflite.write(self.head, self.folder / "tflite", variants=list(FILES), length=max(8, length))

    def path(self, variant):
        return self.folder / "tflite" / FILES[variant]


def timed(answer, texts):
    """[(answer, milliseconds)] of the second of two calls for each text."""
    found = []
    for text in texts:
        answer(text)
        start = time.perf_counter()
        one = answer(text)
        found.append((one, 1e3 * (time.perf_counter() - start)))
    return found


# Runtimes: a case → [(answer, milliseconds)], the answer being the dictionary of `export.run`.

def of_graph(case, signatures):
    """The answers of the signatures that take texts."""
    if case.kind == "generator":
        def answer(text):
            prompt = {"text": tf.constant([""]), "label": tf.constant([text])} if case.head.labels else {
                "text": tf.constant([text])}
            found = signatures["generate"](
                **prompt, uniform=tf.zeros([1, SYMBOLS]), temperature=tf.constant(0.0), **NEUTRAL)
            return {"text": found["text"].numpy()[0].decode()}
    else:
        facts = case.head.facts()

        def answer(text):
            found = signatures["serving_default"](text=tf.constant([text]))
            return case.head.readable({name: value.numpy()[0] for name, value in found.items()}, facts)
    return timed(answer, case.texts)


NEUTRAL = {"top_k": tf.constant(0), "top_p": tf.constant(1.0), "typical": tf.constant(1.0),
           "repetition_penalty": tf.constant(1.0)}


def in_keras(case):
    return of_graph(case, case.head.signatures())


def in_saved_model(case):
    return of_graph(case, saved_model.load(case.folder / "saved_model"))


def in_python(variant):
    """LiteRT in Python by a file."""
    def answers(case):
        lite = tflite.Lite(case.path(variant))

        def ask(signature, inputs):
            names = lite.signatures[signature]["inputs"]
            return lite(signature, **{name: inputs[name] for name in names})
        model = run.load(case.path(variant), ask)
        return timed(lambda text: model(text, **case.settings), case.texts)
    return answers


@functools.cache
def built():
    """The folder of `zoo_predict`, which goes with this process."""
    folder, litert = tempfile.TemporaryDirectory(), pathlib.Path(ai_edge_litert.__file__).parent
    subprocess.run(["make", "-s", "-C", browser.ROOT / "export" / "c", f"BUILD={folder.name}",
                    f"LITERT={litert}"], check=True)
    return folder


def in_c(variant):
    """LiteRT's C API by a file."""
    def answers(case):
        options = [f"--{name}={value}" for name, value in case.settings.items()]
        done = subprocess.run(
            [f"{built().name}/zoo_predict", case.path(variant), *options, "--milliseconds=1"],
            input="\n".join(case.texts).encode(), stdout=subprocess.PIPE, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return [(line["again"], line["milliseconds"]) for line in lines]
    return answers


def in_browser(case):
    """LiteRT.js in headless Chromium."""
    if missing := browser.missing():
        raise FileNotFoundError(missing)
    folder = case.folder / "tflite"
    (folder / "given.json").write_text(json.dumps(case.texts), encoding="utf-8")
    found = browser.posted(folder, f"""
        const given = await (await fetch("given.json")).json(), head = await open("/{FILES["web"]}");
        const found = [], settings = {json.dumps(case.settings)};
        for (const text of given) {{
          await head.predict(text, settings);
          const start = performance.now(), answer = await head.predict(text, settings);
          found.push([answer, performance.now() - start]);
        }}
        post(found);""", SECONDS)
    if "error" in found:
        raise ValueError(found["error"])
    return [(answer, milliseconds) for answer, milliseconds in found]


RUNTIMES = {
    "Keras": in_keras, "SavedModel": in_saved_model, "LiteRT, Python, float32": in_python("float32"),
    "LiteRT, Python, int8": in_python("int8"), "LiteRT, C, float32": in_c("float32"),
    "LiteRT, C, int8": in_c("int8"), "LiteRT.js, int8": in_browser}
SIZES = {"SavedModel": "saved_model/1", "LiteRT, Python, float32": "tflite/" + FILES["float32"],
         "LiteRT, Python, int8": "tflite/" + FILES["int8"], "LiteRT.js, int8": "tflite/" + FILES["web"],
         "ONNX Runtime, ids": "onnx/" + onnx.NAME}


# What counts as the same.

WHAT = {"classifier": "label", "tagger": "tags", "generator": "text", "translator": "translation"}


def same(kind, one, other):
    """"equal", "tie" or "other": an answer beside Keras's.

    >>> same("classifier", {"label": "a", "probabilities": {"a": .50004, "b": .49996}},
    ...      {"label": "b", "probabilities": {"a": .49999, "b": .50001}})
    'tie'
    >>> same("translator", {"translation": "I", "score": -1.0}, {"translation": "we", "score": -1.2})
    'other'
    """
    if one[WHAT[kind]] == other[WHAT[kind]]:
        return "equal"
    return "tie" if gap(kind, one, other) < TIE else "other"


def gap(kind, one, other):
    """How far apart two other answers are for the model."""
    if kind == "classifier":
        return abs(other["probabilities"][one["label"]] - other["probabilities"][other["label"]])
    if kind == "translator":
        return abs(one["score"] - other["score"])
    if kind == "tagger" and len(one["tags"]) == len(other["tags"]):
        return max(abs(p - q) for p, q in zip(one["probability"], other["probability"]))
    return np.inf


def compared(case, found, keras):
    """{"equal", "ties", "texts", "milliseconds", "p95"} of a runtime's answers."""
    kinds = [same(case.kind, one, other) for (one, _), (other, _) in zip(found, keras, strict=True)]
    return {"equal": kinds.count("equal"), "ties": kinds.count("tie"), **times([ms for _, ms in found])}


def times(milliseconds):
    return {"texts": len(milliseconds), "milliseconds": statistics.median(milliseconds),
            "p95": float(np.percentile(milliseconds, 95))}


def in_onnx(case, keras):
    """The same of the signature ids: its numbers for each text beside the head's."""
    session, signatures = onnx.Session(case.folder / "onnx" / onnx.NAME), case.head.lite_signatures()
    equal, milliseconds, most = 0, [], 0.0
    for text, (answer, _) in zip(case.texts, keras):
        inputs = numbers(case, signatures, text, answer)
        inputs = {name: np.asarray(inputs[name]) for name in session.inputs}
        session(**inputs)
        start = time.perf_counter()
        found = session(**inputs)
        milliseconds.append(1e3 * (time.perf_counter() - start))
        wanted = {name: value.numpy() for name, value in signatures["ids"](**inputs).items()}
        difference = max(float(np.max(np.abs(found[name] - value) / np.maximum(1, np.abs(value))))
                         for name, value in wanted.items())
        most, equal = max(most, difference), equal + (difference <= EXACT)
    return {"equal": equal, "ties": 0, "difference": most, **times(milliseconds)}


def numbers(case, signatures, text, answer):
    """What the signature ids takes of a text."""
    if case.kind == "generator":
        start = np.array([run.START], np.int32)
        label = case.head.labels.index(text) if case.head.labels else 0
        first = signatures["init"](start if not case.head.labels else np.array([label], np.int32))
        ids = case.read.ids(run.encoded(answer["text"] if case.head.labels else text))
        return {"ids": run.padded([ids]), "previous": start, **first}
    if case.kind == "translator":
        target = run.Reader(run.specification_of(case.path("float32")), "target")
        return {"ids": run.padded([case.read.ids(run.encoded(text))]),
                "target": run.padded([[*target.ids(run.encoded(answer["translation"])), run.END]])}
    return run.stacked([case.read(text)[0]])


def measured(case):
    """{runtime: result} of a model."""
    results, keras = {}, None
    for name, answers in RUNTIMES.items():
        try:
            found = answers(case)
        except (FileNotFoundError, subprocess.CalledProcessError) as missing:
            print(f"{case.name}: {name} is left out: {missing}", flush=True)
            continue
        keras = keras or found
        results[name] = compared(case, found, keras)
        print(case.name, name, results[name], flush=True)
    results["ONNX Runtime, ids"] = in_onnx(case, keras)
    print(case.name, "ONNX", results["ONNX Runtime, ids"], flush=True)
    for name, path in SIZES.items():
        if name in results:
            results[name]["megabytes"] = size(case.folder / path) / 1e6
    return results


def size(path):
    files = [path] if path.is_file() else path.rglob("*")
    return sum(one.stat().st_size for one in files if one.is_file())


def table(results):
    """Rows of runtimes, columns of models: equal answers, ties, median ms, MB."""
    names = list(results)
    texts = [f"{results[name]['Keras']['texts']:,}" for name in names]
    lines = ["| | " + " | ".join(f"`{name}`" for name in names) + " |", "|---|" + "---:|" * len(names),
             "| texts | " + " | ".join(texts) + " |"]
    for runtime in [*RUNTIMES, "ONNX Runtime, ids"]:
        cells = [cell(results[name].get(runtime)) for name in names]
        lines.append(f"| {runtime} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(result):
    """What the table has of a result.

    >>> cell({"equal": 999, "ties": 1, "texts": 1000, "milliseconds": 1.234, "megabytes": 0.46})
    '999 + 1, 1.23 ms, 0.46 MB'
    """
    if result is None:
        return ""
    ties = f" + {result['ties']}" if result["ties"] else ""
    megabytes = f", {result['megabytes']:.2f} MB" if "megabytes" in result else ""
    return f"{result['equal']:,}{ties}, {result['milliseconds']:.3g} ms{megabytes}"


def main():
    """Measure each MODEL=TEXTS, write runtimes.json and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.runtimes")
    parser.add_argument("models", nargs="+", metavar="MODEL=TEXTS")
    parser.add_argument("--count", type=int, default=1000, help="Texts of each model.")
    parser.add_argument("--output_dir", default="runs/benchmarks/runtimes", help="Folder of the files.")
    flags = parser.parse_args()
    path = pathlib.Path(flags.output_dir) / "runtimes.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for one in flags.models:
        source, _, texts = one.partition("=")
        case = Case(source, texts, flags.output_dir, flags.count)
        results[case.name] = measured(case)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    cli.guarded(main)
