"""``{notebook-status}``: when each notebook was executed, on what data and for how long.

The execution step stored this in the notebook under ``metadata.recsys_utils``.
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HEADS = ("Chapter", "Executed", "Run time", "Data", "Code cells")


def read_status(path: Path) -> dict:
    """Facts about one executed notebook.

    Parameters
    ----------
    path : pathlib.Path
        A notebook in format 4.

    Returns
    -------
    dict
        ``title``, ``cells`` (code cells), ``unexecuted`` (those without an execution count), and what the
        execution step stored: ``executed`` (ISO date or None), ``seconds`` (float or None), ``data`` (list of
        str), ``versions`` (dict).
    """
    notebook = json.loads(path.read_text("utf8"))
    stored = notebook["metadata"].get("recsys_utils", {})
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"])]
    title = path.stem
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and text.startswith("# "):
            title = text.splitlines()[0][2:].strip()
            break
    return {
        "title": title,
        "cells": len(code),
        "unexecuted": sum(cell.get("execution_count") is None for cell in code),
        "executed": stored.get("executed"),
        "seconds": stored.get("seconds"),
        "data": stored.get("data", []),
        "versions": stored.get("versions", {}),
    }


def _row(cells) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        content = cell if isinstance(cell, nodes.Node) else nodes.Text(cell)
        row += nodes.entry("", nodes.paragraph("", "", content))
    return row


def _link(env, docname: str, target: str, title: str) -> nodes.reference:
    return nodes.reference("", title, internal=True, refuri=env.app.builder.get_relative_uri(docname, target))


class NotebookStatus(SphinxDirective):
    """Tables of the execution status and of the library versions of all notebooks of the book."""

    def run(self):
        """Make the tables."""
        names = sorted(name for name in self.env.found_docs if name.startswith("notebooks/"))
        statuses = []
        for name in names:
            path = Path(self.env.doc2path(name))
            self.env.note_dependency(str(path))
            statuses.append((name, read_status(path)))
        if not statuses:
            return [nodes.paragraph("", "The book has no notebook yet.")]
        rows = []
        for name, status in statuses:
            link = _link(self.env, self.env.docname, name, status["title"])
            seconds = status["seconds"]
            done = status["cells"] - status["unexecuted"]
            rows.append(
                [
                    link,
                    status["executed"] or "not recorded",
                    f"{seconds:.0f} s" if seconds is not None else "not recorded",
                    ", ".join(status["data"]) or "none",
                    str(done) if not status["unexecuted"] else f"{done} of {status['cells']}",
                ]
            )
        result = [self._table("Execution of each notebook", HEADS, rows)]
        libraries = sorted({lib for _, s in statuses for lib in s["versions"]})
        if libraries:
            versions = [
                [lib, ", ".join(sorted({s["versions"][lib] for _, s in statuses if lib in s["versions"]}))]
                for lib in libraries
            ]
            caption = "Libraries that the stored outputs came from"
            result.append(self._table(caption, ("Library", "Version"), versions))
        return result

    def _table(self, caption, heads, rows) -> nodes.table:
        group = nodes.tgroup("", cols=len(heads))
        for _ in heads:
            group += nodes.colspec(colwidth=1)
        group += nodes.thead("", _row(heads))
        group += nodes.tbody("", *map(_row, rows))
        return nodes.table("", nodes.title("", caption), group, classes=["colwidths-auto", "book-wide"])


def setup(app):
    app.add_directive("notebook-status", NotebookStatus)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
