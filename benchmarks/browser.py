"""Headless Chromium: it opens a page of a folder, and the page posts what it has found."""
import contextlib
import functools
import http.server
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading

ROOT = pathlib.Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
MODULES = pathlib.Path(os.environ.get("ZOO_NODE_MODULES", ROOT / "export" / "web" / "node_modules"))
IMPORTS = {f"@litertjs/{name}": f"/node_modules/@litertjs/{name}/dist/index.js"
           for name in ("core", "wasm-utils")}


def missing():
    """What is not there to run a model in a browser; None if all is."""
    if not CHROMIUM:
        return "needs chromium-headless-shell: apt-get install chromium-headless-shell"
    if not (MODULES / "@litertjs" / "core").is_dir():
        return "needs LiteRT.js: cd export/web && npm install"
    return None


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, of export/web and of node_modules; what is posted goes into a queue."""

    def __init__(self, found, *arguments, **options):
        self.found = found
        super().__init__(*arguments, **options)

    def translate_path(self, path):
        for start, folder in (("/node_modules/", MODULES), ("/web/", ROOT / "export" / "web")):
            if path.startswith(start):
                return str(folder / path.removeprefix(start))
        return super().translate_path(path)

    def do_POST(self):
        self.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served(folder):
    """The address of a server of a folder, and the queue of what is posted to it."""
    found = queue.Queue()
    handler = functools.partial(Handler, found, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", found
    finally:
        server.shutdown()
        server.server_close()


def posted(folder, script, seconds=120):
    """What a module, with `post` and `load` of export/web, posts first from a page of this folder."""
    (pathlib.Path(folder) / "test.html").write_text(f"""<!doctype html><meta charset="utf-8">
        <script type="importmap">{json.dumps({"imports": IMPORTS})}</script>
        <script type="module">
          const post = (found) => fetch("/found", {{method: "POST", body: JSON.stringify(found)}});
          try {{
            const {{load}} = await import("/web/litert.js");
            const open = (address) => load(address, "/node_modules/@litertjs/core/wasm/");
            {script}
          }} catch (error) {{ post({{error: String(error.stack ?? error)}}); }}
        </script>""", encoding="utf-8")
    with served(folder) as (address, found), tempfile.TemporaryDirectory() as profile:
        browser = subprocess.Popen(
            [CHROMIUM, "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
             "--remote-debugging-port=0", f"{address}/test.html"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return found.get(timeout=seconds)
        finally:
            os.killpg(browser.pid, signal.SIGKILL)      # its renderers too
            browser.wait()
