"""A world in memory for the controller: workloads that serve players, Sentry's API over what they served, a clock.

The platform and the API are real implementations of what the controller talks to, only not of anything else: they keep
state, answer late data late, and the whole can be killed at every await.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reelback_operator.controller import Controller
from reelback_operator.engine.model.resource import Scenario, Status
from reelback_operator.platforms.base import Change, PlatformError, Target, Template, Track, Workload
from reelback_operator.sentry import Sentry, SentryError
from reelback_operator.sentry.api import Api as Requests
from reelback_operator.sentry.counts import Counter

START = datetime(2025, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """The controller's process is gone."""


@dataclass
class Deployed:
    """A release of a workload: when its instances are ready, and which share of its requests fails."""

    change: Change
    replicas: int
    ready_at: float
    incident_at: float = float("inf")
    stops_at: float = float("inf")
    problem_at: float = float("inf")
    owner: str = ""
    rest: str = ""

    @property
    def template(self) -> Template:
        env = {key: value for key, value in self.change.env.items() if value is not None}
        return Template(self.change.image, {**env, "SENTRY_RELEASE": self.change.release or ""}, rest=self.rest)

    @property
    def release(self) -> str:
        return self.change.release or ""

    def with_(self, change: Change, ready_at: float, **more: Any) -> Deployed:
        """The same with a change, as a platform would make it of this one."""
        env = {**self.change.env, **change.env}
        release = change.release or env.pop("SENTRY_RELEASE", None) or self.release
        plain = {key: value for key, value in env.items() if value is not None and key != "SENTRY_RELEASE"}
        merged = Change(release, change.image or self.change.image, plain)
        return Deployed(merged, self.replicas, ready_at, rest=self.rest, **more)

    def error_rate(self, now: float) -> float:
        if now >= self.incident_at:
            return 0.25
        faults = json.loads(self.change.env.get("REELBACK_FAULTS") or "{}")
        return float(faults.get("payment.charge.error_rate", 0))


@dataclass
class World:
    """Everything outside the controller. Times in seconds since START."""

    rng: random.Random = field(default_factory=lambda: random.Random(1))
    now: float = 0.0
    stable: dict[str, Deployed] = field(default_factory=dict)
    candidates: dict[str, Deployed] = field(default_factory=dict)
    rps: float = 0.0
    ready_after: float = 1.0
    served: list[tuple[float, str, bool]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)
    unmeasured: bool = False
    claims: set[str] = field(default_factory=set)
    past: dict[str, Template] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    commits: dict[str, Any] = field(default_factory=dict)
    deploys: list[dict[str, Any]] = field(default_factory=list)
    refusal: SentryError | None = None
    platform_refusal: PlatformError | None = None
    problem: str | None = None
    writer: str = ""
    patience: float = 120.0
    obstacle: str = ""
    holder: str = ""
    late: dict[str, float] = field(default_factory=dict)
    behind: dict[str, float] = field(default_factory=dict)
    distort: Callable[[World, list[dict[str, Any]]], list[dict[str, Any]]] = lambda _, rows: rows
    awaits: int = 0
    kill: Callable[[int], bool] = lambda _: False
    events: dict[float, Callable[[World], None]] = field(default_factory=dict)
    scenario: Scenario | None = None

    def point(self) -> None:
        """A place where the process may end."""
        self.awaits += 1
        if self.kill(self.awaits):
            raise Killed

    def advance(self, seconds: float) -> None:
        """Let players play, and happen what is planned for this time."""
        for time in [time for time in self.events if time <= self.now]:
            self.events.pop(time)(self)
        for name, stable in self.stable.items():
            tracks = [stable, *([self.candidates[name]] if name in self.candidates else [])]
            for _ in range(round(self.rps * seconds)):
                ready = [track for track in tracks if track.ready_at <= self.now < track.stops_at]
                if ready:
                    track = self.rng.choices(ready, [track.replicas for track in ready])[0]
                    at = self.now + seconds * self.rng.random()
                    self.served.append((at, track.release, self.rng.random() < track.error_rate(at)))
        self.now += seconds
        recent = [failed for at, _, failed in self.served[-1000:] if self.now - 10 <= at]
        if recent and self.now % 2 < seconds and not self.unmeasured:
            self.rates.append((self.now, 1 - sum(recent) / len(recent)))

    def time(self) -> datetime:
        return START + timedelta(seconds=round(self.now, 3))

    # The platform.
    async def observe(self, targets: Sequence[Target]) -> Mapping[str, Workload | None]:
        self.point()
        if self.platform_refusal:
            raise self.platform_refusal
        return {target.name: self._workload(target.name) for target in targets}

    def _workload(self, name: str) -> Workload | None:
        if name not in self.stable:
            return None
        stable, candidate = self.stable[name], self.candidates.get(name)
        track = self._track(candidate) if candidate else None
        settled = stable.ready_at <= self.now
        return Workload(name, self._track(stable), track, settled, self.obstacle, self.patience, self.writer)

    def _track(self, deployed: Deployed) -> Track:
        ready = deployed.ready_at <= self.now
        problem = self.problem if not ready or deployed.problem_at <= self.now else None
        replicas = deployed.replicas
        return Track(deployed.release, replicas, replicas if ready else 0, problem, deployed.template, deployed.owner)

    async def claim(self, target: Target) -> None:
        self.point()
        if self.holder:
            raise PlatformError(f"{target.name} takes part in a run of scenario {self.holder}")
        self.claims.add(target.name)
        self.point()

    async def release(self, target: Target) -> None:
        self.point()
        self.claims.discard(target.name)
        self.point()

    async def set_candidate(self, target: Target, change: Change, replicas: int) -> None:
        self.point()
        assert target.name in self.claims, "nothing is changed that is not claimed"
        wanted = self.stable[target.name].with_(change, self.now + self.ready_after, owner="regression")
        wanted.replicas = replicas
        present = self.candidates.get(target.name)
        if present is None or present.template != wanted.template or present.replicas != replicas:
            self.candidates[target.name] = wanted
            self.effects.append(f"candidate {change.release}")
        self.point()

    async def remove_candidate(self, target: Target) -> None:
        self.point()
        if self.candidates.pop(target.name, None):
            self.effects.append(f"removed {target.name}")
        self.point()

    async def set_stable(self, target: Target, change: Change) -> None:
        self.point()
        stable = self.stable[target.name]
        wanted = stable.with_(change, self.now + self.ready_after)
        if wanted.template != stable.template:
            self.past[stable.template.digest] = stable.template
            self.stable[target.name] = wanted
            same = wanted.release == stable.release
            env = wanted.change.env
            self.effects.append(f"faults {env.get('REELBACK_FAULTS')}" if same else f"stable {wanted.release}")
        self.point()

    async def put_back(self, target: Target, before: str, variables: Sequence[str], *, image: bool) -> None:
        await self.set_stable(target, self.past[before].part(variables, image=image))

    async def set_load(self, rps: float, browsers: int = 0) -> int:
        self.point()
        self.rps = rps
        self.point()
        return browsers

    async def remove_load(self) -> None:
        self.point()
        self.rps = 0.0
        self.point()

    # The controller's life.
    async def save(self, status: Status) -> None:
        assert self.scenario is not None
        self.point()
        written = json.loads(json.dumps(status.to_json()))
        self.scenario = self.scenario.model_copy(update={"status": Status.model_validate(written)})
        self.point()

    async def play(self, scenario: Scenario, limit: float = 600.0, pause: float = 1.0) -> Status:
        """Tick until the run is complete, with a new controller whenever the last was killed."""
        self.scenario = scenario
        api = Api(self)
        controller = Controller(self, api, "http://board")
        while self.now < limit:
            try:
                status = await controller.tick(self.scenario, self.save)
                if status.complete:
                    return status
            except Killed:
                controller = Controller(self, api, "http://board")
            self.advance(pause)
        return self.scenario.status


_SENTRY = Sentry("http://sentry", "org", "project", "token", "demo")


class Api(Sentry):
    """Sentry's API over what the world served, at the level of requests and answers."""

    def __init__(self, world: World) -> None:
        # Copied, for a TLS context for each of hundreds of worlds would take most of the time.
        self.__dict__.update(_SENTRY.__dict__)
        self._api = _Requests(world)
        self._counter = Counter(self._api, "demo")


class _Requests(Requests):
    def __init__(self, world: World) -> None:
        self._world = world

    async def call(
        self, method: str, path: str, parameters: Mapping[str, Any] | None = None, json: Mapping[str, Any] | None = None
    ) -> Any:
        self._world.point()
        if self._world.refusal:
            raise self._world.refusal
        answer = self._post(path, json or {}) if method == "POST" else self._get(path, parameters or {})
        self._world.point()
        return answer

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if path == "releases/":
            self._world.releases = sorted({*self._world.releases, body["version"]})
            self._world.commits |= {body["version"]: body["commits"]} if "commits" in body else {}
            return {"version": body["version"]}
        self._world.deploys.append({**body, "release": path.split("/")[1].replace("%40", "@")})
        return {**body}

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        if path == "issues/":
            [release] = _named(parameters["query"])
            bad = any(failed for _, failed in self._known(release, -1e9, 1e9))
            return [{"id": "1", "title": "Fault", "permalink": "http://sentry/issues/1"}] if bad else []
        if path == "sessions/":
            return {"groups": []}
        if path.endswith("/deploys/"):
            release = path.split("/")[1].replace("%40", "@")
            return [deploy for deploy in self._world.deploys if deploy["release"] == release]
        return self._events(parameters)

    def _events(self, parameters: Mapping[str, Any]) -> Any:
        start, end = ((datetime.fromisoformat(parameters[name]) - START).total_seconds() for name in ("start", "end"))
        if parameters["dataset"] == "tracemetrics":
            average, count = parameters["field"]
            # What is sent comes in batches, up to six seconds late.
            now = self._world.now // 6 * 6
            sent = [rate for at, rate in self._world.rates if start <= at < end and at <= now]
            return {"data": [{average: sum(sent) / len(sent) if sent else None, count: len(sent)}]}
        known = {release: self._known(release, start, end) for release in _named(parameters["query"])}
        if parameters["dataset"] == "spans":
            rows = [
                {
                    "release": release,
                    "count()": len(served),
                    "count_sample()": len(served),
                    "failure_count()": sum(bad for _, bad in served),
                    "p95(span.duration)": 20.0,
                }
                for release, served in known.items()
                if served
            ]
            return {"data": self._world.distort(self._world, rows)}
        failures = sorted((at, release) for release, served in known.items() for at, bad in served if bad)
        if "count()" in parameters["field"]:
            counted = {release: sum(each == release for _, each in failures) for release in known}
            return {"data": [{"release": name, "issue.id": 1, "count()": n} for name, n in counted.items() if n]}
        return {"data": [{"timestamp": self._at(at), "trace": "ab" * 16} for at, _ in failures[:1]]}

    def _known(self, release: str, start: float, end: float) -> list[tuple[float, bool]]:
        """What Sentry knows of a release now: requests dated by a pod's clock, once they have come."""
        world = self._world
        late, behind = world.late.get(release, 0.0), world.behind.get(release, 0.0)
        return [
            (at - behind, bad)
            for at, served, bad in world.served
            if served == release and at + late * _dice(at) <= world.now and start <= at - behind < end
        ]

    def _at(self, seconds: float) -> str:
        return (START + timedelta(seconds=seconds)).isoformat()


def _dice(at: float) -> float:
    """Between 0.1 and 1, the same for the same request."""
    return 0.1 + 0.9 * (at * 7919 % 1)


def _named(query: str) -> list[str]:
    return re.findall(r'"([^"]+)"', query)
