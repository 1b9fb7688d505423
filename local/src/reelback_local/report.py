"""What `reelback` shows."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import psutil
from reelback_operator.engine.model.resource import Status
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reelback_local.lifeline import Progress
from reelback_local.page.facts import Run
from reelback_local.status import Process, StackStatus

MIB = 2**20


def progress(console: Console, step: Progress) -> None:
    """A process that is ready, as one line."""
    if step.state == "ready":
        note = f" [dim]({escape(step.note)})[/]" if step.note else ""
        console.print(f"[green]ready[/]  {step.process}{note}")


def where(console: Console, stack: StackStatus) -> None:
    """Where the stack is to be found."""
    for what, url in ("the game", stack.web), ("the back office", stack.admin):
        console.print(f"{what}: {url}/" if url else f"{what} in a browser is not there: it was not built")
    console.print(f"gateway: {stack.gateway}/docs")
    console.print(f"release board: {stack.minisentry}/" if stack.minisentry else "telemetry goes to SENTRY_DSN")
    if stack.mailbox:
        console.print(f"mailbox: {stack.mailbox}/")
    if stack.own_stores:
        console.print(f"your own, by the addresses given: {', '.join(stack.own_stores)}")


class Timeline:
    """Prints every event of a run when it happens, and shows what the checks see meanwhile."""

    def __init__(self, console: Console) -> None:
        """Use it as a context manager."""
        self._console = console
        self._shown = 0
        self._now = console.status("")

    def __enter__(self) -> Self:
        self._now.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._now.stop()

    def show(self, status: Status) -> None:
        """Show what is new in the status."""
        for event in status.timeline[self._shown :]:
            at = event.at.astimezone().strftime("%H:%M:%S")
            self._console.print(f"[dim]{at}[/]  [bold]{event.event}[/]  {escape(event.detail)}")
        self._shown = len(status.timeline)
        checks = "   ".join(f"{check.name} {check.value}" for check in status.checks if check.value)
        self._now.update(escape(f"{status.phase.value}   {checks}"))


def verdict(console: Console, run: Run, stack: StackStatus) -> None:
    """How a run ended, and where to look."""
    status = run.status
    console.print()
    console.print(f"verdict: {run.end}")
    console.print(f"expectation: {status.expectation or 'none'}")
    console.print(escape(status.message))
    took = status.durations
    if took.time_to_detect_seconds is not None:
        console.print(f"time to detect: {took.time_to_detect_seconds:.1f} s from the first failure")
    if took.mttr_seconds is not None:
        console.print(f"MTTR: {took.mttr_seconds:.1f} s")
    if stack.minisentry:
        console.print(f"release board: {stack.minisentry}/")
    if status.sentry.issue_url:
        console.print(f"issue: {status.sentry.issue_url}")
    if status.sentry.trace_url:
        console.print(f"trace: {status.sentry.trace_url}")


def runs(console: Console, played: Sequence[Run]) -> None:
    """How all runs ended, a line each."""
    table = Table("scenario", "verdict", "expectation", "time to detect", "MTTR", box=None)
    for run in played:
        took = (run.status.durations.time_to_detect_seconds, run.status.durations.mttr_seconds)
        shown = (f"{seconds:.1f} s" if seconds is not None else "" for seconds in took)
        table.add_row(run.name, run.end, run.status.expectation or "none", *shown)
    console.print()
    console.print(table)


def processes(console: Console, stack: StackStatus) -> None:
    """Every process of the stack, with its resident memory, and the sum."""
    table = Table("process", "release", "state", "pid", "port", "restarts", "resident MiB", box=None)
    supervisor = Process(
        name="supervisor", release="", state=stack.state, pid=stack.pid, port=None, restarts=0, problem=None, note=""
    )
    total = 0.0
    for process in (supervisor, *stack.processes):
        resident = _resident(process.pid)
        total += resident
        pid, port = str(process.pid or ""), str(process.port or "")
        table.add_row(process.name, process.release, process.state, pid, port, str(process.restarts), f"{resident:.0f}")
    table.add_section()
    table.add_row("total", "", "", "", "", "", f"{total:.0f}")
    for number in range(3, 7):
        table.columns[number].justify = "right"
    console.print(table)
    for process in stack.processes:
        if process.note:
            console.print(f"{process.name}: {escape(process.note)}")
        if process.problem:
            console.print(f"[red]{escape(process.problem)}[/]")


def _resident(pid: int | None) -> float:
    """MiB of memory that the process holds; what it shares with others counts in each."""
    if pid is None:
        return 0.0
    try:
        return float(psutil.Process(pid).memory_info().rss) / MIB
    except psutil.Error:
        return 0.0
