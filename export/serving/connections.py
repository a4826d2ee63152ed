"""Connections that strangers cannot use up: uvicorn's HTTP, with limits.

    a header must arrive within HEADER seconds, and in at most HEADER_BYTES
    an answer that its client does not read for HEADER seconds ends the connection
    at most `most` connections, and `most_of_address` from one address: for one more the one that has
    waited longest for its client goes; if none waits, all but health is answered 503

Whatever HTTP does not allow, Content-Length beside Transfer-Encoding too, is answered 400 in JSON and
ends the connection.
"""
import collections
import json
import logging

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEADER, HEADER_BYTES = 10, 65_536
CONNECTIONS, OF_ADDRESS, SPARE = 256, 128, 64
HEALTH = ("/v2/health/live", "/v2/health/ready")


class Door:
    """All open connections."""

    def __init__(self, most=CONNECTIONS, most_of_address=OF_ADDRESS):
        self.most, self.most_of_address = most, most_of_address
        self.open, self.of_address = {}, collections.defaultdict(dict)

    def enter(self, connection):
        """Whether there is room for a connection, after another has gone if need be."""
        own = self.of_address[connection.address]
        self.open[connection] = own[connection] = True
        crowd = own if len(own) > self.most_of_address else self.open
        if len(crowd) <= (self.most_of_address if crowd is own else self.most):
            return True
        idle = [each for each in crowd if each is not connection and each.waits_for_client()]
        if idle:
            min(idle, key=lambda each: each.since).end()
        elif len(self.open) > self.most + SPARE:
            connection.end()
        return bool(idle)

    def leave(self, connection):
        """A connection is closed."""
        self.open.pop(connection, None)
        own = self.of_address[connection.address]
        own.pop(connection, None)
        if not own:
            del self.of_address[connection.address]


class Connection(HttpToolsProtocol):
    """One connection; a subclass has the `door`."""

    door, seconds = None, HEADER

    def connection_made(self, transport):
        super().connection_made(transport)
        self.logger = OfClient(self.logger, {"client": self.client})
        self.address = self.client[0] if self.client else ""
        self.since, self._timer, self._head, self._in_head = self.loop.time(), None, 0, True
        self._arm(self._no_header)
        self._has_room = self.door.enter(self)

    def connection_lost(self, exc):
        self._disarm()
        self.door.leave(self)
        super().connection_lost(exc)

    def waits_for_client(self):
        """Whether nothing happens until the client sends or reads."""
        cycle = self.cycle
        return (self._in_head or cycle is None or cycle.response_complete
                or cycle.more_body and not cycle.response_started or self.flow.write_paused)

    def end(self):
        """Close at once."""
        self.door.leave(self)
        self.transport.abort()

    def data_received(self, data):
        self.since = self.loop.time()
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > HEADER_BYTES and not self.transport.is_closing():
                self._refuse(431, f"expected a header of at most {HEADER_BYTES} bytes")

    def on_message_begin(self):
        self._in_head, self._head = True, 0
        if self._timer is None:
            self._arm(self._no_header)
        super().on_message_begin()

    def on_headers_complete(self):
        self._in_head = False
        self._disarm()
        if not self._has_room:
            self.app = self._busy
        super().on_headers_complete()

    def on_response_complete(self):
        self.since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self):
        super().pause_writing()
        self._arm(self.end)

    def resume_writing(self):
        self._disarm()
        super().resume_writing()

    def send_400_response(self, msg):
        self._refuse(400, "expected a well-formed request of HTTP")

    def _no_header(self):
        if self._head:
            self._refuse(408, f"expected the whole header within {self.seconds:g} s, received a "
                              "part: send faster")
        else:
            self.end()

    async def _busy(self, scope, receive, send):
        """The application, for health alone."""
        if scope["path"] in HEALTH:
            return await self.config.loaded_app(scope, receive, send)
        body = error("too many connections: try again later")
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
                   (b"retry-after", b"1"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refuse(self, status, line):
        body = error(line)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        self.transport.close()

    def _arm(self, then):
        self._disarm()
        self._timer = self.loop.call_later(self.seconds, then)

    def _disarm(self):
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def error(line):
    """The body that says what is wrong."""
    return json.dumps({"error": line}).encode()


class OfClient(logging.LoggerAdapter):
    """Lines of a connection name its client."""

    level = property(lambda self: self.logger.level)

    def process(self, message, kwargs):
        client = self.extra["client"]
        return f"{client[0]}:{client[1]}: {message}" if client else message, kwargs


class Throttle(logging.Filter):
    """Lets a line a kind through in so many seconds, and counts the others; lines name a client."""

    def __init__(self, seconds=10):
        super().__init__()
        self.seconds, self._last, self._left_out = seconds, {}, collections.Counter()

    def filter(self, record):
        kind = str(record.msg).split(": ", 1)[-1]
        if record.levelno < logging.WARNING:
            return True
        if record.created < self._last.get(kind, 0) + self.seconds:
            self._left_out[kind] += 1
            return False
        self._last[kind], left_out = record.created, self._left_out.pop(kind, 0)
        record.msg = f"{record.msg} (and {left_out} more)" if left_out else record.msg
        return True
