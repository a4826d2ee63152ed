"""`python -m export.serve`: see `export.serving.server`."""

from export.serving.server import main

if __name__ == "__main__":
    main()
