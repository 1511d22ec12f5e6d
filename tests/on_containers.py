"""With MODELOG_STACK=docker: the number of tests that ran on containers, printed at the end of the run."""

from __future__ import annotations

import os

import pytest

from stack import images

SERVERS = {"stack", "servers", "env", "demo"}
"""The fixtures that start servers where MODELOG_STACK says; servers that are always native have other names."""
PROPERTY = "uses servers"
RAN = ("passed", "failed", "xfailed")


def pytest_runtest_setup(item: pytest.Function) -> None:
    """Keep with the test that it uses servers; its reports carry that to the controller."""
    if SERVERS & set(item.fixturenames):
        item.user_properties.append((PROPERTY, True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the line."""
    if os.environ.get("MODELOG_STACK") == "docker":
        reports = [report for outcome in RAN for report in terminalreporter.stats.get(outcome, ())]
        ran = sum(report.when == "call" and PROPERTY in dict(report.user_properties) for report in reports)
        terminalreporter.write_line(
            f"{ran} tests ran on containers: {', '.join((images.KAFKA, images.POSTGRES, images.S3))}"
        )
