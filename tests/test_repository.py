"""Promises of the repository itself: locks, environments and commands that stay in step."""
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\]+))?", re.M)


def pins(lock):
    """Name to version of a lock under Python 3.11."""
    return {
        name: version
        for name, version, marker in PIN.findall((ROOT / "requirements" / lock).read_text())
        if not marker or "python_full_version" not in marker or re.search(r"< '3\.1[234]", marker)
    }


def tracked_files():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_have_hashes_and_name_no_host(lock):
    text = lock.read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(PIN.findall(text)) > 0
    blocks = re.split(r"^(?=\S)", text, flags=re.M)
    assert all("--hash=sha256:" in block for block in blocks if PIN.match(block))


def test_rendering_lock_agrees_with_the_full_one():
    full, book = pins("test.txt"), pins("book.txt")
    assert {name: full.get(name) for name in book} == book


def test_rendering_needs_no_compiler():
    assert not {"xlearn", "cmake", "implicit", "pyspark", "myfm"} & set(pins("book.txt"))


def test_conda_environment_has_the_locked_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda, pip = environment["dependencies"][:-1], environment["dependencies"][-1]["pip"]
    assert "python=3.11" in conda
    stated = dict(line.split("==") for line in pip if "==" in line)
    locked = {**pins("test.txt"), **pins("xlearn.txt")}
    assert {name: locked.get(name) for name in stated} == stated


def test_conda_environment_has_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in declared}
    pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1]["pip"]
    assert names == {line.split("==")[0] for line in pip if "==" in line}


def test_make_help_documents_every_command():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("book", "test", "lab", "execute", "bench", "clean"):
        assert re.search(rf"^  make {target} +\S", shown, re.M), target


def test_no_data_file_and_no_large_file_is_tracked():
    for path in tracked_files():
        data = {"ratings.csv", "movies.csv", "u.data", "u.item", "user_artists.dat", "ratings.dat"}
        assert path.name not in data, path
        assert path.stat().st_size < 2 * 2**20, f"{path} is larger than 2 MB"


def test_no_machine_and_no_registry_is_named():
    hosts = "|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npm", "anaconda" + r"\.org"))
    for path in tracked_files():
        if path.suffix in {".png", ".ico", ".woff2"} or path == ROOT / ".ci" / "run":
            continue
        text = path.read_text("utf8")
        assert not re.search(hosts, text), path
        assert not re.search(r"(?<![\w.])/(?:home|root|Users|work)/\w", text), path
