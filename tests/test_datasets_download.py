"""Downloads: mirrors, digests, interruptions, hostile archives and full disks, against a local server."""

import contextlib
import dataclasses
import errno
import hashlib
import http.server
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pooch
import pytest
import requests

from recsys_utils.datasets import sources as sources_module
from recsys_utils.datasets.registry import SOURCES, Source
from recsys_utils.datasets.sources import cache_folder, download, locate, unpack
from recsys_utils.errors import CorruptArchive, DataUnavailable, InvalidInput

FILES = {"u.data": b"1\t2\t3\t4\n" * 50_000, "u.item": b"1|Film (1999)|\n"}


def zipped(files, prefix="ml-tiny/"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return buffer.getvalue()


ARCHIVE = zipped({**FILES, "README": b"not needed"})


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve one archive well or badly, by path; count the requests."""

    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.archive
        self.path = self.path.removeprefix("http://host.invalid")  # asked as a proxy
        if self.path == "/missing.zip":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # a client that went away
            if self.path == "/good.zip":
                self.wfile.write(content)
            elif self.path == "/tampered.zip":
                self.wfile.write(content[:-1] + bytes([content[-1] ^ 1]))
            elif self.path == "/truncated.zip":
                self.wfile.write(content[: len(content) // 2])
            elif self.path == "/together.zip":  # nobody gets the end before both have the beginning
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.server.both.wait(15)
                self.wfile.write(content[len(content) // 2 :])
            elif self.path == "/stalled.zip":
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.server.release.wait(20)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.requests, running.archive, running.release = [], ARCHIVE, threading.Event()
    running.both = threading.Barrier(2)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    running.url = f"http://127.0.0.1:{running.server_address[1]}"
    yield running
    running.release.set()
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    monkeypatch.delenv("RECSYS_DATA_HOME", raising=False)
    monkeypatch.delenv("RECSYS_DATASET", raising=False)
    monkeypatch.setenv("RECSYS_CACHE_HOME", str(tmp_path / "cache"))


def source_of(server, *paths, archive=ARCHIVE, prefix="ml-tiny/", pinned=True, **more):
    return Source(
        name="ml-tiny",
        mirrors=tuple(f"{server.url}/{path}" if "://" not in path else path for path in paths),
        sha256=hashlib.sha256(archive).hexdigest(),
        prefix=prefix,
        members={
            name: hashlib.sha256(content).hexdigest() if pinned else None for name, content in FILES.items()
        },
        **more,
    )


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


COMPLETE = ["ml-tiny", "ml-tiny/u.data", "ml-tiny/u.item"]


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_download_fills_the_cache_and_the_next_call_uses_it(server):
    source = source_of(server, "good.zip")
    folder = locate(source)
    assert folder == cache_folder() / "ml-tiny"
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert everything_below(cache_folder()) == COMPLETE, "no archive, no partial file"
    assert locate(source) == folder and server.requests == ["/good.zip"]


def test_an_archive_with_its_files_at_the_top(server):
    server.archive = zipped(FILES, prefix="")
    source = source_of(server, "good.zip", archive=server.archive, prefix="")
    assert (locate(source) / "u.item").read_bytes() == FILES["u.item"]


def test_every_mirror_is_tried_in_turn(server):
    dead = f"http://127.0.0.1:{closed_port()}/a.zip"
    source = source_of(server, dead, "missing.zip", "tampered.zip", "truncated.zip", "good.zip", "never.zip")
    assert locate(source).is_dir()
    assert server.requests == ["/missing.zip", "/tampered.zip", "/truncated.zip", "/good.zip"]
    assert everything_below(cache_folder()) == COMPLETE


def test_one_error_names_every_source_its_reason_and_the_remedies(server, monkeypatch, tmp_path):
    (tmp_path / "home" / "ml-tiny").mkdir(parents=True)
    (tmp_path / "home" / "ml-tiny" / "u.item").write_bytes(b"x")
    monkeypatch.setenv("RECSYS_DATA_HOME", str(tmp_path / "home"))
    dead = f"http://127.0.0.1:{closed_port()}/a.zip"
    source = source_of(server, dead, "missing.zip", "tampered.zip", "truncated.zip")
    with pytest.raises(DataUnavailable) as caught:
        locate(source)
    message = str(caught.value)
    lines = message.splitlines()
    assert f"  - RECSYS_DATA_HOME {tmp_path / 'home'}: {tmp_path / 'home' / 'ml-tiny'} lacks u.data" in lines
    assert f"  - cache {cache_folder()}: no such folder" in lines
    reasons = {url: line for url in source.mirrors for line in lines if line.startswith(f"  - download {url}")}
    assert "refused" in reasons[dead] and "404" in reasons[source.mirrors[1]]
    assert source.sha256 in reasons[source.mirrors[2]] and "refused" in reasons[source.mirrors[2]]
    assert source.mirrors[3] in reasons
    assert [line[:5] for line in lines if line.startswith(("  1.", "  2.", "  3."))] == ["  1. ", "  2. ", "  3. "]
    assert "RECSYS_DATASET=synthetic" in message and "RECSYS_DATA_HOME to the folder" in message
    assert caught.value.__suppress_context__, "one error, not a chain"
    assert everything_below(cache_folder()) == []


def test_an_unset_data_home_is_named_too(server):
    with pytest.raises(DataUnavailable, match="RECSYS_DATA_HOME: not set"):
        locate(source_of(server, "missing.zip"))


@pytest.mark.parametrize("typo", ["nowhere", "empty", "a file"])
def test_a_folder_that_lacks_the_files_is_an_error_and_nothing_else_is_tried(server, tmp_path, monkeypatch, typo):
    source = source_of(server, "good.zip")
    locate(source)
    monkeypatch.setenv("RECSYS_DATA_HOME", str(cache_folder()))
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("x")
    with pytest.raises(DataUnavailable, match=f"folder=.*{typo}.*does not hold ml-tiny") as caught:
        locate(source, tmp_path / typo)
    assert "leave folder out" in str(caught.value) and len(server.requests) == 1


def test_folder_then_home_then_cache_then_download(server, monkeypatch, tmp_path):
    source = source_of(server, "good.zip")
    locate(source)
    for place in ("given", "home"):
        shutil.copytree(cache_folder() / "ml-tiny", tmp_path / place / "ml-tiny")
    monkeypatch.setenv("RECSYS_DATA_HOME", str(tmp_path / "home"))
    assert locate(source, tmp_path / "given") == tmp_path / "given" / "ml-tiny"
    assert locate(source) == tmp_path / "home" / "ml-tiny"
    monkeypatch.setenv("RECSYS_DATA_HOME", "")
    assert locate(source) == cache_folder() / "ml-tiny"
    assert len(server.requests) == 1


def test_a_damaged_cache_is_downloaded_again(server):
    source = source_of(server, "good.zip")
    folder = locate(source)
    (folder / "u.data").write_bytes(b"half")
    assert (locate(source) / "u.data").read_bytes() == FILES["u.data"]
    assert len(server.requests) == 2


def test_a_damaged_cache_is_named_when_no_mirror_answers(server):
    folder = locate(source_of(server, "good.zip"))
    (folder / "u.data").write_bytes(b"half")
    with pytest.raises(DataUnavailable, match=r"u\.data is not the published file"):
        locate(source_of(server, "missing.zip"))


def test_a_forged_list_of_digests_in_the_cache_counts_for_nothing(server):
    source = source_of(server, "good.zip")
    folder = locate(source)
    (folder / "u.data").write_bytes(b"forged")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'forged').hexdigest()}  u.data\n")
    assert (locate(source) / "u.data").read_bytes() == FILES["u.data"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("victim", ["u.data", "ml-tiny.zip"])
@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_cached_files_without_a_pinned_digest_are_compared_with_their_archive(server, victim, damage):
    source = source_of(server, "good.zip", pinned=False)
    folder = locate(source)
    assert locate(source) == folder and len(server.requests) == 1
    if damage == "gone":
        (folder / victim).unlink()
    else:
        content = bytearray((folder / victim).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / victim).write_bytes(content)
    assert (locate(source) / "u.data").read_bytes() == FILES["u.data"]
    assert len(server.requests) == 2


def test_a_folder_that_may_not_be_entered_is_told(server, tmp_path, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setenv("RECSYS_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(sources_module.os, "listdir", refused)
    with pytest.raises(DataUnavailable, match="RECSYS_DATA_HOME.*cannot be read .Permission denied"):
        locate(source_of(server, "missing.zip"))
    with pytest.raises(DataUnavailable, match="cannot be read .Permission denied"):
        locate(source_of(server, "missing.zip"), tmp_path)


@pytest.mark.parametrize("variable", ["RECSYS_DATA_HOME", "RECSYS_CACHE_HOME"])
def test_an_unknown_home_is_named(server, monkeypatch, variable):
    monkeypatch.setenv(variable, "~nobody-of-that-name/x")
    with pytest.raises(InvalidInput, match=f"{variable}='~nobody-of-that-name/x' cannot be resolved"):
        locate(source_of(server, "missing.zip"))


def test_a_stalled_mirror_is_left_after_the_time_limit(server, monkeypatch):
    monkeypatch.setattr(sources_module, "TIMEOUT", (0.3, 0.3))
    start = time.monotonic()
    assert locate(source_of(server, "stalled.zip", "good.zip")).is_dir()
    assert time.monotonic() - start < 10
    assert everything_below(cache_folder()) == COMPLETE


def test_a_proxy_is_used_even_without_a_scheme(server, monkeypatch):
    """``HTTPS_PROXY=host:port`` is what many companies tell their people to set."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url.removeprefix("http://"))
    locate(source_of(server, "http://host.invalid/good.zip"))
    assert server.requests == ["http://host.invalid/good.zip"]


def test_limits_are_seconds(server, monkeypatch):
    limits = []

    def get(url, timeout, **options):
        limits.append(timeout)
        raise requests.exceptions.ConnectTimeout("too late")

    monkeypatch.setattr(requests, "get", get)
    with pytest.raises(DataUnavailable, match="too late"):
        locate(source_of(server, "good.zip"))
    assert limits and max(limits[0]) <= 30


def test_tls_is_verified_and_its_failure_only_skips_the_mirror(server, monkeypatch):
    calls = []
    real_get = requests.get

    def get(url, **options):
        calls.append((url, options))
        if url.endswith("expired.zip"):
            raise requests.exceptions.SSLError("certificate has expired")
        return real_get(url, **options)

    monkeypatch.setattr(requests, "get", get)
    assert locate(source_of(server, "expired.zip", "good.zip")).is_dir()
    assert [url.rsplit("/", 1)[1] for url, _ in calls] == ["expired.zip", "good.zip"]
    assert all("verify" not in options or options["verify"] is True for _, options in calls)
    assert all(url.startswith("https://") for source in SOURCES.values() for url in source.mirrors)


def test_progress_goes_to_stderr_only(server, capfd):
    locate(source_of(server, "good.zip"))
    printed = capfd.readouterr()
    assert printed.out == "" and "ml-tiny" in printed.err


def disk_full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("moment", ["download", "unpack", "move"])
def test_a_full_disk_leaves_nothing_and_says_so(server, monkeypatch, moment):
    if moment == "download":

        def writes_then_fails(self, url, output_file, pooch):
            Path(output_file).write_bytes(b"half an archive")
            disk_full()

        monkeypatch.setattr(pooch.HTTPDownloader, "__call__", writes_then_fails)
    elif moment == "unpack":
        monkeypatch.setattr(shutil, "copyfileobj", disk_full)
    else:
        monkeypatch.setattr(sources_module.os, "replace", disk_full)
    with pytest.raises(DataUnavailable, match="No space left on device.*free some space"):
        locate(source_of(server, "good.zip"))
    left = everything_below(cache_folder())
    assert [path for path in left if path != "ml-tiny"] == []


def test_a_cache_that_cannot_be_written(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RECSYS_CACHE_HOME", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataUnavailable, match="cannot be written.*RECSYS_CACHE_HOME"):
        locate(source_of(server, "good.zip"))


def test_a_read_only_cache(server, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(sources_module.tempfile, "TemporaryDirectory", refused)
    with pytest.raises(DataUnavailable, match="Permission denied.*make it writable"):
        locate(source_of(server, "good.zip"))
    assert server.requests == [], "nothing is downloaded that cannot be kept"


def entry(name, mode=0o100644):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "name", ["../evil", "ml-tiny/../../evil", "/etc/evil", "C:\\evil", "..\\evil", "C:evil", "\\\\host\\evil"]
)
def test_an_archive_that_climbs_out_is_refused(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("ml-tiny/u.data", b"fine")
        archive.writestr(entry(name), b"evil")
    with pytest.raises(CorruptArchive, match="refused.*outside"):
        unpack(tmp_path / "a.zip", ["ml-tiny/u.data"])
    assert everything_below(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o060644], ids=["symbolic link", "pipe", "device"])
def test_links_and_special_files_are_refused(mode, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry("ml-tiny/u.data", mode), b"/etc/passwd")
    with pytest.raises(CorruptArchive, match="link or a special file"):
        unpack(tmp_path / "a.zip", ["ml-tiny/u.data"])
    assert everything_below(tmp_path) == ["a.zip"]


def test_a_hostile_archive_with_the_right_digest_is_refused_and_nothing_stays(server):
    server.archive = zipped({**FILES, "../../evil": b"evil"})
    with pytest.raises(CorruptArchive, match="refused"):
        locate(source_of(server, "good.zip", archive=server.archive))
    assert everything_below(cache_folder()) == []


@pytest.mark.parametrize(
    "content", [b"", b"no zip at all", ARCHIVE[: len(ARCHIVE) // 2], zipped({"u.data": b"x"})]
)
def test_a_damaged_or_incomplete_archive_is_named(content, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(CorruptArchive, match=r"a\.zip cannot be unpacked"):
        unpack(tmp_path / "a.zip", ["ml-tiny/u.data", "ml-tiny/u.item"])


def test_a_flipped_byte_inside_a_zip_is_found(tmp_path):
    damaged = bytearray(ARCHIVE)
    damaged[ARCHIVE.index(b"1\t2\t3") + 100] ^= 1
    (tmp_path / "a.zip").write_bytes(damaged)
    with pytest.raises(CorruptArchive, match="CRC"):
        unpack(tmp_path / "a.zip", ["ml-tiny/u.data"])


def child(source, **options):
    """Start a process that locates `source`, with this process's environment."""
    code = (
        "from recsys_utils.datasets.registry import Source\n"
        "from recsys_utils.datasets.sources import locate\n"
        f"folder = locate({source!r}.__class__(**{dataclasses.asdict(source)!r}))\n"
        "print((folder / 'u.data').stat().st_size)\n"
    ).replace(f"{source!r}.__class__", "Source")
    return subprocess.Popen([sys.executable, "-c", code], text=True, **options)


def test_two_processes_at_once_both_end_with_the_same_files(server):
    source = source_of(server, "together.zip")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    processes = [child(source, **pipes) for _ in range(2)]
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and output == f"{len(FILES['u.data'])}\n"
    assert server.requests == ["/together.zip"] * 2 and not server.both.broken
    assert everything_below(cache_folder()) == COMPLETE
    assert (cache_folder() / "ml-tiny" / "u.data").read_bytes() == FILES["u.data"]


def test_threads_at_once_never_show_a_half_written_file(server):
    """Each of many downloads replaces the same files while others read them."""
    source, failures = source_of(server, "good.zip"), []
    download(source, cache_folder())

    def again():
        try:
            download(source, cache_folder())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=again) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for name, content in FILES.items():
            if (cache_folder() / "ml-tiny" / name).read_bytes() != content:
                failures.append(name)
    assert failures == [] and everything_below(cache_folder()) == COMPLETE


def test_a_killed_download_leaves_nothing_that_looks_finished(server):
    process = child(source_of(server, "stalled.zip"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not server.requests and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    assert not (cache_folder() / "ml-tiny").exists()
    leftovers = list(cache_folder().glob(".partial-*"))
    assert len(leftovers) == 1

    assert locate(source_of(server, "good.zip")).is_dir()
    assert leftovers[0].exists(), "it could belong to a process that is still at work"
    day_before = time.time() - 2 * 24 * 3600
    os.utime(leftovers[0], (day_before, day_before))
    download(source_of(server, "good.zip"), cache_folder())
    assert everything_below(cache_folder()) == COMPLETE


def test_the_cache_is_the_user_s_own_by_default(monkeypatch):
    monkeypatch.delenv("RECSYS_CACHE_HOME")
    assert cache_folder() == Path(pooch.os_cache("factor-by-factor"))
