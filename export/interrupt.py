"""Ctrl-C ends a program of this project in one line and with exit code 130, from `end_at_once` on."""
import contextlib
import os
import signal
import sys
import threading

CODE = 128 + signal.SIGINT


def line():
    """What is said; under the ^C that a terminal shows."""
    return "\n" * os.isatty(2) + "interrupted\n"


def end_at_once():
    """From now on Ctrl-C ends the process at once: where nothing is written, nothing is to be put right.

    An exception would not do: libraries that are being imported turn it into others, or drop it.
    """
    terminal = None
    with contextlib.suppress(OSError):  # standard error may be closed
        terminal = os.dup(2)  # it is turned away while TensorFlow is imported

    def end(number, frame):
        with contextlib.suppress(OSError, TypeError):
            os.write(terminal, line().encode())
        os._exit(CODE)
    _handle(end)


@contextlib.contextmanager
def as_exception():
    """Inside, Ctrl-C raises KeyboardInterrupt, so that what was begun is put right; afterwards it ends
    the process at once."""
    came = []

    def stop(number, frame):
        came.append(number)
        raise KeyboardInterrupt
    _handle(stop)
    sys.unraisablehook = _end_if_dropped
    try:
        yield
    except BaseException:  # a library may have made another one of it
        end_at_once()
        if not came:
            raise
        sys.stderr.write(line())
        sys.exit(CODE)
    end_at_once()


def _handle(handler):
    if threading.current_thread() is not threading.main_thread():
        return  # Python lets no other thread handle signals
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a shell script
        signal.signal(signal.SIGINT, handler)


def _end_if_dropped(dropped):
    """Where Python can raise no KeyboardInterrupt, in a destructor, the process ends at once: what a dead
    process left behind is put right by the next."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        return sys.__unraisablehook__(dropped)
    sys.stderr.write(line())
    os._exit(CODE)
