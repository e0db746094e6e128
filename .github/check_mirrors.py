"""Fetch every archive of data from every mirror and compare its digest; the exit status counts those that fail."""

import hashlib
import sys
from urllib.request import Request, urlopen

from recsys_utils.datasets.registry import SOURCES


def trouble(url: str, digest: str) -> str | None:
    """What is wrong with the archive at `url`, or None."""
    found = hashlib.sha256()
    try:
        with urlopen(Request(url, headers={"User-Agent": "factor-by-factor"}), timeout=120) as reply:
            while block := reply.read(1 << 20):
                found.update(block)
    except OSError as error:
        return str(error)
    return None if found.hexdigest() == digest else "another digest"


failed = 0
for source in SOURCES.values():
    for url in source.mirrors:
        wrong = trouble(url, source.sha256)
        failed += wrong is not None
        print(f"{source.name}: {url}: {wrong or 'as pinned'}", flush=True)
sys.exit(failed)
