"""Where the files of a data set come from: a folder, a data home, the cache, a download."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from ..errors import CorruptArchive, DataUnavailable, InvalidInput
from .download import download, pooch
from .registry import Source
from .verify import check_members, read_manifest

DATA_HOME = "RECSYS_DATA_HOME"
CACHE_HOME = "RECSYS_CACHE_HOME"


def cache_folder() -> Path:
    """Folder of downloaded data: ``RECSYS_CACHE_HOME`` where it is set, else the user's cache."""
    return Path(os.environ.get(CACHE_HOME) or pooch.os_cache("factor-by-factor")).expanduser()


def locate(source: Source, folder: str | os.PathLike | None = None) -> Path:
    """Return the folder that holds the verified files of `source`.

    The sources are tried in order: `folder`, ``RECSYS_DATA_HOME``, the cache, a
    download into the cache. A data home holds one folder a data set; `folder`
    may be such a home or the data set's own folder.

    Raises
    ------
    InvalidInput
        `folder` is not a path.
    CorruptArchive
        A file in `folder` or below ``RECSYS_DATA_HOME`` is not the published one.
    DataUnavailable
        No source has the files; the message names each one and why it failed.
    """
    failures = []
    home = os.environ.get(DATA_HOME)
    for label, root in (("folder", folder), (DATA_HOME, home)):
        if root is None or root == "":
            failures.append(f"{label}: not given" if label == "folder" else f"{label}: not set")
            continue
        if not isinstance(root, str | os.PathLike):
            raise InvalidInput(f"folder must be a path, got {root!r}: pass the folder of the unpacked files")
        found, reason = _search(source, Path(root).expanduser())
        if found:
            pinned = {member: digest for member, digest in source.members.items() if digest}
            check_members(found, _of_members(source, read_manifest(found)) | pinned)
            return found
        failures.append(f"{label} {root}: {reason}")
        if label == "folder":
            warnings.warn(f"{failures[-1]}; trying the other sources of {source.name}", stacklevel=3)

    cache = cache_folder()
    found, reason = _search(source, cache)
    if found:
        try:
            # What a verified archive held counts for more than the digests pinned one by one.
            check_members(found, source.members | _of_members(source, read_manifest(found)))
            return found
        except DataUnavailable as error:  # a damaged cache is replaced by a new download
            reason = str(error)
    failures.append(f"cache {cache}: {reason}")
    try:
        return download(source, cache)
    except DataUnavailable as error:
        failures.extend(f"download {line}" for line in str(error).splitlines())
        kind = CorruptArchive if isinstance(error, CorruptArchive) else DataUnavailable
        raise kind(_nothing_in_reach(source, failures)) from None


def _search(source: Source, root: Path) -> tuple[Path | None, str]:
    """Return the folder below `root` that has every file, or None and the reason."""
    if not root.is_dir():
        return None, "no such folder"
    incomplete = []
    for candidate in (*(root / name for name in source.folders), root):
        missing = [member for member in source.members if not (candidate / member).is_file()]
        if not missing:
            return candidate, ""
        if len(missing) < len(source.members):
            incomplete.append(f"{candidate} lacks {', '.join(missing)}")
    return None, "; ".join(incomplete) or f"no folder {source.name} with {', '.join(source.members)}"


def _of_members(source: Source, digests: dict[str, str]) -> dict[str, str]:
    return {member: digest for member, digest in digests.items() if member in source.members}


def _nothing_in_reach(source: Source, failures: list[str]) -> str:
    archive = source.mirrors[0].rsplit("/", 1)[-1]
    load = "load_lastfm()" if source.name.startswith("lastfm") else "load_movielens(...)"
    synthetic = "" if source.name.startswith("lastfm") else 'call load_movielens("synthetic") or '
    tried = "\n".join(f"  - {failure}" for failure in failures)
    return (
        f"The data set {source.name!r} is not in reach. Tried, in order:\n{tried}\n"
        "Remedies:\n"
        f"  1. Connect to a network and call {load} again; {CACHE_HOME} chooses where the files go.\n"
        f"  2. Fetch {archive} on another machine ({source.mirrors[0]}), unpack its files into a\n"
        f"     folder called {source.name} and set {DATA_HOME} to the folder above it (or pass folder=...).\n"
        f"  3. Work on invented data of the same shape: {synthetic}set RECSYS_DATASET=synthetic."
    )
