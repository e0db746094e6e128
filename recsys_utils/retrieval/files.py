"""An index on disk: a directory of parts, and a header that names them.

Parts carry their digest in their name and never change. The header is replaced in one step at the end, so a reader
sees the old index or the new one. Nothing is unpickled. Digests guard against accidents, not against
somebody who may write into the directory.
"""
from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ..errors import CorruptArchive, InvalidInput, MissingDependency

HEADER = "header.json"


def write(path, arrays: dict[str, np.ndarray], write_index: Callable[[str], None], about: dict) -> None:
    """Write `arrays` and the file of `write_index` as parts, then the header with `about`, then drop old parts."""
    path = Path(path)
    if path.is_file():
        raise InvalidInput(f"path {path.name!r} is a file: an index is saved as a directory, choose another name")
    path.mkdir(parents=True, exist_ok=True)
    draft, parts = path / f"draft-{os.getpid()}", {}
    try:
        for name in (*arrays, "index"):
            if name == "index":
                write_index(str(draft))
            else:
                with open(draft, "wb") as stream:
                    np.save(stream, arrays[name], allow_pickle=False)
            if draft.exists():
                sha256 = digest(draft)
                parts[name] = {"file": f"{name}-{sha256}", "bytes": draft.stat().st_size, "sha256": sha256}
                draft.replace(path / parts[name]["file"])
        header = about | _here(about["library"]) | {"parts": parts}
        header = json.loads(json.dumps(header))  # tuples become lists, as they will be when it is read
        draft.write_text(json.dumps(header | {"seal": seal(header)}, indent=1))
        draft.replace(path / HEADER)
    finally:
        draft.unlink(missing_ok=True)
    for file in path.glob("*-*"):
        if file.name not in {part["file"] for part in parts.values()}:
            file.unlink(missing_ok=True)


def read(path, verify: bool) -> tuple[dict, dict[str, str]]:
    """Header of a saved index and the paths of its parts, checked; raises CorruptArchive."""
    path = Path(path)

    def check(fine: bool, why: str) -> None:
        if not fine:
            raise CorruptArchive(f"{path.name!r} {why}: build the index again, or copy it anew")

    try:
        header = json.loads((path / HEADER).read_text())
        sealed, expected = header.pop("seal"), _here(header["library"])
        check(sealed == seal(header), "has a header that was changed after it was written")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        check(False, f"is no saved index, as it has no readable {HEADER}")
    for name, here in expected.items():
        check(header[name] == here, f"was written with {name} {header[name]}, here it is {here}")
    files = {name: path / part["file"] for name, part in header["parts"].items()}
    for name, part in header["parts"].items():
        check(files[name].is_file(), f"lacks its part {name}")
        size = files[name].stat().st_size
        check(size == part["bytes"], f"is cut: its part {name} has {size:,} of {part['bytes']:,} bytes")
        check(not verify or digest(files[name]) == part["sha256"], f"is damaged: its part {name} has another digest")
    return header, {name: str(file) for name, file in files.items()}


def _here(library: str | None) -> dict:
    """What must be the same where an index is written and where it is read."""
    try:
        release = ".".join(version(library).split(".")[:2]) if library else ""
    except PackageNotFoundError as error:
        raise MissingDependency(f"this index needs {library}: pip install 'factor-by-factor[retrieval]'") from error
    return {"format": "recsys_utils index", "version": 1, "byte order": sys.byteorder, "library version": release}


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(header: dict) -> str:
    """SHA-256 of a header, however its entries are ordered."""
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
