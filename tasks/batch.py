"""Answers for millions of texts: shards in, shards out.

    python -m tasks.batch runs/sentiment --input='shards/*.jsonl.gz' --output=answers --workers=2
    python -m tasks.batch language-id --input='texts/*.txt' --output=answers --ray

A shard is a file of JSON objects, or of texts, one a line. Its answers, each beside its record and in
the same order, are a file of JSON Lines in the output folder, which appears once it is whole: after a
kill the same command answers the shards that are missing. A line that is no record goes, with its number
and the reason, into NAME.refused.jsonl. The SavedModel of a classifier answers, of any other model the
TFLite file, without TensorFlow; with --ray the shards go to the machines of a Ray cluster, which see the
same folders.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import importlib
import itertools
import json
import multiprocessing.connection
import os
import pathlib
import signal
import socket
import threading
import time
import zlib

from export import checksums, one_line, optional, program
from tasks import loaded, prediction, pretrained
from tasks.reading.shards import column_of, is_text, lines_of, record_of, refused_of, shards_of, target_of
from tasks.reporting import predictions
from tasks.training.run_directory import Run
from zoo import trained

ROWS = 8192                         # that are answered together
RECORD = "batch.json"               # in the output folder: what its answers come from
_encoded = json.JSONEncoder(ensure_ascii=False).encode


@dataclasses.dataclass
class Done:
    """What became of a shard: how many of its lines were answered and refused; 0 and 0 if its answers
    were there; or why it has none."""
    shard: str
    answered: int = 0
    refused: int = 0
    error: str = ""


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
        """Write the answers to a shard, if they are not there. Returns: `Done`."""
        target, answered = target_of(shard, self.output), 0
        if target.exists():
            return Done(shard)
        self.opened = getattr(self, "opened", None) or predictor(self.model)
        self.refused, first = [], zlib.crc32(target.name.encode())      # of the numbers of its texts
        with whole(target) as file:
            rows = self.readable(shard)
            while batch := list(itertools.islice(rows, ROWS)):
                lines = self.lines(batch, first + answered)
                file.writelines(lines)
                answered += len(lines)
            if self.refused:
                with whole(refused_of(target)) as file_of_refused:
                    file_of_refused.writelines(json.dumps(one) + "\n" for one in self.refused)
        return Done(shard, answered, len(self.refused))

    def lines(self, batch, first):
        """The lines of the answers to [(number, line, record)], of which some may be refused."""
        texts = [record[self.column] for _, _, record in batch]
        try:
            return [line_of(line.decode("utf-8"), record, self.opened.added(one, text))
                    for (_, line, record), text, one
                    in zip(batch, texts, self.opened.predict(texts, first))]
        except ValueError as error:
            if len(batch) > 1:      # one of them is at fault
                return [line for n, one in enumerate(batch) for line in self.lines([one], first + n)]
            self.refuse(*batch[0][:2], one_line(error))
            return []

    def refuse(self, number, line, reason):
        """Keep a line that has no answer."""
        self.refused.append({"line": number, "reason": reason, "record": line.decode("utf-8", "replace")})

    def readable(self, shard):
        """(number, line, record) of the lines of a shard that are records."""
        for number, line in lines_of(shard):
            record = record_of(line, shard, self.column)
            if isinstance(record, dict):
                yield number, json.dumps(record).encode() if is_text(shard) else line, record
            else:
                self.refuse(number, line, record)


def line_of(line, record, added):
    """The line of a record, as it is, with what is added to it; what is there is called predicted_….

    Raises:  ValueError: that is there too

    >>> print(line_of('{"text":"good", "label":"?"}', {"text": "good", "label": "?"}, {"label": "fine"}),
    ...       end="")
    {"text":"good", "label":"?", "predicted_label": "fine"}
    """
    if not added.keys().isdisjoint(record):
        added = {f"predicted_{name}" if name in record else name: value for name, value in added.items()}
        both = sorted(record.keys() & added.keys())
        if both:
            raise ValueError(f"expected no key {both[0]}, which is added, received one")
    more = _encoded(added)
    more = json.dumps(added) if predictions.HALVES.search(more) else more
    return f"{line.strip()[:-1].rstrip()}, {more[1:]}\n"


def predictor(model):
    """The opened `tasks.prediction.Prediction` of a run, or of a pretrained model."""
    found, version = located(model)
    if not version:
        return found.opened()
    found.model = loaded.Model(version)
    return found


def located(model):
    """The `Prediction`, and the version of the SavedModel that answers; None: the TFLite file does.

    A classifier's SavedModel takes texts as they are, and cuts them faster than Python does.
    """
    task = trained.about(model)["task"] if is_name(model) else task_of(model)
    settings = importlib.import_module(f"tasks.{task}.options").Settings
    chosen = {"model_from": model} if is_name(model) else {"output_dir": model}
    found = prediction.of(task, pretrained.chosen(task, settings.of(input="-", **chosen)))
    version = loaded.newest(found.run.folder / "saved_model") if task == "sentiment" else None
    if found.needs_model and not version:
        raise FileNotFoundError(f"expected an export in {model}, found none; python -m "
                                f"tasks.{task} --output_dir={model} --mode=export")
    return found, version


def is_name(model):
    """Whether a pretrained model is meant."""
    return not pathlib.Path(model).exists() and trained.known(model)


def task_of(folder):
    """The task of a run."""
    if Run(folder).is_new:
        raise FileNotFoundError(f"expected a run, or the name of a pretrained model, found neither at "
                                f"{folder}; python -m zoo.trained lists the models")
    return Run(folder).read_json("settings.json")["task"]


@contextlib.contextmanager
def whole(path):
    """A text file that takes its name once it is complete; several processes may write it."""
    unfinished = f".{path.name}.{socket.gethostname()}"
    temporary = path.with_name(f"{unfinished}.{os.getpid()}")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
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


def recorded(answers, shards):
    """Note what the answers come from.

    Raises:  ValueError: those that are there come from something else
    """
    path, (found, version) = pathlib.Path(answers.output) / RECORD, located(answers.model)
    if version:
        checksums.check(version)
    file = version / checksums.NAME if version else found.file
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and any(path.parent.glob("*.jsonl")):
        raise ValueError(f"output: expected a new folder, or one of answers, received {answers.output}, "
                         "which holds other files; choose another")
    wanted = {"model": str(answers.model), "column": answers.column,
              "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {**wanted, "shards": {}}
    now = {target_of(shard, answers.output).name: [shard, os.path.getsize(shard)] for shard in shards}
    known = before.pop("shards")
    changed = [name for name in now if known.get(name, now[name]) != now[name]]
    if before != wanted or changed:
        raise ValueError(f"output: expected a new folder, or the answers of {answers.model} to these "
                         f"shards, received {answers.output}, which holds others; choose another")
    with whole(path) as file:
        file.write(json.dumps({**wanted, "shards": {**known, **now}}, indent=1) + "\n")


def here(answers, shards, workers):
    """`Done` of each shard, by processes of this machine; one that dies is replaced."""
    waiting, deaths = list(shards), 0
    while waiting:
        before = len(waiting)
        try:
            with concurrent.futures.ProcessPoolExecutor(
                    workers, multiprocessing.get_context("spawn"), as_one_of, [workers]) as pool:
                for future in concurrent.futures.as_completed(
                        [pool.submit(answered, answers, shard) for shard in waiting]):
                    yield future.result()
                    waiting.remove(future.result().shard)
        except concurrent.futures.process.BrokenProcessPool:
            deaths = deaths + 1 if len(waiting) == before else 0
            if deaths > 1:
                raise ChildProcessError(f"a process that answered one of {', '.join(waiting[:workers])} "
                                        "died twice; look at these files") from None


def as_one_of(workers):
    """Have a process of the pool take its share of the cores, and end with the program."""
    os.environ.setdefault(loaded.THREADS[0], str(max(1, os.cpu_count() // workers)))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=lambda: multiprocessing.connection.wait([parent]) and os._exit(1),
                     daemon=True).start()


_opened = {}        # of a process: the answers that it gives


def answered(answers, shard):
    """`answers(shard)` by the model that this process has opened."""
    try:
        return _opened.setdefault(answers.model, answers)(shard)
    except (ValueError, OSError) as error:
        return Done(shard, error=one_line(error))


def on_ray(answers, shards, workers):
    """The same by the actors of a Ray cluster; Ray replaces one that dies."""
    with optional("ray"):
        import ray

    class Actor:
        def __call__(self, batch):
            done = [dataclasses.asdict(answered(answers, str(shard))) for shard in batch["item"]]
            return {name: [one[name] for one in done] for name in done[0]}

    rows = ray.data.from_items(shards, override_num_blocks=len(shards))
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
    model = flags.model if is_name(flags.model) else os.path.abspath(flags.model)
    answers = Answers(model, column_of(shards, flags.text_column), os.path.abspath(flags.output))
    recorded(answers, shards)
    print(f"{len(shards):,} shards, texts: {answers.column}", flush=True)
    answer(answers, shards, on_ray if flags.ray else here, max(1, flags.workers))


def answer(answers, shards, way, workers):
    """Answer all shards, a line for each.

    Raises:  ValueError: some have no answers
    """
    start, every = time.perf_counter(), []
    for done in way(answers, shards, min(workers, len(shards))):
        every.append(done)
        print(f"{len(every)}/{len(shards)} {os.path.basename(done.shard)}: {said(done, answers)}",
              flush=True)
    seconds, total = time.perf_counter() - start, sum(done.answered for done in every)
    print(f"{total:,} texts answered in {seconds:.0f} s, {total / seconds:,.0f} a second, "
          f"{sum(done.refused for done in every):,} lines refused: {answers.output}")
    failed = [done for done in every if done.error]
    if failed:
        raise ValueError(f"{len(failed)} of {len(shards)} shards have no answers, the first: "
                         f"{failed[0].error}")


def said(done, answers):
    """What became of a shard, in words."""
    if done.error or not (done.answered or done.refused):
        return done.error or "was there"
    where = refused_of(target_of(done.shard, answers.output))
    return f"{done.answered:,} answered" + f", {done.refused:,} refused: {where}" * (done.refused > 0)


if __name__ == "__main__":
    program.run("tasks.batch")
