"""`python -m tasks.translation`."""

from tasks import cli
from tasks.translation.task import TASK

if __name__ == "__main__":
    TASK.define_flags()
    cli.main(TASK.main)
