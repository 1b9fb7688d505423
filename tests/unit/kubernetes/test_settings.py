"""The operator's process refuses bad variables by name, before it does anything."""

from __future__ import annotations

import subprocess
import sys

GOOD = {
    "SENTRY_URL": "http://127.0.0.1:1",
    "SENTRY_ORG": "reelback",
    "SENTRY_PROJECT": "reelback",
    "SENTRY_AUTH_TOKEN": "secret-token",
    "SENTRY_ENVIRONMENT": "demo",
}


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reelback_operator"],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_is_missing_is_named() -> None:
    done = start()
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == list(GOOD)


def test_what_is_wrong_is_named_and_secrets_are_not_shown() -> None:
    done = start(**GOOD, METRICS_PORT="99999", LOG_LEVEL="loud")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["METRICS_PORT", "LOG_LEVEL"]
    assert "secret-token" not in done.stderr


def test_a_missing_cluster_is_one_line() -> None:
    done = start(**GOOD, KUBECONFIG="/nowhere/config")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no cluster: ")
    assert len(done.stderr.splitlines()) == 1
