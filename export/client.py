"""`python -m export.client`: see `export.serving.client`."""

from export import program

if __name__ == "__main__":
    program.run("export.serving.client")
