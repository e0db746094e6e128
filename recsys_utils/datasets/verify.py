"""Digests: is a file on disk the published one?"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import CorruptArchive, DataUnavailable

# Written beside unpacked files, in the format of `sha256sum`: digests of what a verified archive held.
MANIFEST = "SHA256SUMS"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in lower-case hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, members) -> Path:
    """Record the digests of `members` of `folder` in its manifest."""
    manifest = folder / MANIFEST
    manifest.write_text(
        "".join(f"{sha256_of(folder / member)}  {member}\n" for member in members), encoding="ascii"
    )
    return manifest


def read_manifest(folder: Path) -> dict[str, str]:
    """Digests by file name that `folder`'s manifest records; empty without a manifest."""
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[1].lstrip("*"): pair[0] for pair in pairs if len(pair) == 2}


def check_members(folder: Path, expected: dict[str, str | None]) -> None:
    """Compare every file whose digest is known.

    Raises
    ------
    CorruptArchive
        A file has another digest; the message has the file, both digests and a remedy.
    DataUnavailable
        A file cannot be read.
    """
    for member, digest in expected.items():
        path = folder / member
        if digest is None:
            continue
        try:
            found = sha256_of(path)
        except OSError as error:
            raise DataUnavailable(
                f"{path} cannot be read ({error}): make it readable or use another copy"
            ) from error
        if found != digest:
            raise CorruptArchive(
                f"{path} is not the published file: expected SHA-256 {digest}, found {found}. "
                "It was changed after publication (often converted line ends or a re-export): "
                "put the original file there, or remove the folder so that the loader downloads one"
            )
