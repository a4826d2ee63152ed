"""How many cores this process may use: its affinity, and the CPU quota of the control groups it is in.

    cores = min(|affinity|, ⌈quota / period⌉ over its control group and all above it)

Source:  Linux, Documentation/admin-guide/cgroup-v2.rst (`cpu.max`); scheduler/sched-bwc.rst (`cpu.cfs_*`)
"""
import functools
import math
import os
import pathlib


def cores():
    """At least 1."""
    affinity = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    allowed = len(affinity(0))
    return math.ceil(min(allowed, quota()))


@functools.cache
def quota(root="/"):
    """CPU time, in cores, that this process's control groups leave it; infinity without a limit.

    Looked up once: a look takes as long as a small call of the engine.
    """
    return min((limit(folder) for folder in groups(pathlib.Path(root))), default=math.inf)


def groups(root):
    """Folders of this process's control groups for CPU time and of those above them, as far as seen."""
    for version, path in memberships(root):
        for mounted, top, mount in mounts(root):
            if mounted == version:
                yield from folders(root / mount.lstrip("/"), top, path)


def memberships(root):
    """(version, path) of the control groups that may limit CPU time: a line is `ID:controllers:path`."""
    for line in lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            yield (1 if controllers else 2), path


def mounts(root):
    """(version, control group at its top, folder) of every mount that holds such groups."""
    for line in lines(root / "proc/self/mountinfo"):
        place, _, system = line.partition(" - ")
        top, mount = place.split()[3:5]
        kind, _, options = system.split()[:3]
        if kind == "cgroup2" or kind == "cgroup" and "cpu" in options.split(","):
            yield (2 if kind == "cgroup2" else 1), top, mount


def folders(mount, top, path):
    """From the group up to the mount; only that one if the group lies outside of what is mounted."""
    below = os.path.relpath(path, top)
    names = () if below.startswith("..") else pathlib.PurePath(below).parts
    for depth in range(len(names), -1, -1):
        yield mount.joinpath(*names[:depth])


def limit(folder):
    """quota / period of one control group: `cpu.max` of version 2, `cpu.cfs_*` of version 1."""
    text = " ".join(lines(folder / "cpu.max")
                    or lines(folder / "cpu.cfs_quota_us") + lines(folder / "cpu.cfs_period_us"))
    try:
        allowed, period = map(float, text.split())
    except ValueError:  # no file, or "max"
        return math.inf
    return allowed / period if allowed > 0 < period else math.inf


def lines(path):
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
