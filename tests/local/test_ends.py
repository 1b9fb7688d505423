"""How the stack ends, and how it does not: nothing is left behind, nothing acknowledged is lost."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest
from reelback_local.layout import values

from tests.local.stack import Player, Stack, read_until, until


@pytest.fixture
def other(tmp_path: Path) -> Stack:
    """Another stack, which does not run yet."""
    return Stack.on_free_ports(tmp_path / "stack")


def test_a_second_up_says_that_the_stack_runs(stack: Stack) -> None:
    before = stack.processes()
    again = stack.run("up")
    assert again.returncode == 0
    assert "running already" in again.stdout
    assert stack.processes() == before


def test_status_shows_every_process_within_one_and_a_half_gibibytes(stack: Stack) -> None:
    shown = stack.run("status")
    assert shown.returncode == 0, shown.stdout
    lines = {line.split()[0]: line.split() for line in shown.stdout.splitlines() if line.strip()}
    assert {"supervisor", "redis", "mongodb", "kafka", *values.load().services} <= lines.keys()
    assert 400 < int(lines["total"][-1]) <= 1536


@pytest.mark.parametrize("store", ["kafka", "mongodb", "redis"])
def test_a_store_that_is_killed_comes_back_with_its_data(stack: Stack, player: Player, store: str) -> None:
    before = stack.processes()[store]
    player.deposit(111)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)

    def back() -> bool:
        now = stack.processes()[store]
        return now.state == "ready" and now.pid != before.pid and now.port == before.port

    until(back, f"{store} is back")
    until(lambda: player.spin()[0] == 201, "the stack plays again")
    assert player.balance() >= 10_111 - 5


def test_a_port_in_use_is_named(other: Stack) -> None:
    port = 9083 + other.offset
    with socket.create_server(("127.0.0.1", port)):
        up = other.run("up")
    assert up.returncode == 1
    assert up.stdout.strip().count("\n") == 0, up.stdout
    assert f"port {port} of payment (metrics)" in up.stdout
    assert "REELBACK_PORT_OFFSET" in up.stdout
    assert other.left() == []


def test_a_server_that_does_not_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    mongod = tmp_path / "bin" / "mongod"
    mongod.parent.mkdir()
    mongod.write_text("#!/bin/sh\necho starting\necho the disk is full >&2\nexit 3\n")
    mongod.chmod(0o755)
    other = Stack.on_free_ports(tmp_path / "stack", PATH=f"{mongod.parent}:{os.environ['PATH']}")
    up = other.run("up")
    assert up.returncode == 1
    assert "mongodb ended with exit code 3: the disk is full\n" in up.stdout
    assert other.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_the_command_is_ended(other: Stack, number: signal.Signals) -> None:
    demo = other.begin("demo", "scenarios/scenario-release-regression.yaml")
    read_until(demo, "ready  mongodb")
    os.killpg(demo.pid, number)
    demo.communicate(timeout=60)
    assert demo.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL)
    until(lambda: other.left() == [], "every process has ended")


def test_nothing_is_left_when_the_supervisor_is_killed(other: Stack) -> None:
    up = other.begin("up")
    read_until(up, "ready  redis")
    os.kill(int(other.home.lock.read_text()), signal.SIGKILL)
    output, _ = up.communicate(timeout=60)
    assert up.returncode == 1, output
    until(lambda: other.left() == [], "every process has ended")


def test_a_scenario_needs_a_stack(other: Stack) -> None:
    run = other.run("run", "scenarios/scenario-release-regression.yaml")
    assert run.returncode == 1
    assert "reelback up" in run.stdout


def test_a_bad_scenario_is_refused_before_anything_starts(other: Stack, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    text = Path("scenarios/scenario-release-regression.yaml").read_text()
    text = re.sub("interval: .*", "interval: -1s", text)
    bad.write_text(text.replace("  load:", "  laod:"))
    demo = other.run("demo", str(bad))
    assert demo.returncode == 2
    assert "spec.analysis.interval" in demo.stdout
    assert "spec.laod: is not a known field" in demo.stdout
    assert other.left() == []
