"""Answers for millions of texts: shards in, shards out.

    python -m tasks.batch runs/sentiment --input='shards/*.jsonl.gz' --output=answers --workers=2
    python -m tasks.batch language-id --input='texts/*.txt' --output=answers --ray

A shard is a file of JSON objects, or of texts, one a line. Its answers, each beside its record and in
the same order, are a file of JSON Lines in the output folder, which appears once it is whole: after a
kill the same command answers the shards that are missing. A line that is no record goes, with its number
and the reason, into NAME.refused.jsonl. The run's exported TFLite file answers, without TensorFlow; with
--ray the shards go to the machines of a Ray cluster, which see the same folders.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import glob
import gzip
import hashlib
import importlib
import itertools
import json
import multiprocessing
import os
import pathlib
import socket
import time

from export import program
from tasks import prediction, pretrained
from tasks.reading import roles
from tasks.reporting import predictions
from tasks.training.run_directory import Run
from zoo import trained

ENDINGS = ".jsonl", ".txt"          # and .gz after them
ROWS = 4096                         # that are answered together
RECORD = "batch.json"               # in the output folder: what its answers come from

Done = collections.namedtuple("Done", "shard answered refused")


@dataclasses.dataclass
class Answers:
    """Answers shards with a run's exported file, which is opened where it is first used.

    model   folder of a run, or the name of a pretrained model
    column  the key of the text in a record
    output  the folder of the answers
    """
    model: str
    column: str
    output: str

    def __call__(self, shard):
        """Write the answers to a shard. Returns: `Done`; it is (shard, 0, 0) if they are there."""
        target = target_of(shard, self.output)
        if target.exists():
            return Done(shard, 0, 0)
        self.opened = getattr(self, "opened", None) or predictor(self.model)
        self.refused, answered = [], 0
        with whole(target) as file:
            rows = self.readable(shard)
            while batch := list(itertools.islice(rows, ROWS)):
                self.write(file, batch)
                answered += len(batch)
            if self.refused:
                with whole(refused_of(target)) as lines:
                    lines.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in self.refused)
        return Done(shard, answered, len(self.refused))

    def write(self, file, records):
        texts = [record[self.column] for record in records]
        added = [self.opened.added(one, text)
                 for one, text in zip(self.opened.predict(texts, 0), texts)]
        writer = predictions.Writer(file, ".jsonl", list(dict.fromkeys(itertools.chain(*records))))
        writer.write(records, added)

    def readable(self, shard):
        """The records of a shard; what is none is kept in `refused`."""
        for number, line in lines_of(shard):
            record = record_of(line, shard, self.column)
            if isinstance(record, dict):
                yield record
            else:
                self.refused.append({"line": number, "reason": record,
                                     "record": line.decode("utf-8", "replace")})


def predictor(model):
    """The opened `tasks.prediction.Prediction` of a run, or of a pretrained model."""
    task = trained.about(model)["task"] if is_name(model) else task_of(model)
    settings = importlib.import_module(f"tasks.{task}.options").Settings
    chosen = {"model_from": model} if is_name(model) else {"output_dir": model}
    found = prediction.of(task, pretrained.chosen(task, settings.of(input="-", **chosen)))
    if found.needs_model:
        raise FileNotFoundError(f"expected an exported TFLite file in {model}, found none; python -m "
                                f"tasks.{task} --output_dir={model} --mode=export")
    return found.opened()


def is_name(model):
    """Whether a pretrained model is meant."""
    return not pathlib.Path(model).exists() and trained.known(model)


def task_of(folder):
    """The task of a run."""
    if Run(folder).is_new:
        raise FileNotFoundError(f"expected a run, or the name of a pretrained model, found neither at "
                                f"{folder}; python -m zoo.trained lists the models")
    return Run(folder).read_json("settings.json")["task"]


def lines_of(shard):
    """(number from 1, bytes) of the lines of a shard that are not empty."""
    opened = gzip.open if shard.endswith(".gz") else open
    with opened(shard, "rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.rstrip(b"\r\n")


def record_of(line, shard, column):
    """The record in a line, or the reason why it is none."""
    try:
        text = line.decode("utf-8")
        record = {column: text} if is_text(shard) else json.loads(text)
    except ValueError as error:
        return f"{'UTF-8' if isinstance(error, UnicodeDecodeError) else 'JSON'}: {error}"
    if not isinstance(record, dict):
        return f"expected an object, received {line[:40].decode()}"
    if not isinstance(record.get(column), str):
        return f"expected a text as {column!r}, received {json.dumps(record.get(column))[:40]}"
    return record


def is_text(shard):
    """Whether a shard is a text a line."""
    return ending_of(shard) == ".txt"


def ending_of(shard):
    """The ending of a shard's name, apart from that of its compression."""
    return pathlib.Path(shard.removesuffix(".gz")).suffix.lower()


def target_of(shard, output):
    """Where the answers to a shard are written.

    >>> target_of("shards/a.jsonl.gz", "answers").as_posix()
    'answers/a.jsonl'
    """
    return pathlib.Path(output) / pathlib.Path(shard.removesuffix(".gz")).with_suffix(".jsonl").name


def refused_of(target):
    """Where the lines of a shard are written that are no records."""
    return target.with_suffix(".refused.jsonl")


@contextlib.contextmanager
def whole(path):
    """A text file that takes its name once it is complete; several processes may write it."""
    unfinished = f".{path.name}.{socket.gethostname()}"
    temporary = path.with_name(f"{unfinished}.{os.getpid()}")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(temporary, path)
    finally:
        for left in path.parent.glob(f"{unfinished}.*"):
            if left == temporary or not lives(int(left.suffix[1:])):
                left.unlink(missing_ok=True)


def lives(process):
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:     # another user's
        pass
    return True


def shards_of(pattern, output):
    """The shards that a pattern finds.

    Raises:  FileNotFoundError, ValueError: none, one of another format, two of one name
    """
    found = sorted(path for path in glob.glob(os.path.expanduser(pattern), recursive=True)
                   if os.path.isfile(path))
    if not found:
        raise FileNotFoundError(f"input: expected files, found none for {pattern}; check the pattern, "
                                "and put it in quotes")
    other = [path for path in found if ending_of(path) not in ENDINGS]
    if other:
        raise ValueError(f"input: expected files that end in .jsonl or .txt, perhaps with .gz, received "
                         f"{other[0]}; the task's own --input reads tables")
    taken = collections.Counter(target_of(path, output) for path in found)
    twice = [path for path in found if taken[target_of(path, output)] > 1]
    if twice:
        raise ValueError(f"input: expected files of different names, received {twice[0]} and "
                         f"{twice[1]}; rename one")
    return found


def column_of(shards, given):
    """The key of the text in the records: what is given, else a usual one that the first record has."""
    if given or is_text(shards[0]):
        return given or "text"
    texts = first_texts(shards)
    usual = [key for key in texts if key.lower() in roles.TEXT_NAMES] or texts
    if len(usual) != 1:
        raise ValueError(f"text_column: expected one key of a text in {shards[0]}, received "
                         f"{', '.join(texts) or 'none'}; set --text_column")
    return usual[0]


def first_texts(shards):
    """The keys of the first object that have a text."""
    for _, line in itertools.chain.from_iterable(map(lines_of, shards)):
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                return [key for key, value in record.items() if isinstance(value, str)]
    return []


def recorded(answers):
    """Note what the answers come from.

    Raises:  ValueError: those that are there come from something else
    """
    path, file = pathlib.Path(answers.output) / RECORD, predictor(answers.model).file
    wanted = {"model": str(answers.model), "column": answers.column,
              "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != wanted:
        raise ValueError(f"output: expected a new folder, or the answers of {answers.model}, received "
                         f"{answers.output}, which holds others; choose another")
    with whole(path) as file:
        file.write(json.dumps(wanted, indent=1) + "\n")


def here(answers, shards, workers):
    """`Done` of each shard, by processes of this machine; one that dies is replaced."""
    waiting = list(shards)
    while waiting:
        before = len(waiting)
        try:
            with concurrent.futures.ProcessPoolExecutor(
                    workers, multiprocessing.get_context("spawn")) as pool:
                for future in concurrent.futures.as_completed(
                        [pool.submit(answered, answers, shard) for shard in waiting]):
                    yield future.result()
                    waiting.remove(future.result().shard)
        except concurrent.futures.process.BrokenProcessPool:
            waiting = [shard for shard in waiting if not target_of(shard, answers.output).exists()]
            if len(waiting) == before:
                raise ChildProcessError(f"a process that answered one of {', '.join(waiting[:workers])} "
                                        "died twice; look at these files") from None


_opened = {}        # of a process: the answers that it gives


def answered(answers, shard):
    """`answers(shard)` by the model that this process has opened."""
    return _opened.setdefault(answers.model, answers)(shard)


def on_ray(answers, shards, workers):
    """The same by the actors of a Ray cluster; Ray replaces one that dies."""
    import ray

    class Actor:
        def __call__(self, batch):
            done = [answered(answers, str(shard)) for shard in batch["item"]]
            return {name: [getattr(one, name) for one in done] for name in Done._fields}

    rows = ray.data.from_items([str(shard) for shard in shards], override_num_blocks=len(shards))
    for row in rows.map_batches(Actor, batch_size=1, concurrency=workers).iter_rows():
        yield Done(**row)


def main():
    """The command line."""
    parser = argparse.ArgumentParser("python -m tasks.batch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="run directory, or name of a pretrained model")
    parser.add_argument("--input", required=True, help="pattern of the shards, in quotes")
    parser.add_argument("--output", required=True, help="folder of the answers")
    parser.add_argument("--text_column", help="key of the text in a record (default: a usual name)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(),
                        help="processes (default: one a core)")
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster: the extra `ray`")
    flags = parser.parse_args()
    shards = shards_of(flags.input, flags.output)
    answers = Answers(flags.model, column_of(shards, flags.text_column), flags.output)
    recorded(answers)
    answer(answers, shards, on_ray if flags.ray else here, max(1, flags.workers))


def answer(answers, shards, way, workers):
    """Answer all shards, a line for each."""
    start, total = time.perf_counter(), collections.Counter()
    for n, done in enumerate(way(answers, shards, min(workers, len(shards))), 1):
        total.update(answered=done.answered, refused=done.refused)
        said = f"{done.answered:,} answered" if done.answered or done.refused else "was there"
        if done.refused:
            said += f", {done.refused} refused: {refused_of(target_of(done.shard, answers.output))}"
        print(f"{n}/{len(shards)} {done.shard}: {said}", flush=True)
    seconds = time.perf_counter() - start
    print(f"{total['answered']:,} texts answered in {seconds:.0f} s, "
          f"{total['answered'] / seconds:,.0f} a second, {total['refused']:,} lines refused: "
          f"{answers.output}")


if __name__ == "__main__":
    program.run("tasks.batch")
