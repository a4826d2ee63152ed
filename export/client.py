"""`python -m export.client`: see `export.serving.client`."""

from export.serving.client import main

if __name__ == "__main__":
    main()
