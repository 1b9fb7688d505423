"""The processes of one service: the stable release, a candidate beside it, and those on their way out.

Callers find a service through a file of addresses. A process is in it from when it is ready until before it is ended,
so that no call is lost when processes come and go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reelback_operator.engine.model.workload import RELEASE_VARIABLE, Change, Template, Track, Workload

from reelback_local.files import write
from reelback_local.layout import ports
from reelback_local.layout.home import Home
from reelback_local.layout.plan import HOST, Plan
from reelback_local.processes.child import Child, State
from reelback_local.processes.front import Front
from reelback_local.processes.images import Images, NoImage

NOTICE = 1.5
"""Seconds until callers have noticed a changed file of addresses and left a process that is no longer in it."""


class Refused(Exception):
    """A change that cannot be made here. The message is one line."""


@dataclass(frozen=True, slots=True)
class _Release:
    """What processes of one track share."""

    release: str
    image: str
    env: Mapping[str, str]
    children: list[Child] = field(compare=False)
    owner: str = field(default="", compare=False)

    def track(self) -> Track:
        ready = sum(child.state is State.READY for child in self.children)
        # One that crashed has a problem though it is up again.
        problem = next((child.problem or child.crash for child in self.children if child.problem or child.crash), None)
        return Track(self.release, len(self.children), ready, problem, self._template, self.owner)

    def changed(self, change: Change) -> tuple[str, str, dict[str, str]]:
        """Release, image and variables with a change applied."""
        template = self._template.changed(change)
        env = dict(template.env)
        return env.pop(RELEASE_VARIABLE, self.release), template.image or self.image, env

    @property
    def what(self) -> tuple[str, str, Mapping[str, str]]:
        """Release, image and variables."""
        return self.release, self.image, self.env

    @property
    def _template(self) -> Template:
        return Template(self.image, {**self.env, RELEASE_VARIABLE: self.release})


class Instances:
    """All processes of one service. `first` is the one that the stack starts with."""

    def __init__(
        self,
        service: str,
        plan: Plan,
        home: Home,
        changed: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        front: Front | None = None,
    ) -> None:
        """`changed` is called whenever a process's state is another; `spawn` runs what takes its time.

        `front` has the service's port, where it has one; its processes then have others.
        """
        self._service = service
        self._plan = plan
        self._home = home
        self._notify = changed
        self._spawn = spawn
        self._front = front
        self._images = Images(home, service, plan.version)
        self._making = asyncio.Lock()  # two who ask at once would write the same copy
        env = dict(plan.services[service].env)
        release = f"{service}@{plan.version}"
        port, metrics_port = plan.ports(service)
        own = ports.free()[0] if front else port
        spec = plan.instance(service, service, release, env, (own, metrics_port))
        self.first = Child(spec, home.log(service), self._changed)
        self._stable = _Release(release, self._images.own, env, [self.first])
        self._replaced: list[Child] = []  # serve until the stable ones are ready
        self._candidate: _Release | None = None
        self._leaving: list[Child] = []
        self._past: dict[str, Template] = {}  # of the stable release, by digest

    @property
    def children(self) -> list[Child]:
        """Every process, however it is."""
        candidates = self._candidate.children if self._candidate else []
        return [*self._stable.children, *self._replaced, *candidates, *self._leaving]

    def workload(self) -> Workload:
        """The service as the engine sees it."""
        leaving = [child.spec.release for child in self._leaving if child.spec.name != self._service]
        gone = Track(leaving[0], desired=0, ready=0) if leaving else None
        return Workload(
            name=self._service,
            stable=self._stable.track(),
            candidate=self._candidate.track() if self._candidate else gone,
            settled=not any(child.spec.name == self._service for child in (*self._replaced, *self._leaving)),
        )

    async def set_candidate(self, change: Change, replicas: int, owner: str) -> None:
        """Run so many processes with the change, on top of what the stable ones have, for the scenario `owner`."""
        await self._check(change)
        wanted = self._stable.changed(change)
        candidate = self._candidate
        if candidate and (*candidate.what, len(candidate.children)) == (*wanted, replicas):
            return
        self.remove_candidate()
        self._candidate = self._run(f"{self._service}-candidate", *wanted, replicas, owner=owner)

    def remove_candidate(self) -> None:
        """Take the candidate's processes out of the file, then end them."""
        if self._candidate:
            leaving, self._candidate = self._candidate.children, None
            self._retire(leaving)

    async def set_stable(self, change: Change) -> None:
        """Replace the stable processes: the old ones serve until the new ones are ready."""
        await self._check(change)
        wanted = self._stable.changed(change)
        if self._stable.what == wanted:
            return
        template = self._stable.track().template
        self._past[template.digest] = template
        serving = [child for child in self._stable.children if child.serving]
        unborn = [child for child in self._stable.children if not child.serving]
        self._replaced += serving
        self._stable = self._run(self._service, *wanted, len(self._stable.children))
        self._retire(unborn)

    async def put_back(self, before: str, variables: Sequence[str], *, image: bool) -> None:
        """Give the stable processes these variables, and the image if asked for, as they were in the template with the
        digest `before`."""
        if before not in self._past:
            raise Refused(f"{self._service}: it has had no such template")
        await self.set_stable(self._past[before].part(variables, image=image))

    def publish(self) -> None:
        """Write down where the service is to be found; before any process is ready, where the first one will be."""
        serving = [child for child in self.children if child.serving and child not in self._leaving]
        if self._front:
            self._front.lead_to([child.spec.port or 0 for child in serving])
        lines = "".join(f"{HOST}:{child.spec.port}\n" for child in serving or [self.first])
        file = self._home.endpoints(self._service)
        if not file.exists() or file.read_text() != lines:
            write(file, lines)

    async def _check(self, change: Change) -> None:
        """Refuse what cannot be run here; afterwards the change's image is there."""
        if self._plan.services[self._service].protocol != "grpc" and not self._front:
            raise Refused(f"{self._service}: nothing here shares its HTTP requests out, so it is not rolled out")
        if change.image:
            try:
                async with self._making:
                    await asyncio.to_thread(self._images.sources, change.image)
            except NoImage as error:
                raise Refused(f"{self._service}: {error}") from None

    def _run(
        self, name: str, release: str, image: str, env: Mapping[str, str], replicas: int, *, owner: str = ""
    ) -> _Release:
        children = []
        sources = self._images.sources(image)
        for number in range(1, replicas + 1):
            each = name if number == 1 else f"{name}-{number}"
            spec = self._plan.instance(self._service, each, release, env, ports.free(), sources=sources)
            children.append(Child(spec, self._home.log(each), self._changed))
        for child in children:
            child.start()
        return _Release(release, image, env, children, owner)

    def _changed(self) -> None:
        if self._replaced and all(child.state is State.READY for child in self._stable.children):
            replaced, self._replaced = self._replaced, []
            self._retire(replaced)
        self.publish()
        self._notify()

    def _retire(self, children: Iterable[Child]) -> None:
        leaving = list(children)
        self._leaving += leaving
        self.publish()
        for child in leaving:
            self._spawn(self._end(child))

    async def _end(self, child: Child) -> None:
        if child.serving:
            await asyncio.sleep(NOTICE)
        await child.stop()
        self._leaving.remove(child)
