"""The site under test: built anew, served from a port of the system's choice, parsed without a browser."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]


def toc_pages() -> list[str]:
    """Names of all pages of the book in reading order, without suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    pages = [page for chapter in chapters for page in (chapter, *chapter.get("sections", ()))]
    return [toc["root"], *(page["file"] for page in pages)]


def chapters() -> list[str]:
    """Names of the chapters: what the table of contents numbers. Other executed pages stand beside them."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))["parts"]
    return [page["file"] for part in parts if part.get("numbered") for page in part["chapters"]]


def build(folder: Path) -> Path:
    """Build the book below `folder`, warnings being errors, and return the folder of its pages."""
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT, "--path-output", folder]
    command += ["--warningiserror", "--keep-going", "--quiet"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    site = folder / "_build" / "html"
    if run.returncode or not (site / "index.html").is_file():
        raise RuntimeError(f"the book does not build:\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}")
    return site


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Keep the log of the tests clean."""


@contextmanager
def serve(site: Path):
    """Serve `site` on the loopback interface; gives its address."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Page:
    """What a page declares: ids, references to other files, elements in order as (tag, attributes)."""

    def __init__(self, path: Path):
        tree = BeautifulSoup(path.read_text("utf8"), "html.parser", multi_valued_attributes=None)
        self.elements = [(element.name, element.attrs) for element in tree.find_all(True)]
        self.title = tree.title.get_text() if tree.title else ""
        self.ids = [attrs["id"] for _, attrs in self.elements if "id" in attrs]
        self.references = [(tag, attrs[n]) for tag, attrs in self.elements for n in ("href", "src") if attrs.get(n)]

    def meta(self, key: str) -> str | None:
        """Content of the meta element with this name or property."""
        found = (a for tag, a in self.elements if tag == "meta" and key in (a.get("name"), a.get("property")))
        return next(found, {}).get("content")


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def find_browser(own: str) -> str | None:
    """Path of a browser of Chromium's family: what $CHROMIUM names, one on the path, or Playwright's at `own`."""
    named = os.environ.get("CHROMIUM")
    if named and not shutil.which(named):
        raise FileNotFoundError(f"CHROMIUM={named} is no program; name a browser or unset it")
    return next(filter(None, map(shutil.which, filter(None, (named, *BROWSERS, own)))), None)
