"""Starts the workers of a training as processes of this machine. It knows no TensorFlow.

    python -m tasks.sentiment --workers=2

    python -m tasks.sentiment --workers=8 --ray    on the machines of a Ray cluster, which see one folder

Elsewhere something else starts them, each with its own TF_CONFIG: Kubernetes, Slurm.
"""

import contextlib
import ctypes
import functools
import json
import os
import pathlib
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time

from export import one_line, optional

CONFIG = "TF_CONFIG"
PR_SET_PDEATHSIG = 1        # of prctl.h
POLL, GRACE = 0.2, 60       # seconds: between looks; until the others have ended too


def wanted(settings):
    """Whether this process is to start workers, and is none itself.

    Raises:  ValueError: an option that does not go with several
    """
    several = settings.workers > 1
    if settings.ray and not several:
        raise ValueError("ray: expected --workers above 1 with it, received 1; set --workers")
    if (several or CONFIG in os.environ) and settings.tune_minutes:
        raise ValueError("tune_minutes: expected one worker, received several; choose the options first, "
                         "without --workers")
    return several and CONFIG not in os.environ


def place(config):
    """(index, count) of the worker that a TF_CONFIG is for; the chief, where there is one, comes first.

    Raises:  ValueError: it is for something else

    >>> place({"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}})
    (1, 2)
    """
    cluster, kind = config.get("cluster", {}), config.get("task", {}).get("type")
    if kind not in ("chief", "worker"):
        raise ValueError(f"{CONFIG}: expected a task chief or worker, received {kind}; start those alone")
    before = len(cluster.get("chief", []))
    index = config["task"]["index"] + before * (kind == "worker")
    return index, before + len(cluster.get("worker", []))


def launch_on_ray(count, arguments):
    """Run a program of this project, [path, flags …], as `count` workers of Ray Train's.

    Raises:  ModuleNotFoundError: no Ray; ChildProcessError: a worker has failed
    """
    with optional("ray"):
        import ray
        from ray import train
        from ray.train.tensorflow import TensorflowTrainer
    folder, variables = os.getcwd(), {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def worker():
        os.chdir(folder)
        sys.argv = arguments
        try:
            runpy.run_path(arguments[0], run_name="__main__")
        except SystemExit as end:       # the way in which all but the first end, with 0
            if end.code:
                raise RuntimeError(f"exit status {end.code}; the lines above say why") from None

    ray.init(runtime_env={"env_vars": variables}, ignore_reinit_error=True)
    try:
        TensorflowTrainer(worker, scaling_config=train.ScalingConfig(num_workers=count)).fit()
    except Exception as error:      # one class a version of Ray
        raise ChildProcessError(f"a worker failed: {one_line(error)}; the same command, without "
                                "--overwrite, goes on from the last checkpoint") from error


def launch(count, command):
    """Run a command as `count` workers until the first, which alone prints, has ended.

    A worker that dies stops the others. Ctrl-C, a request to terminate and a closed terminal go to the
    first, which writes a checkpoint and ends.

    Raises:  SystemExit: with the exit status of the first; ChildProcessError: a worker has died
    """
    addresses = [f"localhost:{port}" for port in free_ports(count)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        logs = [pathlib.Path(folder) / f"{n}.log" for n in range(count)]
        workers = [start(command, addresses, n, logs[n]) for n in range(count)]
        stack.callback(stop, workers)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: workers[0].send_signal(
                signal.SIGTERM if number == signal.SIGHUP else number))
        dead = watch(workers)
        status = workers[dead].returncode
        if dead or status < 0:
            cause = f"signal {-status}" if status < 0 else "an error"
            raise ChildProcessError(
                f"worker {dead} of {count} ended with {cause}{last_line(logs[dead])}; the others are "
                "stopped; the same command, without --overwrite, goes on from the last checkpoint")
        raise SystemExit(status)


def start(command, addresses, n, log):
    """The process of a worker; only the first one prints. Each has as many cores, and a GPU if there are
    enough."""
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": n}}
    variables = {**os.environ, CONFIG: json.dumps(config)}
    if len(devices()) >= len(addresses):
        variables["CUDA_VISIBLE_DEVICES"] = devices()[n]
    with open(log, "wb") as said:
        output = {} if n == 0 else {"stdout": subprocess.DEVNULL, "stderr": said}
        # Ctrl-C in the terminal is for the launcher, which passes it on to the first alone.
        worker = subprocess.Popen(command, env=variables, start_new_session=True,
                                  preexec_fn=functools.partial(end_with_parent, n), **output)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        each = max(1, len(cores) // len(addresses))
        os.sched_setaffinity(worker.pid, {cores[(n * each + k) % len(cores)] for k in range(each)})
    return worker


def end_with_parent(n):
    """Have Linux end this process when the launcher is killed, the first worker with a checkpoint."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL if n else signal.SIGTERM)


def devices():
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [one for one in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if one.strip()]
    files = sorted(pathlib.Path("/dev").glob("nvidia[0-9]*"))
    return [path.name.removeprefix("nvidia") for path in files]


def watch(workers):
    """Wait until the first has ended and the others with it: 0, or the number of one that died before."""
    while True:
        ended = workers[0].poll() is not None
        dead = [n for n, worker in enumerate(workers) if n and worker.poll() not in (None, 0)]
        if dead or ended:
            break
        time.sleep(POLL)
    if dead and workers[0].returncode != 0:
        return dead[0]
    end = time.monotonic() + GRACE * (workers[0].returncode == 0)
    while any(worker.poll() is None for worker in workers) and time.monotonic() < end:
        time.sleep(POLL)
    return 0


def stop(workers):
    """End all that have not ended."""
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.wait()


def last_line(log):
    """What a worker said last, after a colon."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return f": {lines[-1]}" if lines else ""


def free_ports(count):
    """Ports of this machine that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]


def command_line():
    """The command that this process was started by."""
    return [sys.executable, *sys.orig_argv[1:]]
