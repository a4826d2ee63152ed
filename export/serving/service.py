"""What the server serves, for HTTP and gRPC alike: models, their versions, and answers within limits."""
import asyncio
import re
import time

import tensorflow as tf

from export import one_line
from export.serving import batches, limits
from export.serving.queues import Full, Job, Queue
from export.serving.tensors import BadRequest, shown

STABLE = "stable"  # the label of the newest version that is live


class Refused(Exception):
    """What a request is answered instead. Attributes: status of HTTP, line."""

    def __init__(self, status, line):
        super().__init__(line)
        self.status, self.line = status, line


class Service:
    """Models by name.

    Args:    versions  [`Versions`]
             flags     of the command line: seconds, largest, values, batch_size, batch_timeout
    """

    def __init__(self, versions, flags):
        self.models, self.flags, self._queues = {each.name: each for each in versions}, flags, {}

    def start(self):
        """Begin to answer, in the event loop that runs."""
        loop = asyncio.get_running_loop()
        for name in self.models:
            self._queues[name] = Queue(
                self.flags.largest, lambda done: loop.call_soon_threadsafe(settled, done),
                rows=self.flags.batch_size, moment=self.flags.batch_timeout / 1000)

    def model(self, name):
        """The versions of a model."""
        if name not in self.models:
            raise Refused(404, f"expected a model among {', '.join(self.models)}; received {shown(name)}")
        return self.models[name]

    def version(self, name, number=None, label=None):
        """The number of a version that is live and itself; the newest by default.

        Args: number  digits
        """
        versions = self.model(name)
        live = versions.live
        if label not in (None, "", STABLE):
            raise Refused(404, f"expected the label {STABLE}, that of the newest version; received "
                               f"{shown(label)}")
        if number in (None, ""):
            newest = max(live)
            return newest, live[newest]
        if not re.fullmatch("[1-9][0-9]{0,18}|0", str(number)) or int(number) not in live:
            raise Refused(404, f"expected a version among {', '.join(map(str, sorted(live)))}; received "
                               f"{shown(str(number))}")
        return int(number), live[int(number)]

    async def answer(self, model, version, signature, inputs, finish, end, gone=None):
        """What `finish` makes of the outputs, in a thread.

        Args:    end   when it is too late, on the clock of `time.monotonic`
                 gone  a future that is done when nobody waits any more
        Raises:  BadRequest, Refused
        """
        definition = version.signatures[signature]
        size = limits.check(inputs, version.limits.get(signature, {}), self.flags.largest)
        limits.check_answer_ahead(definition, inputs, self.flags.values)

        def checked(outputs):
            limits.check_answer(outputs, self.flags.values)
            return finish(outputs)

        def call(requests, seconds):
            return version.answer_together(signature, requests, seconds)
        rows = max(len(array) for array in inputs.values() if array.ndim)
        shares = signature in version.joint and len(batches.lengths(inputs, definition)) < 2
        future = asyncio.get_running_loop().create_future()
        kind = (version, signature, frozenset(inputs)) if shares else None
        job = Job(future, kind, inputs, rows, size // rows, size, end, call, checked)
        try:
            self._queues[model].put(job)
        except Full as error:
            raise Refused(503, f"{error}: try again later") from None
        try:
            await asyncio.wait({future, gone} - {None}, timeout=end - time.monotonic(),
                               return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:      # a client of gRPC has gone
            future.cancel()
            raise
        if not future.done():
            future.cancel()
            if gone is not None and gone.done():
                raise Refused(499, "the client has gone")  # nginx's status, which only the metrics see
            raise Refused(504, late(self.flags.seconds))
        return self._result(future)

    def _result(self, future):
        try:
            return future.result()
        except tf.errors.DeadlineExceededError:
            raise Refused(504, late(self.flags.seconds)) from None
        except tf.errors.ResourceExhaustedError as error:
            raise Refused(503, f"no memory for it: {one_line(error.message)}; send less") from None
        except tf.errors.OpError as error:
            raise BadRequest("the model cannot answer these inputs: " + one_line(error.message)) from None


def settled(done):
    """Give futures their results."""
    for future, result, error in done:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def late(seconds):
    """The line for an answer that takes too long."""
    return f"expected an answer within {seconds:g} s, it takes longer: send fewer rows or shorter ones"
