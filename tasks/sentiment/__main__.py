"""`python -m tasks.sentiment`."""

from tasks import cli
from tasks.sentiment import flags

if __name__ == "__main__":
    flags.define()
    cli.main("tasks.sentiment.task")
