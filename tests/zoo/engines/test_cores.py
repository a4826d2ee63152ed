"""How many cores a process may use, on the files that Linux shows of its control groups."""
import math
import os

import pytest
import tensorflow as tf

from zoo.engines.native import cores, ops

MOUNT = "31 23 0:28 {top} /sys/fs/cgroup{folder} rw,relatime shared:9 - {kind} {kind} {options}\n"


def system(root, groups, mounts, files):
    """A root with these lines of /proc/self/cgroup, mounts of control groups, and quotas."""
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(groups)
    (proc / "mountinfo").write_text("22 1 0:20 / / rw - overlay overlay rw\n" + "".join(
        MOUNT.format(top=top, folder=folder, kind=kind, options=options)
        for top, folder, kind, options in mounts))
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


NEW, OLD = ("cgroup2", "rw"), ("cgroup", "rw,cpu,cpuacct")


@pytest.mark.parametrize("groups, mounts, files, wanted", [
    ("0::/\n", [("/", "", *NEW)], {"cpu.max": "150000 100000"}, 1.5),
    ("0::/\n", [("/", "", *NEW)], {"cpu.max": "max 100000"}, math.inf),
    ("0::/\n", [("/", "", *NEW)], {}, math.inf),
    ("0::/a/b\n", [("/", "", *NEW)], {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
    ("0::/a/b\n", [("/", "", *NEW)], {"a/cpu.max": "800000 100000", "a/b/cpu.max": "200000 100000"}, 2),
    ("0::/pod/c\n", [("/pod/c", "", *NEW)], {"cpu.max": "300000 100000"}, 3),
    ("0::/../other\n", [("/", "", *NEW)], {"cpu.max": "300000 100000"}, 3),
    ("3:cpu,cpuacct:/docker/c\n", [("/docker/c", "/cpu", *OLD)],
     {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "50000"}, 5),
    ("3:cpu,cpuacct:/slice\n2:cpuset:/\n0::/\n", [("/", "/cpu", *OLD), ("/", "/unified", *NEW)],
     {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000",
      "cpu/slice/cpu.cfs_quota_us": "100000", "cpu/slice/cpu.cfs_period_us": "100000"}, 1),
    ("3:cpu:/\n", [("/", "/cpu", *OLD)],
     {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
])
def test_a_quota_is_the_least_of_those_from_the_group_up(tmp_path, groups, mounts, files, wanted):
    assert cores.quota(system(tmp_path, groups, mounts, files)) == wanted


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cores.quota(tmp_path) == math.inf


@pytest.mark.parametrize("quota, wanted", [(0.2, 1), (1.5, 2), (2, 2), (7.1, 4), (math.inf, 4)])
def test_a_quota_is_rounded_up_and_does_not_go_beyond_the_affinity(monkeypatch, quota, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 4, 6}, raising=False)
    monkeypatch.setattr(cores, "quota", lambda: quota)
    assert cores.cores() == wanted


@pytest.mark.parametrize("chosen, wanted", [(0, 4), (1, 1), (3, 3), (64, 4)])
def test_tensorflows_own_setting_comes_first_but_not_beyond_the_cores(monkeypatch, chosen, wanted):
    monkeypatch.setattr(ops, "cores", lambda: 4)
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: chosen)
    assert ops.threads() == wanted
