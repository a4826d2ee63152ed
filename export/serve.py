"""`python -m export.serve`: see `export.serving.server`."""

from export import program

if __name__ == "__main__":
    program.run("export.serving.server")
