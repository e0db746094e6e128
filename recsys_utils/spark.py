"""A Spark cluster on this machine alone: a master and workers, each a process of its own, and a session on them.

Spark and Java are needed by nothing else in the package; without them :func:`spark_cluster` says what to install.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from .check import check_int
from .errors import MissingDependency
from .interactions import Interactions
from .serving.servers import Server

_HOST = "127.0.0.1"
_OLDEST_JAVA = 17
_PATIENCE = 90.0  # seconds that a Java process may take to start on a busy machine
# Workers stand for machines: none may read another's files behind Spark's back, and a job waits until all have come.
_SETTINGS = {
    "spark.driver.host": _HOST, "spark.driver.bindAddress": _HOST, "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false", "spark.eventLog.enabled": "true",
    "spark.eventLog.rolling.enabled": "false", "spark.eventLog.compress": "false",
    "spark.shuffle.readHostLocalDisk": "false", "spark.executor.cores": "1",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0", "spark.scheduler.maxRegisteredResourcesWaitingTime": "120s",
}


class SparkCluster:
    """What :func:`spark_cluster` hands out.

    Attributes
    ----------
    session : pyspark.sql.SparkSession
    workers : list of Server
        ``workers[0].kill()`` ends a worker and its executor as a power cut would.
    folder : Path
        Where files for Spark may be put; removed with the cluster.
    """

    def __init__(self, session, workers: list[Server], folder: Path):
        self.session, self.workers, self.folder = session, workers, folder

    def table(self, interactions: Interactions, name: str):
        """A Spark table of rows, with columns ``user``, ``item`` and ``rating``.

        The way leads over a file, as Spark 4 takes no table of pandas 3, and because a lost part is then read again.
        """
        path = self.folder / f"{name}.csv"
        columns = {"user": interactions.user_rows, "item": interactions.item_rows, "rating": interactions.values}
        pd.DataFrame(columns).to_csv(path, index=False, header=False)
        return self.session.read.csv(str(path), schema="user int, item int, rating float")

    def driver_seconds(self) -> float:
        """Processor seconds of the driver's Java process so far (Linux)."""
        process = Path(f"/proc/{self.session.sparkContext._gateway.proc.pid}/stat").read_text()
        return sum(map(int, process.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def tasks(self) -> pd.DataFrame:
        """What Spark's event log says of every task that has ended well, in the order of their ends.

        Returns
        -------
        DataFrame
            ``job``, ``stage``, ``name`` of the stage, ``executor``, ``seconds`` (wall) and ``cpu_seconds``, and bytes:
            ``read_here`` and ``read_from_others`` of shuffles, ``written`` for shuffles.
        """
        logs = [path.read_text("utf8") for path in (self.folder / "events").iterdir()]
        events = [json.loads(line) for log in logs for line in log.splitlines(keepends=True) if line.endswith("\n")]
        jobs, names, rows = {}, {}, []
        for event in events:
            if event["Event"] == "SparkListenerJobStart":
                for stage in event["Stage Infos"]:
                    jobs.setdefault(stage["Stage ID"], event["Job ID"])
                    names[stage["Stage ID"]] = stage["Stage Name"]
            elif event["Event"] == "SparkListenerTaskEnd" and event["Task End Reason"]["Reason"] == "Success":
                info, metrics, stage = event["Task Info"], event["Task Metrics"], event["Stage ID"]
                read = metrics["Shuffle Read Metrics"]
                rows.append({
                    "job": jobs.get(stage), "stage": stage, "name": names.get(stage), "executor": info["Executor ID"],
                    "seconds": (info["Finish Time"] - info["Launch Time"]) / 1e3,
                    "cpu_seconds": (metrics["Executor CPU Time"] + metrics["Executor Deserialize CPU Time"]) / 1e9,
                    "read_here": read["Local Bytes Read"],
                    "read_from_others": read["Remote Bytes Read"],
                    "written": metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"],
                })
        return pd.DataFrame(rows)


@contextmanager
def spark_cluster(
    workers: int = 2, *, memory: str = "1g", settings: Mapping[str, str] | None = None
) -> Iterator[SparkCluster]:
    """A standalone cluster on the loopback interface, for the length of a ``with`` block.

    A master, and workers of one core each. Everything ends with the block, also by an error in it, and (on Linux) with
    this process, however that ends. A folder for checkpoints is set: without one ALS silently writes none, whatever its
    ``checkpointInterval``.

    Parameters
    ----------
    workers : int
    memory : str
        Of each worker's executor and of the driver.
    settings : mapping of str to str, optional
        Further settings of Spark.

    Raises
    ------
    MissingDependency
        If PySpark or Java is not installed.
    StoreUnavailable
        If the master or a worker does not start.
    """
    check_int("workers", workers)
    home = find_spark()
    servers, session = [], None
    with tempfile.TemporaryDirectory(prefix="spark-", ignore_cleanup_errors=True) as folder:
        for part in ("events", "checkpoints", "scratch"):
            (Path(folder) / part).mkdir()
        try:
            servers.append(_daemon(home, "master.Master", folder, []).start())
            address = f"spark://{_HOST}:{servers[0].port}"
            for _ in range(workers):
                arguments = ["--cores", "1", "--memory", memory, address]
                servers.append(_daemon(home, "worker.Worker", folder, arguments).start())
            session = _session(address, folder, {
                **_SETTINGS, "spark.driver.memory": memory, "spark.executor.memory": memory,
                "spark.cores.max": str(workers), "spark.eventLog.dir": f"file://{folder}/events",
                "spark.local.dir": f"{folder}/scratch", **(settings or {}),
            })
            session.sparkContext.setCheckpointDir(f"{folder}/checkpoints")
            yield SparkCluster(session, servers[1:], Path(folder))
        finally:
            if session is not None:
                _end(session)
            for server in reversed(servers):
                server.stop()


def find_spark() -> Path:
    """The folder of Spark, once it is known that it can run.

    Raises
    ------
    MissingDependency
        If PySpark or a Java that is new enough is not installed.
    """
    if not find_spec("pyspark"):
        raise MissingDependency('PySpark is not installed: `pip install "pyspark>=4,<5"`')
    java = shutil.which("java", path=f"{os.environ.get('JAVA_HOME', '')}/bin") or shutil.which("java")
    told = subprocess.run([java, "-version"], capture_output=True, text=True).stderr if java else ""
    version = re.search(r'version "(\d+)', told)
    if not version or int(version[1]) < _OLDEST_JAVA:
        raise MissingDependency(
            f"Spark needs Java {_OLDEST_JAVA} or later, {f'version {version[1]}' if version else 'none'} was found: "
            f"`apt-get install openjdk-{_OLDEST_JAVA}-jre-headless` on Debian, `brew install openjdk@{_OLDEST_JAVA}` "
            "on a Mac"
        )
    return Path(find_spec("pyspark").origin).parent


def _daemon(home: Path, name: str, folder: str, arguments: list[str]) -> Server:
    def command(port, own_folder):
        settings = [
            f"SPARK_LOCAL_IP={_HOST}", "SPARK_DAEMON_MEMORY=256m", f"SPARK_HOME={home}",
            f"SPARK_WORKER_DIR={own_folder}", f"SPARK_LOCAL_DIRS={folder}/scratch",
        ]
        program = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}"]
        return ["env", *settings, *program, "--host", _HOST, "--port", str(port), "--webui-port", "0", *arguments], ""

    return Server(command, patience=_PATIENCE)


def _session(address: str, folder: str, settings: Mapping[str, str]):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # that Spark has not met pandas 3, whose tables it does not get
        import pyspark.testing.utils  # noqa: F401  says so when it is imported, which it would be later
        from pyspark import SparkConf, SparkContext
        from pyspark.java_gateway import launch_gateway
        from pyspark.sql import SparkSession

        os.environ.update(SPARK_LOCAL_IP=_HOST, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_DIRS=f"{folder}/scratch")
        conf = SparkConf(loadDefaults=False).setMaster(address).setAppName("book").setAll(list(settings.items()))
        # Java's own notices would end up among a cell's outputs.
        gateway = launch_gateway(conf, {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL})
        return SparkSession(SparkContext(gateway=gateway, conf=conf))


def _end(session) -> None:
    """Stop the session and the Java process behind it, so that the next cluster gets a driver of its own."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    try:
        session.stop()
    finally:
        gateway.shutdown()
        gateway.proc.kill()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None
