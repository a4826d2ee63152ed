"""Whether the server holds: many clients, valid and hostile requests, for minutes.

    python -m benchmarks.serving runs/sentiment --minutes=10 --clients=32
    python -m benchmarks.serving runs/sentiment --minutes=0.5 --hostile=0 --words=10 --batching

Starts `export.serve` over a run and asks it by both protocols, from as many threads as there are
clients. Half of the requests (see --hostile) are valid: their answers are compared with what the
SavedModel answered before. The others are empty, long, broken, of wrong types, deep, or ask for what is
not there; connections that send nothing, or half a header, or read no answer, come and go. Prints the
counts by status, the time that an answer and a look at health take, the server's CPU time a request, and
its memory after a tenth of the time and at the end. Exit status 1: an answer was wrong, a status was not
as expected, health took a second, or memory grew by more than a tenth or above --megabytes. Linux only:
it reads /proc.
"""
import collections
import dataclasses
import http.client
import json
import logging
import os
import random
import re
import socket
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
    clients: int = option(32, "Number of clients at once.", least=1)
    port: int = option(8099, "Port of the server.", least=1)
    hostile: float = option(0.5, "Share of hostile requests; 0 has no idle connections either.", least=0,
                            most=1)
    words: int = option(40, "Words of a valid text, at most.", least=1)
    megabytes: int = option(1500, "The most memory that the server may take.", least=1)
    batching: bool = option(False, "A table of batch sizes and timeouts, each for so many minutes.")


Settings = options.settings(benchmark=BenchmarkOptions)
# Batch sizes and timeouts, in milliseconds.
BATCHING = [(1, 0), (8, 0), (8, 3), (32, 0), (32, 1), (32, 3), (64, 0), (64, 1), (64, 3), (64, 10)]
TOLERANCE = 1e-5  # a batch of one and a batch of some are rounded differently


class Tally:
    """Counts, times and faults of all clients."""

    def __init__(self):
        self.lock, self.statuses, self.faults = threading.Lock(), collections.Counter(), []
        self.milliseconds = {"valid": [], "hostile": [], "health": []}

    def add(self, kind, status, milliseconds, fault):
        with self.lock:
            self.statuses[kind, status] += 1
            self.milliseconds[kind].append(milliseconds)
            self.faults += [fault] if fault else []


def texts(draw, words):
    """Some texts of several lengths; mostly one."""
    count = draw.choice([1, 1, 1, 4, 8])
    return [" ".join(draw.choices(WORDS, k=draw.randint(0, words))) for _ in range(count)]


def valid_requests(name, version, number, words, count=60):
    """[(path, body, the answer)]: V1 by rows and by columns, V2, and every signature's warm-up."""
    draw, requests = random.Random(0), []
    for n in range(count):
        column = texts(draw, words)
        outputs = version.answer(protocols.DEFAULT, {"text": encoded(column)})
        requests.append(form_of(n % 4, name, number, column, outputs))
    for signature, inputs in version.asked:
        body = {"signature_name": signature,
                "inputs": {key: tf_serving.readable(value.tolist()) for key, value in inputs.items()}}
        if len(json.dumps(body)) < 200_000 and "\ufffd" not in json.dumps(body, ensure_ascii=False):
            outputs = version.answer(signature, inputs)
            requests.append((f"/v1/models/{name}:predict", body,
                             json.loads(protocols.v1_answer(outputs, "inputs"))))
    return requests


def encoded(column):
    """Texts as an array of bytes."""
    return np.array([text.encode() for text in column], object)


def form_of(n, name, number, column, outputs):
    """The same question in one of four forms, and its answer."""
    path = f"/models/{name}/versions/{number}" if n == 2 else f"/models/{name}"
    if n == 3:
        tensor = {"name": "text", "shape": [len(column)], "datatype": "BYTES", "data": column}
        body, _ = protocols.v2_answer({}, outputs, name, number)
        return f"/v2{path}/infer", {"inputs": [tensor]}, {"outputs": json.loads(body)["outputs"]}
    form = "inputs" if n == 1 else "instances"
    return f"/v1{path}:predict", {form: column}, json.loads(protocols.v1_answer(outputs, form))


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
           {"instances": ["a"] * 50_000}, {"instances": [{"b64": "?"}]}, {"text": ["a"]},
           {"inputs": {"text": ["a"], "width": 10 ** 6}}, {"inputs": ["a"], "signature_name": 7}]
    tensors = [{**tensor, **change} for change in (
        {"shape": [2]}, {"shape": [-1]}, {"shape": "x"}, {"datatype": "FP32"}, {"data": [None]},
        {"data": "a"}, {"name": "no"}, {"data": ["a" * 2_000_000]})]
    absent = ["/v1/models/no:predict", f"/v1/models/{name}/versions/99:predict", "/v1/no",
              f"/v1/models/{name}/versions/{'9' * 4500}:predict", f"/v1/models/{name}@1:predict",
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
    """What is wrong with an answer, or None; 503 and 504 say that the server is busy."""
    if kind == "valid" and status == 200:
        wrong = differs(json.loads(answer), wanted)
    else:
        wrong = status not in (*(wanted if kind == "hostile" else ()), 503, 504) or (
            "\n" in json.loads(answer)["error"])
    return f"{kind}: {status} {answer[:200]!r}" if wrong else None


def keep_asking(settings, seed, end, valid, hostile, tally):
    """One client, until the end."""
    draw, connection, port = random.Random(seed), None, settings.port
    while time.monotonic() < end:
        kind = "hostile" if draw.random() < settings.hostile else "valid"
        path, body, wanted = draw.choice(valid if kind == "valid" else hostile)
        connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            status, answer, milliseconds = ask(connection, path, body)
            fault = fault_of(kind, status, answer, wanted)
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            status, milliseconds, fault, connection = 0, 0.0, f"{kind}: {path} {error!r}", None
        tally.add(kind, status, milliseconds, fault)


def crowd(port, end):
    """Connections that send nothing, or half a header, or read no answer, more than there may be."""
    request = b"GET /metrics HTTP/1.1\r\nhost: x\r\n"
    while time.monotonic() < end:
        held = []
        for n in range(300):
            try:
                held.append(socket.create_connection(("127.0.0.2", port), 5))
                held[-1].sendall([b"", request, (request + b"\r\n") * 50][n % 3])
            except OSError:
                pass  # it was shown out
        time.sleep(min(5, max(0, end - time.monotonic())))
        for each in held:
            each.close()


def watch_health(port, end, tally):
    """Look at health, a connection each time, and note how long it takes."""
    while time.monotonic() < end:
        connection, start = http.client.HTTPConnection("127.0.0.1", port, timeout=60), time.perf_counter()
        try:
            connection.request("GET", "/v2/health/live")
            status, fault = connection.getresponse().status, None
        except (OSError, http.client.HTTPException) as error:
            status, fault = 0, f"health: {error!r}"
        milliseconds = 1e3 * (time.perf_counter() - start)
        connection.close()
        late = fault is None and (status != 200 or milliseconds > 1000)
        tally.add("health", status, milliseconds,
                  f"health: {status} after {milliseconds:.0f} ms" if late else fault)
        time.sleep(0.2)


def cpu_seconds(process):
    """CPU time that a process has taken."""
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident(process):
    """Megabytes of memory a process holds."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024


def started(folder, port, flags=()):
    """The server's process, once it answers."""
    process = subprocess.Popen([sys.executable, "-m", "export.serve", folder, f"--port={port}",
                                "--grpc_port=0", *flags],
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
    """Ask for as long as the settings say.

    Returns: the server's memory over time, in megabytes; requests a second; milliseconds of CPU of each
    """
    versions, name = located(folder)
    number = numbers(versions)[-1]
    version = Version(versions / str(number))
    version.asked = tf_serving.warmup(str(versions / str(number)))
    valid, hostile = valid_requests(name, version, number, settings.words), hostile_requests(name)
    end, before = time.monotonic() + 60 * settings.minutes, cpu_seconds(process)
    clients = [threading.Thread(target=keep_asking, args=(settings, n, end, valid, hostile, tally))
               for n in range(settings.clients)]
    clients.append(threading.Thread(target=watch_health, args=(settings.port, end, tally)))
    if settings.hostile:
        clients.append(threading.Thread(target=crowd, args=(settings.port, end)))
    for each in clients:
        each.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(max(0.1, min(5, end - time.monotonic())))
        memory.append(resident(process))
    for each in clients:
        each.join()
    count = sum(tally.statuses.values())
    return (memory, count / 60 / settings.minutes,
            1e3 * (cpu_seconds(process) - before) / max(1, count))


def report(tally, memory, megabytes):
    """Print what was counted; whether all was well."""
    for (kind, status), count in sorted(tally.statuses.items()):
        print(f"{kind:8} {status}  {count:,}")
    for kind, times in tally.milliseconds.items():
        p50, p95, most = np.percentile(times, [50, 95, 100]) if times else (0, 0, 0)
        print(f"{kind:8} p50 {p50:.1f} ms  p95 {p95:.1f} ms  most {most:.0f} ms")
    warm = memory[min(len(memory) - 1, max(len(memory) // 10, 1))]
    last = statistics.median(memory[-3:])
    print(f"memory after warm-up {warm:.0f} MB, at the end {last:.0f} MB, most {max(memory):.0f} MB")
    print(f"faults {len(tally.faults)}", *tally.faults[:5], sep="\n  ")
    return not tally.faults and last <= 1.1 * warm and max(memory) <= megabytes


def measured(folder, settings, flags=()):
    """The `Tally` of a server with such flags, and what `soak` returns."""
    tally, process = Tally(), started(folder, settings.port, flags)
    try:
        return tally, *soak(folder, process, tally, settings)
    finally:
        process.terminate()
        process.wait(60)


def batching(folder, settings):
    """Print how many requests are answered with each batch size and timeout; whether all were right."""
    print("| batch size | timeout, ms | requests a second | ms of CPU each | median, ms | 95 %, ms |",
          "|---|---|---|---|---|---|", sep="\n")
    faults = []
    for size, timeout in BATCHING:
        tally, _, rate, cpu = measured(folder, settings,
                                       [f"--batch_size={size}", f"--batch_timeout={timeout}"])
        p50, p95 = np.percentile(tally.milliseconds["valid"], [50, 95])
        print(f"| {size} | {timeout} | {rate:,.0f} | {cpu:.2f} | {p50:.1f} | {p95:.1f} |", flush=True)
        faults += tally.faults
    print(*faults[:5], sep="\n", end="")
    return not faults


def main(folder, settings):
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if settings.batching:
        sys.exit(0 if batching(folder, settings) else 1)
    tally, memory, rate, cpu = measured(folder, settings)
    print(f"{rate:.0f} requests a second, {cpu:.2f} ms of CPU each")
    sys.exit(0 if report(tally, memory, settings.megabytes) else 1)


if __name__ == "__main__":
    if not sys.argv[1:] or sys.argv[1].startswith("-") and sys.argv[1] not in cli.HELP_FLAGS:
        sys.exit("error: expected a run: python -m benchmarks.serving runs/sentiment")
    main(sys.argv[1], cli.parse(Settings, sys.argv[1:]))
