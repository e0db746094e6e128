"""Show figures of notebooks at the size at which they were drawn.

Notebooks store images with two pixels a point (`recsys_utils.book.use_book_style`); a page that shows one
pixel for one CSS pixel makes them, and the text in them, twice as large.
"""

from __future__ import annotations

import struct
from pathlib import Path

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

PIXELS_PER_POINT = 2
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class DrawnSize(SphinxPostTransform):
    """Give every output image without a width its drawn width."""

    default_priority = 200  # after MyST-NB has chosen the outputs to show

    def run(self, **kwargs):
        """Transform the images of one page."""
        for image in self.document.findall(nodes.image):
            uri = image.get("uri", "")
            if "jupyter_execute" not in uri or not uri.endswith(".png") or "width" in image:
                continue
            head = (Path(self.app.srcdir) / uri.lstrip("/")).read_bytes()[:24]
            if head[:8] == SIGNATURE:
                image["width"] = f"{struct.unpack('>I', head[16:20])[0] // PIXELS_PER_POINT}px"


def setup(app):
    app.add_post_transform(DrawnSize)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
