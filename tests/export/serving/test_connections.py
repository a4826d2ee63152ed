"""Who may stay when there are too many connections, and what the log says of strangers."""
import logging

import pytest

pytest.importorskip("uvicorn", reason="no KServe: pip install 'recurrent-zoo[serve]'")
from export.serving.connections import SPARE, Door, OfClient, Throttle  # noqa: E402


class Guest:
    """A connection, as a door sees it."""

    def __init__(self, door, address="a", since=0, waits=True):
        self.door, self.address, self.since, self.waits = door, address, since, waits
        self.has_room = door.enter(self)

    def waits_for_client(self):
        return self.waits

    def end(self):
        self.door.leave(self)

    @property
    def is_open(self):
        return self in self.door.open


def test_the_one_that_has_waited_longest_goes_for_one_more():
    door = Door(3, 3)
    busy, older, newer = Guest(door, waits=False), Guest(door, since=1), Guest(door, since=2)
    latest = Guest(door, since=3)
    assert latest.has_room and [each.is_open for each in (busy, older, newer, latest)] == [1, 0, 1, 1]


def test_an_address_with_too_many_loses_its_own_alone():
    door = Door(10, 2)
    other, *own = Guest(door, "b"), *(Guest(door, since=since) for since in (1, 2, 3))
    assert [each.is_open for each in (other, *own)] == [1, 0, 1, 1]
    for each in own:
        each.end()
    assert list(door.of_address) == ["b"]


def test_if_none_waits_one_more_has_no_room_and_at_last_is_shown_out():
    door = Door(2, 100)
    busy = [Guest(door, waits=False) for _ in range(2)]
    more = [Guest(door, waits=False) for _ in range(SPARE + 1)]
    assert all(each.has_room for each in busy) and not any(each.has_room for each in more)
    assert [each.is_open for each in more] == [True] * SPARE + [False]


def test_lines_name_the_client_and_repeated_ones_are_counted(caplog, monkeypatch):
    logger = logging.getLogger("test_connections")
    throttle = Throttle(seconds=60)
    monkeypatch.setattr(logger, "filters", [throttle])
    for port in range(5):
        OfClient(logger, {"client": ("1.2.3.4", port)}).warning("Invalid HTTP request received.")
    OfClient(logger, {"client": ("1.2.3.4", 9)}).warning("another")
    assert [record.getMessage() for record in caplog.records] == [
        "1.2.3.4:0: Invalid HTTP request received.", "1.2.3.4:9: another"]
    throttle.seconds = 0
    OfClient(logger, {"client": None}).warning("Invalid HTTP request received.")
    assert caplog.records[-1].getMessage() == "Invalid HTTP request received. (and 4 more)"
