"""The site under test: built anew, served from a port of the system's choice, parsed without a browser."""

import functools
import http.server
import subprocess
import sys
import threading
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def toc_pages() -> list[str]:
    """Names of all pages of the book in reading order, without suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    pages = [page for chapter in chapters for page in (chapter, *chapter.get("sections", ()))]
    return [toc["root"], *(page["file"] for page in pages)]


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


class Page(HTMLParser):
    """What a page declares: ids, references to other files, elements in order."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.ids, self.references, self.elements = path, [], [], []
        self.title, self._in_title = "", False
        self.feed(path.read_text("utf8"))

    def handle_starttag(self, tag, attrs):
        """Collect one element."""
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if "id" in attrs:
            self.ids.append(attrs["id"])
        for name in ("href", "src"):
            if attrs.get(name):
                self.references.append((tag, attrs[name]))
        self._in_title = tag == "title" and not self.title

    def handle_endtag(self, tag):
        """Leave the title."""
        self._in_title = False

    def handle_data(self, data):
        """Collect the title's text."""
        if self._in_title:
            self.title += data

    def meta(self, key: str) -> str | None:
        """Content of the meta element with this name or property."""
        for tag, attrs in self.elements:
            if tag == "meta" and key in (attrs.get("name"), attrs.get("property")):
                return attrs.get("content")
        return None
