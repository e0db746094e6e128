"""A cluster of processes on this machine: it computes, tells what moved, outlives a worker, leaves nothing behind."""

import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from recsys_utils import Interactions, spark
from recsys_utils.errors import InvalidInput, MissingDependency
from recsys_utils.spark import find_spark, spark_cluster

DATA = Interactions(
    np.arange(40), np.arange(30), np.repeat(np.arange(40), 6), (np.arange(240) * 7 + np.arange(240) // 30) % 30,
    np.tile([1.0, 2, 3, 4, 5, 4], 40),
)


@pytest.fixture(scope="module")
def cluster():
    try:
        find_spark()
    except MissingDependency as error:
        pytest.skip(str(error))
    with spark_cluster(2, memory="512m") as running:
        yield running


def fit(cluster):
    from pyspark.ml.recommendation import ALS

    rows = cluster.table(DATA, "ratings")
    model = ALS(rank=3, maxIter=4, numUserBlocks=2, numItemBlocks=2, seed=1).fit(rows)
    sides = (model.userFactors, model.itemFactors)
    return [np.array([row.features for row in side.orderBy("id").collect()]) for side in sides]


def running(name):
    """Ids of processes whose command line holds a text."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if name.encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            pass  # it has just ended
    return found


def test_the_log_tells_what_was_read_and_written_and_a_lost_worker_changes_nothing(cluster):
    before = fit(cluster)
    tasks = cluster.tasks()
    assert set(tasks["executor"]) == {"0", "1"}
    shuffles = tasks[tasks["name"].str.startswith("flatMap")]
    assert (shuffles["written"] > 0).all()
    assert tasks["read_from_others"].sum() > 0 and tasks["read_here"].sum() > 0
    assert cluster.driver_seconds() > 0

    cluster.workers[0].kill()
    for a, b in zip(before, fit(cluster), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_nothing_outlives_a_process_that_is_killed(cluster):
    """Whatever names the cluster's folder in its command line, as the driver does."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a process that its parent is gone")
    script = """
        import os, signal
        from recsys_utils.spark import spark_cluster
        with spark_cluster(1, memory="512m") as cluster:
            cluster.session.range(10).count()
            print(cluster.folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=300)
    folder = run.stdout.strip()
    assert "spark-" in folder
    for _ in range(100):
        if not running(folder):
            break
        time.sleep(0.2)
    assert not running(folder)


def test_what_is_missing_is_named_with_a_remedy(monkeypatch):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="PySpark is not installed: `pip install"):
        find_spark()
    monkeypatch.setattr(spark, "find_spec", find_spec)
    if find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed: the check of Java comes after it")
    monkeypatch.setattr(spark.shutil, "which", lambda name, path=None: None)
    with pytest.raises(MissingDependency, match="Java 17 or later, none was found: `apt-get install openjdk-17"):
        with spark_cluster():
            pass


def test_a_cluster_has_at_least_one_worker():
    with pytest.raises(InvalidInput, match="workers"):
        with spark_cluster(0):
            pass
