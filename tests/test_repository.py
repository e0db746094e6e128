"""Promises of the repository itself: locks, environments and commands that stay in step."""
import os
import re
import subprocess
import sys
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


def environment():
    """What environment.yml takes from conda, and what from pip, line by line."""
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return conda, pip["pip"]


def test_conda_environment_has_the_locked_versions():
    conda, pip = environment()
    assert "python=3.11" in conda
    stated = dict(line.split("==") for line in pip if "==" in line)
    locked = pins("test.txt")
    assert {name: locked.get(name) for name in stated} == stated


def test_conda_environment_has_every_direct_dependency_once():
    conda, pip = environment()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    built = pins("xlearn.txt")  # by postBuild
    names = {re.match(r"[\w-]+", line)[0].lower() for line in declared} & {*pins("test.txt"), *built}
    from_conda = {re.match(r"[\w-]+", line)[0] for line in conda} & names
    assert from_conda == {"cmake"}
    assert names - from_conda - set(built) == {line.split("==")[0] for line in pip if "==" in line}


def test_conda_builds_xlearn_after_its_tools():
    """pip installs its part in one go, so that whatever builds from source finds no tool that the same part brings."""
    conda, pip = environment()
    assert {"cmake<4", "make", "cxx-compiler"} <= set(conda)
    assert not [line for line in pip if line.startswith(("xlearn", "cmake"))]
    assert not set(pins("xlearn.txt")) & set(pins("test.txt"))
    post = (ROOT / "postBuild").read_text()
    assert {f"requirements/{name}.txt" for name in ("nodeps", "xlearn")} == set(re.findall(r"-r (\S+)", post))
    assert "--no-build-isolation" in post.split("xlearn.txt")[0].splitlines()[-1]


def make(*arguments):
    """Run make as from a prompt, not as part of the make that may run these tests."""
    passed_on = ("MAKEFLAGS", "MFLAGS", "PYTHON", "VENV")
    outside = {name: value for name, value in os.environ.items() if name not in passed_on}
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, env=outside)


def pretend(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_shim_without_its_python_is_named_before_anything_is_made(tmp_path):
    """pyenv puts a python3.12 on the path whether or not that version may run."""
    shim = pretend(tmp_path / "shim" / "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    run = make("interpreter", f"PYTHON={shim}", f"VENV={tmp_path / 'venv'}")
    assert run.returncode and "does not run" in run.stdout and "PYTHON=python3.12" in run.stdout
    assert not (tmp_path / "venv").exists()


def test_another_python_than_the_environments_is_refused(tmp_path):
    there = pretend(tmp_path / "venv" / "bin" / "python", "echo 3.99")
    run = make("interpreter", f"PYTHON={sys.executable}", f"VENV={tmp_path / 'venv'}")
    assert run.returncode and "holds Python 3.99" in run.stdout and "VENV=" in run.stdout
    assert make("interpreter", f"PYTHON={there}", f"VENV={tmp_path / 'venv'}").returncode == 0


def test_clean_removes_environments_builds_and_compiled_code():
    commands = make("-n", "clean").stdout
    for what in (".venv ", ".venv3*", "_build", " build ", "__pycache__"):
        assert what in commands
    assert "/build/" in (ROOT / ".gitignore").read_text().split()


def test_lab_takes_arguments():
    run = make("-n", "lab", "ARGS=--port 9000", "VENV=.venv-of-no-one").stdout
    assert re.search(r"jupyter lab .*--port 9000 notebooks$", run, re.M)
    assert ("--allow-root" in run) == (os.geteuid() == 0)


def test_make_help_documents_every_command():
    shown = make("help").stdout
    for target in ("book", "test", "package", "lab", "execute", "bench", "conda", "clean"):
        assert re.search(rf"^  make {target} +\S", shown, re.M), target


def test_no_data_file_and_no_large_file_is_tracked():
    for path in tracked_files():
        data = {"ratings.csv", "movies.csv", "u.data", "u.item", "user_artists.dat", "ratings.dat"}
        assert path.name not in data, path
        assert path.stat().st_size < 2 * 2**20, f"{path} is larger than 2 MB"


def test_no_machine_and_no_registry_is_named():
    hosts = "|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npm", "anaconda" + r"\.org"))
    for path in tracked_files():
        if path.suffix in {".png", ".ico", ".woff2", ".npz"} or path == ROOT / ".ci" / "run":
            continue
        text = path.read_text("utf8")
        assert not re.search(hosts, text), path
        assert not re.search(r"(?<![\w.])/(?:home|root|Users|work)/\w", text), path
