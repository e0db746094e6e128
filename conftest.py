"""Shared by the tests of the package, of the site and of the notebooks."""
import os

SKIPPED = []


def pytest_runtest_logreport(report):
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session):
    """With RECSYS_FORBID_SKIPS=1 (as in CI) a run that skipped something has failed."""
    if SKIPPED and os.environ.get("RECSYS_FORBID_SKIPS") == "1" and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    """Name the skipped tests where skips are forbidden."""
    if SKIPPED and os.environ.get("RECSYS_FORBID_SKIPS") == "1":
        terminalreporter.section("skipped, which RECSYS_FORBID_SKIPS=1 forbids", red=True)
        for node in SKIPPED:
            terminalreporter.line(node)
