"""Owns every process of the local stack: starts them in order, changes them while they run, ends them in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from reelback_operator.engine.model.workload import Workload

from reelback_local.layout.home import Home
from reelback_local.layout.plan import LOADGEN, MAILBOX, MINISENTRY, Plan
from reelback_local.processes.child import Child, StartError
from reelback_local.processes.front import Front
from reelback_local.processes.instances import Instances
from reelback_local.status import Process

log = logging.getLogger(__name__)


class Supervisor:
    """The stack of one plan."""

    def __init__(self, plan: Plan, home: Home, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called whenever a process's state is another."""
        self._plan = plan
        self._home = home
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        self._stores = {name: Child(spec, home.log(name), changed) for name, spec in plan.stores.items()}
        self._fronts = {name: Front(plan.ports(name)[0]) for name in plan.services if plan.fronted(name)}
        self._services = {
            name: Instances(name, plan, home, changed, self._spawn, front=self._fronts.get(name))
            for name in plan.services
        }
        self._load: Child | None = None
        self._load_turn = asyncio.Lock()  # two who ask at once would start players twice
        self._players = (0.0, 0)

    async def start(self) -> None:
        """Start everything, each service once its stores are ready. StartError names the first that fails."""
        for name in self._stores:
            self._home.data(name).mkdir(exist_ok=True)
        for instances in self._services.values():
            instances.publish()
        for name, front in self._fronts.items():
            try:
                await front.open()
            except OSError as error:
                raise StartError(f"{name}: {error.strerror}") from None
        firsts = {**self._stores, **{name: instances.first for name, instances in self._services.items()}}
        starting = {child.spec.name: asyncio.create_task(_start(child, firsts)) for child in firsts.values()}
        try:
            await asyncio.gather(*starting.values())
        finally:
            for task in starting.values():
                task.cancel()
            await asyncio.gather(*starting.values(), return_exceptions=True)

    async def stop(self) -> None:
        """End everything: first what nothing calls, then what it called; the stores last."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.remove_load()
        await asyncio.gather(*(front.close() for front in self._fronts.values()))
        running = {name: instances.children for name, instances in self._services.items()}
        while running:
            called = {callee for name in running for callee in self._plan.services[name].calls}
            # What the others still have to send and to tell is waited for.
            if running.keys() - {MAILBOX, MINISENTRY}:
                called.add(MAILBOX)
            if len(running) > 1:
                called.add(MINISENTRY)
            last = [name for name in running if name not in called] or list(running)
            await asyncio.gather(*(child.stop() for name in last for child in running.pop(name)))
        await asyncio.gather(*(store.stop() for store in self._stores.values()))

    def processes(self) -> list[Process]:
        """Every process, stores first."""
        children = [*self._stores.values()]
        for instances in self._services.values():
            children += instances.children
        if self._load:
            children.append(self._load)
        return [
            Process(
                name=child.spec.name,
                release=child.spec.release,
                state=child.state,
                pid=child.pid,
                port=child.spec.port,
                restarts=child.restarts,
                problem=child.problem,
                note=child.spec.note,
            )
            for child in children
        ]

    def workloads(self, names: Sequence[str]) -> Mapping[str, Workload | None]:
        """The services of these names as the engine sees them."""
        return {name: self._services[name].workload() if name in self._services else None for name in names}

    def instances(self, service: str) -> Instances | None:
        """The processes of a service; None when there is no such service."""
        return self._services.get(service)

    async def set_load(self, rps: float, browsers: int) -> None:
        """Run the players; those that run already are left alone."""
        async with self._load_turn:
            if self._load and self._players == (rps, browsers):
                return
            await self._end_load()
            self._players = (rps, browsers)
            self._load = Child(self._plan.players(rps, browsers), self._home.log(LOADGEN), self._changed)
            self._load.start()

    async def remove_load(self) -> None:
        """End the players."""
        async with self._load_turn:
            await self._end_load()

    async def _end_load(self) -> None:
        # Until they have ended they are still here: whoever asks meanwhile must not start others beside them.
        if self._load:
            await self._load.stop()
            self._load = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a process could not be ended", exc_info=error)


async def _start(child: Child, firsts: Mapping[str, Child]) -> None:
    for name in child.spec.needs:
        await firsts[name].started()
    child.start()
    await child.started()
