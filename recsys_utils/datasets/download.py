"""Downloads: every mirror in turn, one pinned digest, and no half-written file anywhere."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import tempfile
import threading
import time
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from tqdm import tqdm

from ..errors import CorruptArchive, DataUnavailable
from .registry import Source
from .verify import write_manifest

with warnings.catch_warnings():
    # In a notebook pooch's own progress bars ask for ipywidgets; ours need none.
    warnings.simplefilter("ignore")
    import pooch

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
_STAGING = ".partial-"
_STALE_SECONDS = 24 * 3600


def download(source: Source, cache: Path) -> Path:
    """Download and unpack `source` below `cache`; return the folder of its files.

    Everything happens in a private folder below `cache`; only complete files
    are moved to where they are expected, each in one atomic step, so that an
    interrupted download leaves nothing behind that looks finished, and two
    processes that download at once leave the same files.

    Raises
    ------
    DataUnavailable
        No mirror gave the archive, or the cache cannot be written: one line a reason.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        with tempfile.TemporaryDirectory(prefix=_STAGING, dir=cache, ignore_cleanup_errors=True) as staging:
            archive = _fetch(source, Path(staging))
            files = Path(staging) / "files"
            files.mkdir()
            unpack(archive, files, [source.prefix + member for member in source.members])
            manifest = write_manifest(files, source.members)
            target = cache / source.name
            target.mkdir(exist_ok=True)
            for member in (*source.members, manifest.name):
                os.replace(files / member, target / member)
            return target
    except OSError as error:
        remedy = (
            "free some space or choose another disk"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "make it writable or choose another folder"
        )
        raise DataUnavailable(
            f"cache {cache} cannot be written ({error.strerror or error}): {remedy} with RECSYS_CACHE_HOME"
        ) from error


def unpack(archive: Path, folder: Path, names: list[str]) -> None:
    """Copy the files called `names` out of a zip into `folder`, without their directories.

    Raises
    ------
    CorruptArchive
        The archive is damaged, lacks one of the files, or holds an entry that
        would land outside its folder or is not a plain file or folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                _refuse_unsafe(archive, entry)
            for name in names:
                with opened.open(name) as packed, open(folder / PurePosixPath(name).name, "xb") as plain:
                    shutil.copyfileobj(packed, plain, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError) as error:
        # RuntimeError: an encrypted entry or a compression method that zipfile lacks
        reason = error.args[0] if error.args else type(error).__name__
        raise CorruptArchive(
            f"{archive.name} cannot be unpacked ({reason}): delete it and download it again"
        ) from error


def _refuse_unsafe(archive: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    climbs = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts or "\0" in name
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if climbs or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "would be unpacked outside its folder" if climbs else "is a link or a special file"
        raise CorruptArchive(
            f"{archive.name} is refused: its entry {name!r} {what}. Use another mirror's archive"
        )


def _fetch(source: Source, staging: Path) -> Path:
    failures = []
    unreachable = _unreachable(source.mirrors)
    for url in source.mirrors:
        if url in unreachable:
            failures.append(f"{url}: {unreachable[url]}")
            continue
        try:
            # pooch sets the total later, but asks for the bar's truth, which is that of its total, before.
            with tqdm(desc=source.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
                fetch = pooch.HTTPDownloader(
                    progressbar=bar, chunk_size=1 << 16, timeout=(CONNECT_SECONDS, READ_SECONDS)
                )
                path = pooch.retrieve(
                    url,
                    known_hash=f"sha256:{source.sha256}",
                    fname=f"{source.name}.zip",
                    path=staging,
                    downloader=fetch,
                )
            return Path(path)
        except ValueError as error:  # pooch's word for a wrong digest
            failures.append(f"{url}: refused, {error}")
        except OSError as error:
            # Errors of the network carry no number, or are of a kind of their own; those of the disk do.
            if error.errno is not None and not isinstance(error, (ConnectionError, TimeoutError)):
                raise
            failures.append(f"{url}: {_short(error)}")
    raise DataUnavailable("\n".join(failures))


def _unreachable(urls) -> dict[str, str]:
    """Find the addresses that don't even accept a connection, all at once, within `CONNECT_SECONDS`.

    The name look-up has no time limit of its own, and a host with eight
    addresses would be tried eight times; without this, a network that drops
    packets would hold the reader up for minutes.
    """
    from requests.utils import get_environ_proxies, select_proxy

    reasons = dict.fromkeys(urls, f"no connection within {CONNECT_SECONDS:g} s")

    def probe(url: str) -> None:
        parts = urlsplit(select_proxy(url, get_environ_proxies(url)) or url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
            reasons.pop(url, None)
        except OSError as error:
            reasons[url] = f"no connection ({error})"

    threads = [threading.Thread(target=probe, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + CONNECT_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(reasons)


def _short(error: Exception) -> str:
    """Return the cause at the bottom of a requests error, without the pool's boilerplate."""
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner))


def _sweep(cache: Path) -> None:
    """Remove private folders that killed processes left behind a day or more ago."""
    for folder in cache.glob(_STAGING + "*"):
        try:
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder)
        except OSError:
            continue  # another process removed it first
