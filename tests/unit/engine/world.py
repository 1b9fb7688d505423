"""A world in memory for the controller: workloads that serve players, Sentry's API over what they served, a clock.

The platform and the API are real implementations of what the controller talks to, only not of anything else: they keep
state, answer late data late, and the whole can be killed at every await.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reelback_operator.controller import Controller
from reelback_operator.engine.resource import Scenario, Status
from reelback_operator.platforms.base import Change, PlatformError, Track, Workload
from reelback_operator.sentry import Sentry, SentryError

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
    effects: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    deploys: list[dict[str, Any]] = field(default_factory=list)
    refusal: SentryError | None = None
    platform_refusal: PlatformError | None = None
    problem: str | None = None
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
                ready = [track for track in tracks if track.ready_at <= self.now]
                if ready:
                    track = self.rng.choices(ready, [track.replicas for track in ready])[0]
                    at = self.now + seconds * self.rng.random()
                    self.served.append((at, track.change.release, self.rng.random() < track.error_rate(at)))
        self.now += seconds
        recent = [failed for at, _, failed in self.served[-1000:] if self.now - 10 <= at]
        if recent and self.now % 2 < seconds and not self.unmeasured:
            self.rates.append((self.now, 1 - sum(recent) / len(recent)))

    def time(self) -> datetime:
        return START + timedelta(seconds=round(self.now, 3))

    # The platform.
    async def observe(self, names: Sequence[str]) -> Mapping[str, Workload | None]:
        self.point()
        if self.platform_refusal:
            raise self.platform_refusal
        return {name: self._workload(name) for name in names}

    def _workload(self, name: str) -> Workload | None:
        if name not in self.stable:
            return None
        stable, candidate = self.stable[name], self.candidates.get(name)
        env = {key: value for key, value in stable.change.env.items() if value is not None}
        settled = stable.ready_at <= self.now
        track = self._track(candidate) if candidate else None
        return Workload(name, self._track(stable), track, settled, stable.change.image, env)

    def _track(self, deployed: Deployed) -> Track:
        ready = deployed.ready_at <= self.now
        return Track(
            deployed.change.release,
            deployed.replicas,
            deployed.replicas if ready else 0,
            None if ready else self.problem,
        )

    async def set_candidate(self, name: str, change: Change, replicas: int) -> None:
        self.point()
        present = self.candidates.get(name)
        if present is None or present.change != change or present.replicas != replicas:
            self.candidates[name] = Deployed(change, replicas, self.now + self.ready_after)
            self.effects.append(f"candidate {change.release}")
        self.point()

    async def remove_candidate(self, name: str) -> None:
        self.point()
        if self.candidates.pop(name, None):
            self.effects.append(f"removed {name}")
        self.point()

    async def set_stable(self, name: str, change: Change) -> None:
        self.point()
        stable = self.stable[name]
        env = {key: value for key, value in {**stable.change.env, **change.env}.items() if value is not None}
        merged = Change(change.release, change.image or stable.change.image, env)
        if merged != stable.change:
            self.stable[name] = Deployed(merged, stable.replicas, self.now + self.ready_after)
            same = merged.release == stable.change.release
            self.effects.append(f"faults {env.get('REELBACK_FAULTS')}" if same else f"stable {change.release}")
        self.point()

    async def set_load(self, rps: float) -> None:
        self.point()
        self.rps = rps
        self.point()

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
        self._world = world

    async def _call(
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
            return {"version": body["version"]}
        self._world.deploys.append({**body, "release": path.split("/")[1].replace("%40", "@")})
        return {**body}

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        if path == "issues/":
            release = parameters["query"].removeprefix("first-release:")
            failed = [at for at, served, bad in self._world.served if bad and served == release]
            issue = {"title": "Fault", "permalink": "http://sentry/issues/1", "count": str(len(failed))}
            return [{**issue, "firstSeen": self._at(min(failed))}] if failed else []
        if path == "sessions/":
            return {"groups": []}
        if path.endswith("/deploys/"):
            release = path.split("/")[1].replace("%40", "@")
            return [deploy for deploy in self._world.deploys if deploy["release"] == release]
        start, end = ((datetime.fromisoformat(parameters[name]) - START).total_seconds() for name in ("start", "end"))
        window = [each for each in self._world.served if start <= each[0] < end]
        if parameters["dataset"] == "tracemetrics":
            average, count = parameters["field"]
            # What is sent comes in batches, up to six seconds late.
            sent = [rate for at, rate in self._world.rates if start <= at < end and at <= self._world.now // 6 * 6]
            return {"data": [{average: sum(sent) / len(sent) if sent else None, count: len(sent)}]}
        if parameters["dataset"] == "spans":
            releases = parameters["query"].partition("release:[")[2].rstrip("]").split(",")
            rows = []
            for release in releases:
                outcomes = [bad for _, served, bad in window if served == release]
                if outcomes:
                    rate = sum(outcomes) / len(outcomes)
                    row = {"release": release, "count()": len(outcomes), "failure_rate()": rate}
                    rows.append({**row, "p95(span.duration)": 20.0})
            return {"data": rows}
        release = parameters["query"].removeprefix("release:")
        failed = sorted(at for at, served, bad in window if bad and served == release)
        return {"data": [{"timestamp": self._at(at), "trace": "ab" * 16} for at in failed[:1]]}

    def _at(self, seconds: float) -> str:
        return (START + timedelta(seconds=seconds)).isoformat()
