"""One process that is kept running, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from reelback_local.files import last_line
from reelback_local.layout.plan import Spec
from reelback_local.processes import child
from reelback_local.processes.child import Child, StartError, State

from tests.unit.common.waiting import until

FOREVER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
FAMILY = "import subprocess, time; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); time.sleep(600)"

Make = Callable[..., Child]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes children that run a line of Python, and ends them."""
    made: list[Child] = []

    def _make(code: str, **spec: object) -> Child:
        command = (sys.executable, "-c", code)
        made.append(Child(Spec("it", command, {}, **spec), tmp_path / "it.log", lambda: None))  # type: ignore[arg-type]
        made[-1].start()
        return made[-1]

    yield _make
    for each in made:
        await each.stop()


async def _printed(log: Path) -> str:
    async def said() -> bool:
        return last_line(log) != ""

    await until(said)
    return last_line(log)


async def test_who_says_much_fills_no_disk(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LOG_BYTES", 100_000)
    monkeypatch.setattr(child, "LOG_INTERVAL", 0.02)
    it = make("import time\nfor _ in range(30_000): print('line ' * 2)\nwhile True: print('end'); time.sleep(0.05)")
    await it.started()
    log, aside = tmp_path / "it.log", tmp_path / "it.log.1"

    async def short_again() -> bool:
        return last_line(log) == "end" and aside.exists() and log.stat().st_size < 100_000

    await until(short_again, 30)
    assert b"\0" not in log.read_bytes()


async def test_a_process_that_was_killed_is_started_again(make: Make) -> None:
    it = make(FOREVER)
    await it.started()
    first = it.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    async def again() -> bool:
        return it.state is State.READY and it.pid != first

    await until(again)
    assert it.restarts == 1


async def test_one_that_keeps_ending_is_tried_again_and_says_why(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "SHORTEST_BACKOFF", 0.01)
    it = make("import sys; sys.exit('the disk is full')", probe="redis", port=1)
    with pytest.raises(StartError, match=r"^it ended with exit code 1: the disk is full$"):
        await it.started()

    async def tried_again() -> bool:
        return it.restarts >= 3

    await until(tried_again)
    assert not it.serving


async def test_one_that_does_not_become_ready_in_time_is_ended(make: Make, tmp_path: Path) -> None:
    it = make(FOREVER, probe="redis", port=1, deadline=0.5)
    with pytest.raises(StartError, match=r"^it was not ready after 0.5 s"):
        await it.started()


async def test_one_that_does_not_heed_sigterm_is_killed(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(child, "GRACE", 0.2)
    it = make(STUBBORN)
    await _printed(tmp_path / "it.log")
    pid = it.pid
    assert pid is not None
    await it.stop()
    assert it.state is State.STOPPED
    assert not psutil.pid_exists(pid)


async def test_its_own_children_end_with_it(make: Make, tmp_path: Path) -> None:
    it = make(FAMILY)
    grandchild = int(await _printed(tmp_path / "it.log"))
    await it.stop()

    async def gone() -> bool:
        return not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE

    await until(gone)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, subprocess, sys, time;"
            f"p = subprocess.Popen([sys.executable, {child.BOUND!r}, str(os.getpid()), '/bin/sleep', '600']);"
            "print(p.pid, flush=True); time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        bound = psutil.Process(int(parent.stdout.readline()))
        while bound.name() != "sleep":
            assert bound.is_running()
        parent.kill()
    with suppress(psutil.NoSuchProcess):
        bound.wait(10)
    assert not bound.is_running() or bound.status() == psutil.STATUS_ZOMBIE


async def test_the_callers_tokens_are_not_handed_on(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENTRY_AUTH_TOKEN", "of the user")
    monkeypatch.setenv("REELBACK_FAULTS", '{"payment.charge.error_rate": 1}')
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    make("import os; print([key for key in os.environ if key.startswith(('SENTRY_', 'REELBACK_', 'OTEL_'))])")
    assert await _printed(tmp_path / "it.log") == "['OTEL_SDK_DISABLED']"
