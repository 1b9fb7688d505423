"""One supervised task for every scenario that is on: read it, tick, wait, again, until the run is complete.

No finalizer holds a scenario back, so everything here reckons with it being gone at the next line: what a run created
belongs to it and is garbage-collected, and what it changed is given back when its deletion is seen.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reelback_operator import metrics
from reelback_operator.controller import Controller
from reelback_operator.engine.model.resource import Condition, Event, Phase, Scenario, SpecError, Status, Verdict
from reelback_operator.engine.phases import faults
from reelback_operator.platforms.base import PlatformError
from reelback_operator.store import Conflict, Resource, Store

logger = logging.getLogger(__name__)

# Phases in which something is awaited that may be done before the next look is due.
BRISK = frozenset({Phase.ROLLING_OUT, Phase.ROLLING_BACK})
LONGEST_PAUSE = 30.0
UNDO_ATTEMPTS = 6
CONFLICT_PAUSE = 0.1
# Lines of the timeline that are Kubernetes Events of type Warning.
ALARMING = frozenset(
    {
        "Aborted",
        "Aborting",
        "Failed",
        "NotRecovered",
        "NotRolledBack",
        "Refused",
        "RegressionDetected",
        "RolledBack",
        "RollingBack",
        "RolloutFailed",
        "WaitingForApproval",
    }
)


@dataclass
class _Run:
    """The task of one scenario, and the scenario as it was last seen. `gone` says that it has been deleted."""

    resource: Resource
    gone: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Runner:
    """Keeps a task for each scenario that has something to do."""

    def __init__(self, store: Store, controller_of: Callable[[Resource], Controller]) -> None:
        """`controller_of` makes the controller of a scenario."""
        self._store = store
        self._controller_of = controller_of
        self._runs: dict[str, _Run] = {}

    def seen(self, resource: Resource) -> None:
        """Take note of a scenario that was listed, added or changed."""
        metrics.set_phase(resource.uid, Phase(resource.status.get("phase", Phase.PENDING)))
        run = self._runs.get(resource.uid)
        if run is not None:
            if run.resource.intent != resource.intent:
                run.wake.set()
        elif not resource.finished:
            before = [other.task for other in self._runs.values() if other.task and other.resource.key == resource.key]
            run = _Run(resource)
            run.task = asyncio.create_task(self._run(run, before), name=f"scenario {resource.name}")
            self._runs[resource.uid] = run

    def deleted(self, resource: Resource) -> None:
        """Take note of a scenario that is gone; its task undoes what it changed."""
        metrics.set_phase(resource.uid, None)
        if run := self._runs.get(resource.uid):
            run.gone = True
            run.wake.set()

    async def close(self, seconds: float) -> None:
        """End every task; those that undo what a deleted scenario changed get so many seconds to do it."""
        tasks = [run.task for run in self._runs.values() if run.task]
        leaving = [run.task for run in self._runs.values() if run.task and run.gone]
        for task in tasks:
            if task not in leaving:
                task.cancel()
        if leaving:
            await asyncio.wait(leaving, timeout=seconds)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, run: _Run, before: Sequence[asyncio.Task[None]]) -> None:
        """Tick until there is nothing left to do, once the tasks of earlier scenarios of this name have ended."""
        try:
            if before:
                await asyncio.wait(before)
            await self._watch(run)
            if run.gone:
                await self._undo(run.resource)
        finally:
            self._runs.pop(run.resource.uid, None)

    async def _watch(self, run: _Run) -> None:
        """Tick until the run has ended or the scenario is gone. Errors are survived: the next look may do better."""
        namespace, name = run.resource.key
        failures = 0
        while not run.gone:
            run.wake.clear()
            began = time.monotonic()
            try:
                resource = await self._store.read(namespace, name)
                if resource is None or resource.uid != run.resource.uid:
                    run.gone = True
                    return
                run.resource = resource
                pause = 0.0 if resource.finished else await self._tick(resource)
                pause = max(pause - (time.monotonic() - began), pause / 10)  # an interval is from look to look
                failures = 0
                if resource.finished and not run.wake.is_set():
                    return
            except Conflict:
                pause = CONFLICT_PAUSE
            except Exception:
                # Whatever it was, the scenario must not be left alone in the middle of a rollout.
                logger.exception("scenario %s/%s: this look failed", namespace, name)
                metrics.failed_ticks.inc()
                failures += 1
                pause = min(2.0**failures, LONGEST_PAUSE)
            await _wait(run.wake, pause)

    async def _undo(self, resource: Resource) -> None:
        """Give back what the deleted scenario changed, if it was on."""
        try:
            scenario = Scenario.load(resource.manifest)
        except SpecError:
            return  # it never ran
        for attempt in range(1, UNDO_ATTEMPTS + 1):
            try:
                await self._controller_of(resource).abandon(scenario)
                return
            except Exception as error:
                unforeseen = not isinstance(error, PlatformError)
                logger.warning("scenario %s/%s was deleted: %s", *resource.key, error, exc_info=unforeseen)
                await asyncio.sleep(min(2.0**attempt, LONGEST_PAUSE))
        logger.error("scenario %s/%s was deleted, and what it changed could not be given back", *resource.key)

    async def _tick(self, resource: Resource) -> float:
        """One look at the scenario; the seconds until the next one."""

        async def save(status: Status) -> None:
            written = status.to_json()
            if written != resource.status:
                before = dict(resource.status)
                await self._store.save(resource, written)
                await self._tell(resource, before, status)

        try:
            scenario = Scenario.load(resource.manifest)
        except SpecError as error:
            await save(_refused(resource, str(error)))
            return LONGEST_PAUSE
        status = await self._controller_of(resource).tick(scenario, save)
        interval = min(scenario.spec.analysis.interval, faults.pause(scenario.spec, status, datetime.now(UTC)))
        claiming = status.phase == Phase.PENDING and status.times.started_at is None
        return min(interval, 1.0) if claiming or status.phase in BRISK else interval

    async def _tell(self, resource: Resource, before: Mapping[str, Any], status: Status) -> None:
        """Let Kubernetes Events and Prometheus say what the status says since the last time."""
        metrics.set_phase(resource.uid, status.phase)
        if status.complete and before.get("phase") != status.phase:
            metrics.count_run(status)
        known = {(entry["at"], entry["event"]) for entry in before.get("timeline", [])}
        for entry, written in zip(status.timeline, status.to_json()["timeline"], strict=True):
            if (written["at"], written["event"]) not in known:
                logger.info("scenario %s/%s: %s %s", resource.namespace, resource.name, entry.event, entry.detail)
                warning = entry.event in ALARMING
                await _best_effort(self._store.tell(resource, entry.at, entry.event, entry.detail, warning=warning))


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until the event is set."""
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return


async def _best_effort(event: Awaitable[None]) -> None:
    """An Event that the API server does not take must not keep a rollback waiting."""
    try:
        async with asyncio.timeout(2):
            await event
    except Exception:
        logger.warning("a Kubernetes Event could not be recorded", exc_info=True)


def _refused(resource: Resource, message: str) -> Status:
    """The status of a spec that an older or weaker definition let through: it ends before anything was done."""
    now = datetime.now(UTC)
    generation, _ = resource.intent
    return Status(
        observed_generation=generation,
        phase=Phase.FAILED,
        verdict=Verdict.ERROR,
        message=message,
        timeline=[Event(at=now, event="Refused", detail=message)],
        conditions=[
            Condition(
                type="Complete",
                status="True",
                reason=Phase.FAILED.value,
                message=message,
                last_transition_time=now,
                observed_generation=generation,
            )
        ],
    )
