"""`python -m tasks.sentiment`."""

from tasks import cli

if __name__ == "__main__":
    cli.main("sentiment")
