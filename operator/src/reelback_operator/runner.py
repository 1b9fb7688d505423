"""One supervised task for every scenario that is on: read it, tick, wait, again, until the run is complete.

No finalizer holds a scenario back, so everything here reckons with it being gone at the next line: what a run created
belongs to it and is garbage-collected, and what it changed is given back when its deletion is seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from reelback_operator import metrics
from reelback_operator.controller import Controller
from reelback_operator.engine.resource import Condition, Event, Phase, Scenario, SpecError, Status, Verdict
from reelback_operator.platforms.base import PlatformError
from reelback_operator.store import Conflict, Gone, Resource, Store

logger = logging.getLogger(__name__)

# Phases in which something is awaited that may be done before the next look is due.
BRISK = frozenset({Phase.ROLLING_OUT, Phase.ROLLING_BACK})
LONGEST_PAUSE = 30.0
ABANDON_ATTEMPTS = 6
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
        "WaitingForApproval",
    }
)


@dataclass
class _Run:
    """The task of one scenario, and what the user last said in it."""

    key: tuple[str, str]
    intent: tuple[int, Mapping[str, str]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Runner:
    """Keeps a task for each scenario that has something to do."""

    def __init__(self, store: Store, controller_of: Callable[[Resource], Controller]) -> None:
        """`controller_of` makes the controller of a scenario."""
        self._store = store
        self._controller_of = controller_of
        self._runs: dict[str, _Run] = {}
        self._abandoned: dict[tuple[str, str], asyncio.Task[None]] = {}

    def seen(self, resource: Resource) -> None:
        """Take note of a scenario that was listed, added or changed."""
        metrics.set_phase(resource.uid, Phase(resource.status.get("phase", Phase.PENDING)))
        run = self._runs.get(resource.uid)
        if run is not None:
            if run.intent != resource.intent:
                run.intent = resource.intent
                run.wake.set()
        elif not resource.finished:
            run = _Run((resource.namespace, resource.name), resource.intent)
            run.task = asyncio.create_task(self._run(resource.uid, run), name=f"scenario {resource.name}")
            self._runs[resource.uid] = run

    def deleted(self, resource: Resource) -> None:
        """Take note of a scenario that is gone: end its task, and undo what it changed if it was on."""
        metrics.set_phase(resource.uid, None)
        run = self._runs.pop(resource.uid, None)
        key = (resource.namespace, resource.name)
        if not resource.finished:
            task = run.task if run else None
            self._abandoned[key] = asyncio.create_task(self._abandon(resource, task), name=f"abandon {resource.name}")
        elif run is not None and run.task is not None:
            run.task.cancel()

    async def close(self, seconds: float) -> None:
        """End every task; what deleted scenarios left is given back first, if that takes no longer than `seconds`."""
        running = [run.task for run in self._runs.values() if run.task]
        for task in running:
            task.cancel()
        leaving = [*self._abandoned.values()]
        if leaving:
            await asyncio.wait(leaving, timeout=seconds)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*running, *leaving, return_exceptions=True)

    async def _run(self, uid: str, run: _Run) -> None:
        """Tick until there is nothing left to do. Errors are logged and survived: the next look may do better."""
        namespace, name = run.key
        previous = self._abandoned.get(run.key)
        if previous is not None:
            await asyncio.wait([previous])
        failures = 0
        try:
            while True:
                run.wake.clear()
                try:
                    resource = await self._store.read(namespace, name)
                    if resource is None or resource.uid != uid:
                        return
                    pause = 0.0 if resource.finished else await self._tick(resource)
                    failures = 0
                    if resource.finished and not run.wake.is_set():
                        return
                except Conflict:
                    pause = CONFLICT_PAUSE
                except Gone:
                    return
                except Exception:
                    # Whatever it was, the scenario must not be left alone in the middle of a rollout.
                    logger.exception("scenario %s/%s: this look failed", namespace, name)
                    metrics.failed_ticks.inc()
                    failures += 1
                    pause = min(2.0**failures, LONGEST_PAUSE)
                await _wait(run.wake, pause)
        finally:
            if self._runs.get(uid) is run:
                del self._runs[uid]

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
        interval = scenario.spec.analysis.interval
        return min(interval, 1.0) if status.phase in BRISK else interval

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

    async def _abandon(self, resource: Resource, task: asyncio.Task[None] | None) -> None:
        """Undo what the deleted scenario changed, after its task has ended."""
        key = (resource.namespace, resource.name)
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            scenario = Scenario.load(resource.manifest)
            for attempt in range(1, ABANDON_ATTEMPTS + 1):
                try:
                    await self._controller_of(resource).abandon(scenario)
                    return
                except PlatformError as error:
                    logger.warning("scenario %s/%s was deleted: %s (attempt %d)", *key, error, attempt)
                    await asyncio.sleep(min(2.0**attempt, LONGEST_PAUSE))
            logger.error("scenario %s/%s was deleted and could not be undone", *key)
        except SpecError:
            return  # it never ran
        except Exception:
            logger.exception("scenario %s/%s was deleted and could not be undone", *key)
        finally:
            if self._abandoned.get(key) is asyncio.current_task():
                del self._abandoned[key]


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
