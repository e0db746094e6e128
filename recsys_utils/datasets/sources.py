"""Where the files of a data set come from: a folder, a data home, the cache, a download.

A download tries every mirror in turn against one pinned digest. It happens in a private folder below the cache, and
only complete files are moved to where they are expected, each in one atomic step: an interrupted download leaves
nothing that looks finished, and two processes that download at once leave the same files.
"""
from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from tqdm import tqdm

from ..errors import CorruptArchive, DataUnavailable, InvalidInput
from .registry import Source

with warnings.catch_warnings():
    # In a notebook pooch's own progress bars ask for ipywidgets; ours need none.
    warnings.simplefilter("ignore")
    import pooch

DATA_HOME = "RECSYS_DATA_HOME"
CACHE_HOME = "RECSYS_CACHE_HOME"
TIMEOUT = (5.0, 30.0)  # seconds for a connection, and for each piece of the answer
_STAGING = ".partial-"
_STALE_SECONDS = 24 * 3600


def cache_folder() -> Path:
    """Folder of downloaded data: ``RECSYS_CACHE_HOME`` where it is set, else the user's cache."""
    return _path(CACHE_HOME, os.environ.get(CACHE_HOME) or pooch.os_cache("factor-by-factor"))


def locate(source: Source, folder: str | os.PathLike | None = None) -> Path:
    """Return the folder that holds the verified files of `source`.

    `folder`, where it is given, is the only source. Otherwise ``RECSYS_DATA_HOME``, the cache and a
    download into the cache are tried in this order. A data home holds one folder a data set; `folder`
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
    __tracebackhide__ = True
    if folder is not None:
        if not isinstance(folder, str | os.PathLike) or isinstance(folder, bytes) or folder == "":
            raise InvalidInput(f"folder must be a path, got {folder!r}: pass the folder of the unpacked files")
        found, reason = _search(source, _path("folder", folder))
        if not found:
            raise DataUnavailable(
                f"folder={str(folder)!r} does not hold {source.name}: {reason}. Pass the folder of its unpacked files "
                "or the one above it, or leave folder out to use the other sources"
            )
        _check_pinned(found, source)
        return found
    failures = [f"{DATA_HOME}: not set"]
    if home := os.environ.get(DATA_HOME):
        found, reason = _search(source, _path(DATA_HOME, home))
        if found:
            _check_pinned(found, source)
            return found
        failures = [f"{DATA_HOME} {home}: {reason}"]
    cache = cache_folder()
    found, reason = _search(source, cache)
    if found:
        try:
            _check_pinned(found, source)
            _check_against_archive(found, source)
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


def download(source: Source, cache: Path) -> Path:
    """Download and unpack `source` below `cache`; return the folder of its files.

    Raises
    ------
    DataUnavailable
        No mirror gave the archive, or the cache cannot be written: one line a reason.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for left in cache.glob(_STAGING + "*"):  # by processes that were killed
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_STAGING, dir=cache, ignore_cleanup_errors=True) as staging:
            archive = _fetch(source, Path(staging))
            unpack(archive, [source.prefix + member for member in source.members])
            target = cache / source.name
            target.mkdir(exist_ok=True)
            if None in source.members.values():  # the archive vouches for files without a pinned digest
                os.replace(archive, target / archive.name)
            for member in source.members:
                os.replace(Path(staging) / "files" / source.prefix / member, target / member)
            return target
    except OSError as error:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
        remedy = "free some space or choose another disk" if full else "make it writable or choose another folder"
        raise DataUnavailable(
            f"cache {cache} cannot be written ({error.strerror or error}): {remedy} with {CACHE_HOME}"
        ) from error


def unpack(archive: Path, members: list[str]) -> None:
    """Unpack `members` of a zip into the folder ``files`` beside it.

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
            for member in members:
                opened.getinfo(member)
        pooch.Unzip(members, extract_dir="files")(str(archive), "download", None)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError) as error:
        # RuntimeError: an encrypted entry or a compression method that zipfile lacks
        raise CorruptArchive(f"{archive.name} cannot be unpacked ({error}): use another mirror's archive") from error


def _refuse_unsafe(archive: Path, entry: zipfile.ZipInfo) -> None:
    posix, windows = PurePosixPath(entry.orig_filename), PureWindowsPath(entry.orig_filename)
    climbs = posix.is_absolute() or windows.anchor or ".." in windows.parts or "\0" in entry.orig_filename
    if climbs or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "would be unpacked outside its folder" if climbs else "is a link or a special file"
        raise CorruptArchive(
            f"{archive.name} is refused: its entry {entry.orig_filename!r} {what}. Use another mirror's archive"
        )


def _fetch(source: Source, staging: Path) -> Path:
    failures = []
    for url in source.mirrors:
        try:
            # pooch sets the total later, but asks for the bar's truth, which is that of its total, before.
            with tqdm(desc=source.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
                fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT)
                name = f"{source.name}.zip"
                return Path(pooch.retrieve(url, f"sha256:{source.sha256}", name, staging, downloader=fetch))
        except (OSError, ValueError) as error:
            # Errors of the network carry no number, or are of a kind of their own; those of the disk do.
            if getattr(error, "errno", None) is not None and not isinstance(error, ConnectionError | TimeoutError):
                raise
            inner = error.args[0] if error.args else error  # without the connection pool's boilerplate
            refused = "refused, " if "hash" in str(error) else ""  # pooch's word for a wrong digest
            failures.append(f"{url}: {refused}{getattr(inner, 'reason', inner)}")
    raise DataUnavailable("\n".join(failures))


def _path(name: str, value) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"{name}={str(value)!r} cannot be resolved ({error}): pass a full path") from error


def _search(source: Source, root: Path) -> tuple[Path | None, str]:
    """Return the folder below `root` that has every file, or None and the reason."""
    incomplete = []
    try:
        if not stat.S_ISDIR(root.stat().st_mode):
            return None, "not a folder"
        for candidate in (*(root / name for name in source.folders), root):
            present = set(os.listdir(candidate)) if candidate.is_dir() else set()
            missing = [member for member in source.members if member not in present]
            if not missing:
                return candidate, ""
            if len(missing) < len(source.members):
                incomplete.append(f"{candidate} lacks {', '.join(missing)}")
    except (FileNotFoundError, NotADirectoryError):
        return None, "no such folder"
    except OSError as error:
        return None, f"cannot be read ({error.strerror or error}): change its permissions"
    return None, "; ".join(incomplete) or f"no folder {source.name} with {', '.join(source.members)}"


def _check_pinned(folder: Path, source: Source) -> None:
    """Compare every file whose digest is known: digests, unlike sizes, tell converted line ends or altered counts."""
    __tracebackhide__ = True
    for member, digest in source.members.items():
        path = folder / member
        try:
            found = digest and pooch.file_hash(str(path))
        except OSError as error:
            raise DataUnavailable(f"{path} cannot be read ({error}): make it readable or use another copy") from None
        if found != digest:
            raise CorruptArchive(
                f"{path} is not the published file: expected SHA-256 {digest}, found {found}. "
                "It was changed after publication (often converted line ends or a re-export): "
                "put the original file there, or remove the folder so that the loader downloads one"
            )


def _check_against_archive(folder: Path, source: Source) -> None:
    """Compare files of the cache without a pinned digest with the archive that they came from."""
    if None not in source.members.values():
        return
    archive = folder / f"{source.name}.zip"
    try:
        if pooch.file_hash(str(archive)) != source.sha256:
            raise CorruptArchive(f"{archive} is not the published archive")
        with zipfile.ZipFile(archive) as opened:
            for member in source.members:
                code = 0
                with open(folder / member, "rb") as file:
                    while block := file.read(1 << 20):
                        code = zlib.crc32(block, code)
                if code != opened.getinfo(source.prefix + member).CRC:
                    raise CorruptArchive(f"{folder / member} is not the published file")
    except OSError as error:
        raise DataUnavailable(f"{folder} cannot be checked ({error})") from None


def _nothing_in_reach(source: Source, failures: list[str]) -> str:
    archive = source.mirrors[0].rsplit("/", 1)[-1]
    load = "load_lastfm()" if source.name.startswith("lastfm") else "load_movielens(...)"
    tried = "\n".join(f"  - {failure}" for failure in failures)
    return (
        f"The data set {source.name!r} is not in reach. Tried, in order:\n{tried}\n"
        "Remedies:\n"
        f"  1. Connect to a network and call {load} again; {CACHE_HOME} chooses where the files go.\n"
        f"  2. Fetch {archive} on another machine ({source.mirrors[0]}), unpack its files into a\n"
        f"     folder called {source.name} and set {DATA_HOME} to the folder above it (or pass folder=...).\n"
        "  3. Work on invented data of the same shape: set RECSYS_DATASET=synthetic."
    )
