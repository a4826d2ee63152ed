"""Whether the server holds: many clients, valid and hostile requests, for minutes.

    python -m benchmarks.serving runs/sentiment --minutes=10 --clients=8

Starts `export.serve` over a run and asks it by both protocols, from as many threads as there are clients.
Half of the requests are valid: their answers are compared with what the SavedModel answered before.
The others are empty, long, broken, of wrong types, deep, or ask for what is not there. Prints the
counts by status, the time an answer takes, and the memory of the server after a tenth of the time and at
the end. Exit status 1: an answer was wrong, a status was not as expected, or memory grew by more than a
tenth. Linux only: memory is read from /proc.
"""
import collections
import dataclasses
import http.client
import json
import logging
import random
import re
import statistics
import subprocess
import sys
import threading
import time

import numpy as np

from export import tf_serving
from export.serving import protocols
from export.serving.versions import Version, located, numbers
from tasks import cli, options
from zoo.options import Options, option

WORDS = "the film was not bad at all but 很好 🙂 I would call it good on Monday it is 3.5 stars".split()


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions(Options):
    """Of this program."""

    minutes: float = option(1.0, "Minutes of requests.", above=0)
    clients: int = option(8, "Number of clients at once.", least=1)
    port: int = option(8099, "Port of the server.", least=1)


Settings = options.settings(benchmark=BenchmarkOptions)
TOLERANCE = 1e-4  # a batch of one and a batch of some are rounded differently


class Tally:
    """Counts, times and faults of all clients."""

    def __init__(self):
        self.lock, self.statuses, self.faults = threading.Lock(), collections.Counter(), []
        self.milliseconds = {"valid": [], "hostile": []}

    def add(self, kind, status, milliseconds, fault):
        with self.lock:
            self.statuses[kind, status] += 1
            self.milliseconds[kind].append(milliseconds)
            self.faults += [fault] if fault else []


def texts(draw):
    """Some texts of several lengths; mostly one."""
    count = draw.choice([1, 1, 1, 4, 8])
    return [" ".join(draw.choices(WORDS, k=draw.randint(0, 40))) for _ in range(count)]


def valid_requests(name, version, number, count=60):
    """[(path, body, the answer)]: V1 by rows and by columns, V2, and every signature's warm-up."""
    draw, requests = random.Random(0), []
    for n in range(count):
        column = texts(draw)
        outputs = version.answer(protocols.DEFAULT, {"text": encoded(column)})
        requests.append(form_of(n % 4, name, number, column, outputs))
    for signature, inputs in version.asked:
        body = {"signature_name": signature,
                "inputs": {key: tf_serving.readable(value.tolist()) for key, value in inputs.items()}}
        if len(json.dumps(body)) < 200_000 and "\ufffd" not in json.dumps(body, ensure_ascii=False):
            outputs = version.answer(signature, inputs)
            requests.append((f"/v1/models/{name}:predict", body, protocols.v1_answer(outputs, "inputs")))
    return requests


def encoded(column):
    """Texts as an array of bytes."""
    return np.array([text.encode() for text in column], object)


def form_of(n, name, number, column, outputs):
    """The same question in one of four forms, and its answer."""
    path = f"/models/{name}/versions/{number}" if n == 2 else f"/models/{name}"
    if n == 3:
        tensor = {"name": "text", "shape": [len(column)], "datatype": "BYTES", "data": column}
        return f"/v2{path}/infer", {"inputs": [tensor]}, {"outputs": protocols.v2_answer(outputs)}
    form = "inputs" if n == 1 else "instances"
    return f"/v1{path}:predict", {form: column}, protocols.v1_answer(outputs, form)


def hostile_requests(name):
    """[(path, body, statuses to expect)]."""
    v1, v2 = f"/v1/models/{name}:predict", f"/v2/models/{name}/infer"
    deep = "[" * 50_000 + "]" * 50_000
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    bodies = [b"", b"\xff\xfe\x00", b"{", b"null", b"[]", b"{}", deep, '{"instances": %s}' % deep,
              '{"instances": ["\\ud800"]}', '{"instances": [NaN]}']
    odd = [{"instances": 5}, {"instances": []}, {"instances": [5]}, {"instances": [["a"]]},
           {"inputs": {}}, {"instances": [{"no": "a"}]}, {"instances": ["a"], "signature_name": "no"},
           {"instances": ["a" * 1_000_000]}, {"instances": ["a " * 200_000]},
           {"instances": ["a"] * 50_000}, {"instances": [{"b64": "?"}]}, {"text": ["a"]}]
    tensors = [{**tensor, **change} for change in (
        {"shape": [2]}, {"shape": [-1]}, {"shape": "x"}, {"datatype": "FP32"}, {"data": [None]},
        {"data": "a"}, {"name": "no"}, {"data": ["a" * 2_000_000]})]
    absent = ["/v1/models/no:predict", f"/v1/models/{name}/versions/99:predict", "/v1/no",
              f"/v2/models/{name}/versions/99/infer", f"/v2/repository/models/{name}/unload"]
    return [*((path, body, (400,)) for path in (v1, v2) for body in bodies),
            *((v1, body, (400, 413)) for body in odd),
            *((v2, {"inputs": [each]}, (400, 413)) for each in tensors),
            *((path, {"inputs": [tensor]}, (404,)) for path in absent)]


def ask(connection, path, body):
    """Status, body and milliseconds of a request on a connection that stays open."""
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    start = time.perf_counter()
    connection.request("POST", path, data, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    return response.status, answer, 1e3 * (time.perf_counter() - start)


def differs(got, wanted):
    """Whether an answer is not the wanted one, numbers to the tolerance."""
    if isinstance(wanted, dict):
        return not isinstance(got, dict) or any(differs(got.get(key), wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return not isinstance(got, list) or len(got) != len(wanted) or any(map(differs, got, wanted))
    if isinstance(wanted, float) and np.isfinite(wanted):
        return not isinstance(got, float) or abs(got - wanted) > TOLERANCE * max(1, abs(wanted))
    return got != (None if isinstance(wanted, float) else wanted)


def fault_of(kind, status, answer, wanted):
    """What is wrong with an answer, or None."""
    if kind == "valid":
        wrong = status != 200 or differs(json.loads(answer), wanted)
    else:
        wrong = status not in wanted or "\n" in json.loads(answer)["error"]
    return f"{kind}: {status} {answer[:200]!r}" if wrong else None


def keep_asking(port, seed, end, valid, hostile, tally):
    """One client, until the end."""
    draw, connection = random.Random(seed), None
    while time.monotonic() < end:
        kind = draw.choice(["valid", "hostile"])
        path, body, wanted = draw.choice(valid if kind == "valid" else hostile)
        connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            status, answer, milliseconds = ask(connection, path, body)
            fault = fault_of(kind, status, answer, wanted)
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            status, milliseconds, fault, connection = 0, 0.0, f"{kind}: {path} {error!r}", None
        tally.add(kind, status, milliseconds, fault)


def resident(process):
    """Megabytes of memory a process holds."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024


def started(folder, port):
    """The server's process, once it answers."""
    process = subprocess.Popen([sys.executable, "-m", "export.serve", folder, f"--port={port}"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(3000):
        try:
            ask(http.client.HTTPConnection("127.0.0.1", port), "/v1/no", b"")
            return process
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"error: the server does not start: python -m export.serve {folder}")
            time.sleep(0.2)
    raise SystemExit("error: the server did not answer within ten minutes")


def soak(folder, process, tally, settings):
    """Ask for as long as the settings say; the server's memory over time, in megabytes."""
    versions, name = located(folder)
    number = numbers(versions)[-1]
    version = Version(versions / str(number))
    version.asked = tf_serving.warmup(str(versions / str(number)))
    valid, hostile = valid_requests(name, version, number), hostile_requests(name)
    end = time.monotonic() + 60 * settings.minutes
    clients = [threading.Thread(target=keep_asking, args=(settings.port, n, end, valid, hostile, tally))
               for n in range(settings.clients)]
    for each in clients:
        each.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(max(0.1, min(5, end - time.monotonic())))
        memory.append(resident(process))
    for each in clients:
        each.join()
    return memory


def report(tally, memory):
    """Print what was counted; whether all was well."""
    for (kind, status), count in sorted(tally.statuses.items()):
        print(f"{kind:8} {status}  {count:,}")
    for kind, times in tally.milliseconds.items():
        p50, p95 = np.percentile(times, [50, 95]) if times else (0, 0)
        print(f"{kind:8} p50 {p50:.1f} ms  p95 {p95:.1f} ms")
    warm = memory[min(len(memory) - 1, max(len(memory) // 10, 1))]
    last = statistics.median(memory[-3:])
    print(f"memory after warm-up {warm:.0f} MB, at the end {last:.0f} MB, most {max(memory):.0f} MB")
    print(f"faults {len(tally.faults)}", *tally.faults[:5], sep="\n  ")
    return not tally.faults and last <= 1.1 * warm


def main(folder, settings):
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    tally = Tally()
    process = started(folder, settings.port)
    try:
        memory = soak(folder, process, tally, settings)
    finally:
        process.terminate()
        process.wait(60)
    sys.exit(0 if report(tally, memory) else 1)


if __name__ == "__main__":
    if not sys.argv[1:] or sys.argv[1].startswith("-") and sys.argv[1] not in cli.HELP_FLAGS:
        sys.exit("error: expected a run: python -m benchmarks.serving runs/sentiment")
    main(sys.argv[1], cli.parse(Settings, sys.argv[1:]))
