"""Ship MathJax with the built site, so that no page asks a CDN for anything.

MathJax 3.2.2 comes from the wheel of ``sphinx-mathjax-offline``; of its 24 MB only the components that a page loads are
copied: TeX in, HTML and hidden MathML out, no menu (a third of the usual bundle).
"""

from __future__ import annotations

import shutil
from importlib.metadata import files
from pathlib import Path

from sphinx.errors import ExtensionError

DIST = "sphinx-mathjax-offline"
START = "startup.js"
COMPONENTS = ["input/tex", "output/chtml", "a11y/assistive-mml"]
# The start loads the core, and the output its fonts.
WANTED = (START, "core.js", "output/chtml/fonts/", *(f"{name}.js" for name in COMPONENTS))


def _copy(app, exc):
    if exc is not None or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / "mathjax"
    copied = 0
    for file in files(DIST) or ():
        _, found, name = file.as_posix().partition("/static/mathjax/")
        if found and name.startswith(WANTED):
            destination = target / name
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), destination)
            copied += 1
    if copied < 2:
        raise ExtensionError(f"offline_mathjax: {DIST} holds no MathJax; install its pinned version")


def _config(app, config):
    config.mathjax_path = f"mathjax/{START}"
    config.mathjax3_config = {"loader": {"load": COMPONENTS, "versionWarnings": False}}


def setup(app):
    app.connect("config-inited", _config)
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
