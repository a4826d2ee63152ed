"""The page of models is a folder of files."""
import json
import re
import shutil

import pytest

from benchmarks import browser
from conftest import ROOT
from export import demo, tflite

WEB = ROOT / "export" / "web"


@pytest.fixture
def modules(tmp_path):
    """A node_modules with as much of LiteRT.js as the page copies."""
    for name in ("core", "wasm-utils"):
        (tmp_path / "node_modules/@litertjs" / name / "dist").mkdir(parents=True)
        (tmp_path / "node_modules/@litertjs" / name / "dist/index.js").write_text("export {};")
    (tmp_path / "node_modules/@litertjs/core/wasm").mkdir()
    (tmp_path / "node_modules/@litertjs/core/wasm/litert_wasm_internal.wasm").write_bytes(b"\0asm")
    return tmp_path / "node_modules"


@pytest.fixture
def finished(tmp_path):
    """A run with a web file."""
    path = tmp_path / "runs/tagging/tflite/model_web.tflite"
    path.parent.mkdir(parents=True)
    path.write_text("TFL3")
    tflite.append(path, {"model.json": '{"head": "tagger"}', "tokenizer.json": "{}"})
    return tmp_path / "runs/tagging"


def test_the_folder_holds_page_runtime_and_models(tmp_path, modules, finished):
    models = demo.write([finished], tmp_path / "site", modules)
    size = (finished / "tflite/model_web.tflite").stat().st_size
    assert models == [{"name": "tagging", "head": "tagger", "bytes": size}]
    assert json.loads((tmp_path / "site/models.json").read_text()) == models
    site = tmp_path / "site"
    written = {path.relative_to(site).as_posix() for path in site.rglob("*.*")}
    scripts = {path.name for path in WEB.glob("*.js")}
    assert written == scripts | {
        "index.html", "page.css", "models.json", "litert/core.js", "litert/wasm-utils.js",
        "litert/wasm/litert_wasm_internal.wasm", "models/tagging/model_web.tflite"}


def test_what_is_missing_is_one_line(tmp_path, modules, finished):
    with pytest.raises(FileNotFoundError, match="expected LiteRT.js in .*absent, received none; cd "):
        demo.write([finished], tmp_path / "site", tmp_path / "absent")
    with pytest.raises(ValueError, match="of different names, received two called tagging; rename"):
        demo.write([finished, finished], tmp_path / "site", modules)
    with pytest.raises(FileNotFoundError, match="expected a trained model in .*nothing"):
        demo.write([tmp_path / "nothing"], tmp_path / "site", modules)


def test_the_page_is_small_and_makes_no_markup_of_texts():
    files = [path for path in WEB.iterdir() if path.suffix in (".html", ".css", ".js")]
    assert sum(path.stat().st_size for path in files) < 100_000
    markup = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(")
    for path in files:
        assert not markup.search(path.read_text(encoding="utf-8")), path


def test_the_page_names_the_ids_and_files_that_there_are():
    page, html = ((WEB / name).read_text(encoding="utf-8") for name in ("page.js", "index.html"))
    ids = set(re.findall(r'id="(\w+)"', html))
    assert set(re.findall(r'\$\("(\w+)"\)', page)) <= ids
    for name in re.findall(r'(?:src|href)="([\w.]+)"|import\("\./([\w.]+)"\)', html + page):
        assert (WEB / "".join(name)).is_file(), name


@pytest.mark.slow
@pytest.mark.skipif(bool(browser.missing()), reason=str(browser.missing()))
def test_a_text_enters_the_page_as_text(tmp_path):
    from heads import tagger
    from test_browser import browsers
    from test_export_run import on_device
    head = tagger("crf")
    folder = tmp_path / "runs/tagging/tflite"
    folder.parent.mkdir(parents=True)
    on_device(head, folder, "model_web", browsers)
    demo.write([folder.parent], tmp_path / "site", browser.MODULES)
    shutil.copy(tmp_path / "site/index.html", tmp_path / "site/page.html")
    typed = '<img src=x onerror="document.title=1"> good </p><b>'
    found = browser.posted(tmp_path / "site", f"""
        const frame = document.createElement("iframe");
        frame.src = "/page.html#model=tagging&text=" + encodeURIComponent({json.dumps(typed)});
        document.body.append(frame);
        const answered = () => frame.contentDocument?.body?.dataset?.answered;
        while (!answered()) await new Promise((done) => setTimeout(done, 50));
        const {{body, title}} = frame.contentDocument, text = body.querySelector(".text").cloneNode(true);
        text.querySelectorAll("small").forEach((tag) => tag.remove());
        post({{text: text.textContent, title, made: body.querySelectorAll("img, b").length}});""")
    assert found == {"text": typed, "title": "Text models in the browser", "made": 0}
