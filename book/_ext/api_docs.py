"""Docstrings of the API pages.

* Those of one page number their references from 1 each, as numpydoc does. reStructuredText has one numbering for a
  whole page, so that a second ``.. [1]`` is an error. Here the entries become a plain list and a citation in the text a
  plain number in brackets.
* What a class inherits from scikit-learn is described there; its docstrings link to pages that this book has not.
"""

from __future__ import annotations

import re

ENTRY = re.compile(r"^(\s*)\.\. \[(\d+)\]\s+")
CITATION = re.compile(r"\[(\d+)\]_")


def _plain_references(app, what, name, obj, options, lines):
    lines[:] = [CITATION.sub(r"[\1]", ENTRY.sub(r"\1\2. ", line)) for line in lines]


def _skip_foreign(app, what, name, obj, skip, options):
    return True if (getattr(obj, "__module__", None) or "").startswith("sklearn.") else None


def setup(app):
    app.connect("autodoc-skip-member", _skip_foreign)
    app.connect("autodoc-process-docstring", _plain_references, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
