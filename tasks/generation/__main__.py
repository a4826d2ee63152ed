"""`python -m tasks.generation`."""

from tasks import cli

if __name__ == "__main__":
    cli.main("generation")
