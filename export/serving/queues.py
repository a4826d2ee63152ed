"""A queue for each model: a length, few graph calls at once, and requests that share a call.

A call takes the first request and those behind it to the same signature that fit:

    Σ rows ≤ the batch size,  Σ rows × the greatest length ≤ SHARED

If another call is under way it first waits a moment for more of them. All calls under way of a model
together are no larger than the largest request may be, which bounds the memory they take. Nothing here
knows what is asked: a `Job` says it.
"""
import collections
import threading
import time

CALLS, WAITING, ROWS, SHARED, MOMENT = 2, 128, 64, 8192, 0.003


class Full(RuntimeError):
    """The queue has its greatest length."""


class Job:
    """A request. Its future ends with what `finish` makes of its part of the answer.

    Args:    kind    what jobs of one call have in common, or None: this one shares none
             rows, length   of the inputs;  size  of it alone, see `limits`
             end     when nobody waits for it any more, on the clock of `time.monotonic`
             call    of [inputs], seconds → [outputs], those of all jobs of a call
             future  has `cancelled`, and what `settle` does with it
    """

    def __init__(self, future, kind, inputs, rows, length, size, end, call, finish):
        self.future, self.kind, self.inputs = future, kind, inputs
        self.rows, self.length, self.size, self.end = rows, length, size, end
        self.call, self.finish, self.since = call, finish, time.monotonic()

    @property
    def is_dropped(self):
        """Whether nobody waits for it any more."""
        return self.future.cancelled() or time.monotonic() > self.end


class Queue:
    """Jobs of a model, done by threads of its own.

    Args: settle  called with [(future, result, error)] of the jobs that a call has ended
          rows    the batch size;   moment  seconds that the first job waits for others at the most
    """

    def __init__(self, largest, settle, calls=CALLS, waiting=WAITING, rows=ROWS, moment=MOMENT):
        self._largest, self._settle, self._most, self._moment = largest, settle, waiting, moment
        self._rows = rows
        self._waiting, self._changed = collections.deque(), threading.Condition()
        self._under_way = []  # sizes of the calls
        for _ in range(calls):
            threading.Thread(target=self._work, daemon=True).start()

    def put(self, job):
        """Take a job. Raises Full at once where too many wait."""
        with self._changed:
            if len(self._waiting) >= self._most:
                self._waiting = collections.deque(each for each in self._waiting if not each.is_dropped)
            if len(self._waiting) >= self._most:
                raise Full(f"expected at most {self._most} requests that wait")
            self._waiting.append(job)
            if len(self._waiting) == 1 or len(self._waiting) >= self._rows:
                self._changed.notify_all()      # else a thread waits a moment

    def _work(self):
        while True:
            jobs = self._next()
            try:
                self._settle(_done(jobs))
            finally:
                with self._changed:
                    self._under_way.remove(_size(jobs))
                    self._changed.notify_all()

    def _next(self):
        """The jobs of the next call; waits for one."""
        with self._changed:
            while True:
                self._changed.wait_for(self._has_room)
                if self._under_way and self._waiting[0].kind is not None:
                    end = self._waiting[0].since + self._moment
                    self._changed.wait_for(self._has_enough, max(0, end - time.monotonic()))
                if jobs := self._taken():
                    self._under_way.append(_size(jobs))
                    return jobs

    def _has_room(self):
        while self._waiting and self._waiting[0].is_dropped:
            self._waiting.popleft()
        taken = sum(self._under_way)
        return self._waiting and (not taken or taken + self._waiting[0].size <= self._largest)

    def _has_enough(self):
        return not self._under_way or len(self._waiting) >= self._rows

    def _taken(self):
        """The first job, and those that can share its call."""
        if not self._has_room():
            return []
        jobs, left = [self._waiting.popleft()], collections.deque()
        rows, length = jobs[0].rows, jobs[0].length
        room = self._largest - sum(self._under_way)
        while self._waiting and jobs[0].kind is not None and rows < self._rows:
            job = self._waiting.popleft()
            together = (rows + job.rows) * max(length, job.length)
            fits = rows + job.rows <= self._rows and together <= min(SHARED, room)
            if job.kind == jobs[0].kind and fits:
                if not job.is_dropped:
                    jobs.append(job)
                    rows, length = rows + job.rows, max(length, job.length)
            else:
                left.append(job)
        self._waiting.extendleft(reversed(left))
        return jobs


def _size(jobs):
    alone = jobs[0].size
    return alone if len(jobs) == 1 else sum(job.rows for job in jobs) * max(job.length for job in jobs)


def _done(jobs):
    """[(future, result, error)] of jobs that share a call; if it fails, each has a call of its own."""
    seconds = max(job.end for job in jobs) - time.monotonic()
    try:
        answers = jobs[0].call([job.inputs for job in jobs], seconds)
    except Exception as error:  # whatever it is, the thread goes on and the client is told
        if len(jobs) == 1:
            return [(jobs[0].future, None, error)]
        return [done for job in jobs for done in _done([job])]
    return [_finished(job, answer) for job, answer in zip(jobs, answers)]


def _finished(job, answer):
    try:
        return job.future, job.finish(answer), None
    except Exception as error:
        return job.future, None, error
