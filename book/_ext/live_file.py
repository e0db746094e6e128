"""The file of the live recommender's model: a line of JavaScript that a page can load from a disk too."""

from __future__ import annotations

import json
from pathlib import Path

MODEL = Path(__file__).parents[1] / "_static" / "live" / "model.js"
BEFORE, AFTER = "const LIVE_MODEL = ", ";\n"


def write(model: dict) -> None:
    """Write what :func:`read` gives back; numbers, strings, lists and dictionaries only."""
    MODEL.write_text(BEFORE + json.dumps(model, ensure_ascii=False, separators=(",", ":")) + AFTER, "utf8")


def read() -> dict:
    """The model as the page gets it, its factors still in base64."""
    return json.loads(MODEL.read_text("utf8").removeprefix(BEFORE).removesuffix(AFTER))
