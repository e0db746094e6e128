"""Servers for tests and for pages: on this machine alone, and gone with the process that started them."""
from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import MissingDependency, StoreUnavailable

_HOST = "127.0.0.1"


class Server:
    """A server process on a free port of the loopback interface, in a temporary folder of its own.

    Use it in a ``with`` statement, or call :meth:`start` and :meth:`stop`. It ends with this process, however that ends
    (on Linux; elsewhere not if this process is killed).

    Parameters
    ----------
    command : callable
        From a port and a folder to the command line and what to write to the server's standard input.
    ready : callable, optional
        From a connection to whether the server serves on it yet; by default a connection is enough.
    patience : float
        Seconds that it may take to start.
    """

    def __init__(
        self,
        command: Callable[[int, str], tuple[list[str], str]],
        ready: Callable[[socket.socket], bool] = lambda connection: True,
        patience: float = 20.0,
    ):
        with socket.socket() as probe:
            probe.bind((_HOST, 0))
            self.port = probe.getsockname()[1]
        self._folder = tempfile.TemporaryDirectory(prefix="recommendations-")
        self._command, self._ready, self._patience, self._process = command, ready, patience, None
        atexit.register(self.stop)

    def start(self) -> Server:
        """Start, or start again on the same port with what the folder holds; returns when the port answers.

        A server that runs is left as it is.

        Raises
        ------
        StoreUnavailable
            If the server ends or does not answer in time.
        """
        if self._process and self._process.poll() is None:
            return self
        command, text = self._command(self.port, self._folder.name)
        if shutil.which("setpriv"):  # the kernel then kills the server when its parent is gone
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,  # an interrupt of the notebook is none of its business
        )
        self._process.stdin.write(text)
        self._process.stdin.close()
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection((_HOST, self.port), 1.0) as connection:
                    if self._ready(connection):
                        return self
            except OSError:
                pass
            time.sleep(0.02)
        self.kill()
        raise StoreUnavailable(f"{' '.join(command)} did not start on port {self.port}: start it by hand to see why")

    def kill(self) -> None:
        """Kill it and the processes that it has started, as a power cut would (SIGKILL)."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        """Let it take requests and answer none (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it and remove its folder."""
        self.kill()
        self._folder.cleanup()
        atexit.unregister(self.stop)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()


def redis_server(*, password: str = "", persist: bool = False, max_memory: str = "0") -> Server:
    """A Redis server, not yet started.

    Parameters
    ----------
    password : str
        What clients have to know; empty for none.
    persist : bool
        Keep an append-only file, flushed every second, so that a restart finds the data again.
    max_memory : str
        Such as ``"8mb"``; ``"0"`` for no limit. Nothing is evicted.

    Raises
    ------
    MissingDependency
        If redis-server is not installed.
    """
    program = _program("redis-server", "`apt-get install redis-server` on Debian, `brew install redis` on a Mac")

    def command(port, folder):
        settings = [f"bind {_HOST}", f"port {port}", f"dir {folder}", 'save ""', "maxmemory-policy noeviction"]
        settings += [f"appendonly {'yes' if persist else 'no'}", f"maxmemory {max_memory}"]
        settings += [f"requirepass {json.dumps(password)}"] if password else []
        return [program, "-"], "\n".join(settings)

    return Server(command, _loaded)


def _loaded(connection: socket.socket) -> bool:
    """Whether Redis has read its files: until then it accepts connections and refuses requests."""
    connection.sendall(b"PING\r\n")
    return not connection.recv(64).startswith(b"-LOADING")


def dynamodb_server() -> Server:
    """A server of DynamoDB's protocol (dynalite, in memory), not yet started.

    Raises
    ------
    MissingDependency
        If dynalite is not installed.
    """
    program = _program("dynalite", "install Node.js (Debian: `apt-get install npm`) and run `make servers`")
    quick = [part for option in ("create", "delete", "update") for part in (f"--{option}TableMs", "0")]
    return Server(lambda port, folder: ([program, *quick, "--host", _HOST, "--port", str(port)], ""))


def _program(name: str, remedy: str) -> str:
    """Path of a program, from this environment before all others."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not found:
        raise MissingDependency(f"{name} is not installed: {remedy}")
    return found
