"""Pictures of the demo page at the width of a phone, by headless Chromium.

    python -m export.demo sentiment-en names-en translation-zh-en tang-poems --output=site
    python -m benchmarks.screenshots site docs/pictures/demo sentiment-en="not bad at all" tang-poems=

Each MODEL=TEXT writes one picture, PREFIX_MODEL.png; without a text the model goes on from nothing.
Chinese takes a font, for instance Debian's fonts-wqy-zenhei.
"""
import argparse
import functools
import http.server
import pathlib
import shutil
import subprocess
import tempfile
import threading
import urllib.parse

WIDTH, HEIGHT = 390, 844
MILLISECONDS = 30_000        # virtual ones: as long as the page may take


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that logs nothing."""

    def log_message(self, *arguments):
        pass


def picture(chromium, address, path):
    """Write what a page looks like once it has loaded a model and answered."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [chromium, "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--hide-scrollbars",
             f"--window-size={WIDTH},{HEIGHT}", f"--virtual-time-budget={MILLISECONDS}",
             f"--screenshot={path.resolve()}", address],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


def main():
    """Write a picture of each MODEL=TEXT."""
    parser = argparse.ArgumentParser("python -m benchmarks.screenshots")
    parser.add_argument("site", help="folder that export.demo wrote")
    parser.add_argument("prefix", help="how the names of the pictures begin")
    parser.add_argument("wanted", nargs="+", metavar="MODEL=TEXT")
    flags = parser.parse_args()
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if not chromium:
        raise SystemExit("error: expected Chromium, received none; install chromium-headless-shell")
    handler = functools.partial(Quiet, directory=flags.site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for one in flags.wanted:
            model, _, text = one.partition("=")
            fields = {"model": model, "text": text} if text else {"model": model, "go": 1}
            fields = urllib.parse.urlencode(fields, quote_via=urllib.parse.quote)
            path = pathlib.Path(f"{flags.prefix}_{model}.png")
            picture(chromium, f"http://127.0.0.1:{server.server_port}/#{fields}", path)
            print(path)
        server.shutdown()


if __name__ == "__main__":
    main()
