"""`python -m tasks.tagging`."""

from tasks import cli
from tasks.tagging.task import TASK

if __name__ == "__main__":
    TASK.define_flags()
    cli.main(TASK.main)
