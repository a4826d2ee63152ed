"""A queue: full is said at once, what nobody waits for is dropped, and requests share calls that fit."""
import concurrent.futures
import threading
import time

import pytest

from export.serving.queues import ROWS, SHARED, Full, Job, Queue


class Calls:
    """A queue whose calls wait until they may go on; what each was about."""

    def __init__(self, **options):
        self.gate, self.started, self.made = threading.Event(), threading.Semaphore(0), []
        self.queue = Queue(32_768, self.settle, **{"calls": 1, "moment": 0, **options})

    def settle(self, done):
        for future, result, error in done:
            if not future.cancelled():
                future.set_exception(error) if error else future.set_result(result)

    def call(self, inputs, seconds):
        self.made.append(inputs)
        self.started.release()
        assert self.gate.wait(60)
        if "bad" in inputs:
            raise ValueError("bad")
        return [f"answer to {each}" for each in inputs]

    def put(self, name, kind="k", rows=1, length=10, size=None, seconds=60):
        future = concurrent.futures.Future()
        self.queue.put(Job(future, kind, name, rows, length, size or rows * length,
                           time.monotonic() + seconds, self.call, str.upper))
        return future

    def begin(self):
        """A call is under way."""
        first = self.put("first", kind=None)
        assert self.started.acquire(timeout=60)
        return first


def test_requests_that_wait_share_the_next_call():
    calls = Calls()
    first, others = calls.begin(), [calls.put(name) for name in "abc"]
    calls.gate.set()
    assert [each.result(60) for each in [first, *others]] == [
        f"ANSWER TO {name}" for name in ("FIRST", "A", "B", "C")]
    assert calls.made == [["first"], ["a", "b", "c"]]


def test_only_what_is_alike_and_fits_shares_a_call():
    calls = Calls()
    calls.begin()
    long = SHARED // 2 + 1
    jobs = [calls.put("a"), calls.put("other", kind="o"), calls.put("alone", kind=None),
            calls.put("long", length=long), calls.put("b", rows=2), calls.put("many", rows=ROWS)]
    calls.gate.set()
    concurrent.futures.wait(jobs, 60)
    assert calls.made[1:] == [["a", "b"], ["other"], ["alone"], ["long"], ["many"]]


def test_calls_have_the_batch_size_that_is_asked_for():
    calls = Calls(rows=2)
    first, others = calls.begin(), [calls.put(name) for name in "abc"]
    calls.gate.set()
    concurrent.futures.wait([first, *others], 60)
    assert calls.made == [["first"], ["a", "b"], ["c"]]


def test_a_full_queue_says_so_at_once():
    calls = Calls(waiting=2)
    calls.begin()
    calls.put("a"), calls.put("b")
    with pytest.raises(Full, match="expected at most 2 requests that wait"):
        calls.put("c")
    calls.gate.set()


def test_what_nobody_waits_for_is_dropped_and_makes_room():
    calls = Calls(waiting=2)
    calls.begin()
    gone, late = calls.put("gone"), calls.put("late", seconds=0)
    gone.cancel()
    kept = calls.put("kept")
    calls.gate.set()
    assert kept.result(60) == "ANSWER TO KEPT" and calls.made == [["first"], ["kept"]]
    assert not late.done()


def test_a_request_that_fails_fails_alone():
    calls = Calls()
    calls.begin()
    good, bad = calls.put("good"), calls.put("bad")
    calls.gate.set()
    assert good.result(60) == "ANSWER TO GOOD"
    with pytest.raises(ValueError, match="bad"):
        bad.result(60)


def test_calls_under_way_are_together_no_larger_than_the_largest_request():
    calls = Calls(calls=2)
    calls.put("large", size=30_000)
    assert calls.started.acquire(timeout=60)
    second, third = calls.put("second", size=3_000), calls.put("third", size=10)
    assert not calls.started.acquire(timeout=0.2)
    calls.gate.set()
    concurrent.futures.wait([second, third], 60)
    assert calls.made[0] == ["large"] and sorted(sum(calls.made[1:], [])) == ["second", "third"]


def test_a_request_waits_a_moment_for_others_while_a_call_is_under_way():
    calls = Calls(calls=2, moment=60)
    calls.begin()
    a = calls.put("a")
    assert not calls.started.acquire(timeout=0.2)
    b = calls.put("b")
    calls.gate.set()
    assert a.result(60) == "ANSWER TO A" and b.result(60) and calls.made[1:] == [["a", "b"]]
