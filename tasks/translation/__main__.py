"""`python -m tasks.translation`."""

from tasks import cli

if __name__ == "__main__":
    cli.main("translation")
