"""What a notebook stored, for pages that are made from it: sentences, tables, figures, prerequisites.

A page never types a figure that a notebook printed; it asks for it here, and the build fails where it is no longer
there.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cached_property
from html import unescape
from pathlib import Path

from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError

WORDS_PER_MINUTE = 200
ASSUMES = re.compile(r"\*\*It assumes\*\*(.*?)\*\*It runs in\*\*", re.DOTALL)


class Stored:
    """One executed notebook.

    Parameters
    ----------
    path : pathlib.Path
        A notebook in format 4.
    """

    def __init__(self, path: Path):
        self.path = path
        self.cells = json.loads(path.read_text("utf8"))["cells"]
        self.prose = ["".join(cell["source"]) for cell in self.cells if cell["cell_type"] == "markdown"]

    @cached_property
    def _printed(self) -> list[dict]:
        outputs = [output for cell in self.cells for output in cell.get("outputs", ())]
        return [output.get("data", {"text/plain": output.get("text", "")}) for output in outputs]

    @property
    def title(self) -> str:
        """The chapter's title."""
        return re.search(r"^# (.+)$", "\n".join(self.prose), re.MULTILINE)[1].strip()

    @property
    def minutes(self) -> int:
        """Minutes that reading the prose takes, a multiple of five."""
        return max(5, 5 * round(len(" ".join(self.prose).split()) / WORDS_PER_MINUTE / 5))

    @property
    def assumes(self) -> list[str]:
        """Names of the chapters that the opening box links to as what this one assumes."""
        found = ASSUMES.search("\n".join(self.prose))
        return re.findall(r"\]\(([\w-]+)\.ipynb", found[1]) if found else []

    def said(self, pattern: str) -> tuple[str, ...]:
        """Groups of `pattern` in the sentences that the notebook printed."""
        for data in self._printed:
            text = "".join(data.get("text/markdown", data.get("text/plain", "")))
            if match := re.search(pattern, text):
                return match.groups()
        raise ExtensionError(f"{self.path}: no cell prints {pattern!r}; mend the pattern or the cell")

    def table(self, caption: str) -> list[list[str]]:
        """Cells of the first table whose caption holds `caption`, row by row, heads included."""
        for data in self._printed:
            if caption in unescape("".join(data.get("text/html", ""))):
                table = BeautifulSoup("".join(data["text/html"]), "html.parser").table
                rows = table.find_all("tr")
                return [[cell.get_text(strip=True) for cell in row.find_all(["th", "td"])] for row in rows]
        raise ExtensionError(f"{self.path}: no table's caption holds {caption!r}; mend the caption or the page")

    def figure(self, name: str | None) -> bytes | None:
        """PNG of the figure called `name`, or of the first one; None where there is none."""
        for cell in self.cells:
            figure = cell["metadata"].get("mystnb", {}).get("figure", {})
            for output in cell.get("outputs", ()):
                if "image/png" in output.get("data", {}) and name in (None, figure.get("name")):
                    return base64.b64decode("".join(output["data"]["image/png"]))
        if name is not None:
            raise ExtensionError(f"{self.path}: no figure is called {name}")
        return None
