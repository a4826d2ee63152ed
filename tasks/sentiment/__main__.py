"""`python -m tasks.sentiment`."""

from tasks import cli
from tasks.sentiment.task import TASK

if __name__ == "__main__":
    TASK.define_flags()
    cli.main(TASK.main)
