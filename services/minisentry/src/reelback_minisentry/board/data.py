"""Reads what the release board shows, at most once a second for everybody who looks at the same thing."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.board import hot_functions, metric_charts, overview
from reelback_minisentry.issues import commits, shapes
from reelback_minisentry.issues.attachments import Attachments
from reelback_minisentry.issues.feedback import FeedbackList
from reelback_minisentry.issues.issue import load
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.query.segment_figures import total
from reelback_minisentry.release_names import service_of
from reelback_minisentry.replays.archive import Archive
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell, cells
from reelback_minisentry.store.reader import Reader
from reelback_minisentry.store.scope import Place, Window
from reelback_minisentry.timestamps import seconds

if TYPE_CHECKING:
    from redis.asyncio import Redis

FRESH = 1.0
"""Seconds that an answer is good for."""

MAX_ISSUES = 25
MAX_REPLAYS = 10
MAX_FEEDBACK = 10
AROUND = 60
"""Seconds around a replay in which its errors may lie: clocks differ."""

DAY = 86_400


class _Fresh:
    """Answers that are good for FRESH: whoever asks meanwhile takes what the first one has read."""

    def __init__(self, read: Callable[..., Awaitable[dict[str, Any]]]) -> None:
        self._read = read
        self._lock = asyncio.Lock()
        self._last: dict[tuple[str, ...], tuple[float, dict[str, Any]]] = {}

    async def of(self, *asked: str) -> dict[str, Any]:
        """What `read` says of these arguments and the time, at most FRESH old."""
        async with self._lock:
            now = time.time()
            self._last = {key: last for key, last in self._last.items() if now - last[0] < FRESH}
            if asked not in self._last:
                self._last[asked] = (now, await self._read(*asked, now))
            return self._last[asked][1]


class Board:
    """The data of the pages. Every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis, names: ProjectNames, archive: Archive, stacks: Stacks) -> None:
        self._reader = Reader(redis)
        self._attachments, self._said = Attachments(redis), FeedbackList(redis, self._reader)
        self._names = names
        self._archive = archive
        self._stacks = stacks
        self._overviews = _Fresh(self._overview)
        self._metrics = _Fresh(self._charts)

    async def overview(self, service: str, environment: str) -> dict[str, Any]:
        """Everything of the front page but metrics. An empty service is the one that was deployed last."""
        return await self._overviews.of(service, environment)

    async def metrics(self, environment: str) -> dict[str, Any]:
        """The charts of metrics, whichever service sent them."""
        return await self._metrics.of(environment)

    async def _charts(self, environment: str, now: float) -> dict[str, Any]:
        end = int(now) // metric_charts.STEP * metric_charts.STEP + metric_charts.STEP
        window = Window(end - overview.WINDOW, end, keys.SECOND)
        place = Place(frozenset([environment] if environment else []), frozenset())
        steps: defaultdict[int, list[dict[bytes, bytes]]] = defaultdict(list)
        for second, hash_ in await self._reader.counters(keys.METRICS, window):
            steps[second // metric_charts.STEP * metric_charts.STEP].append(hash_)
        points = {start: cells(keys.METRICS, hashes, place) for start, hashes in steps.items()}
        return {"charts": metric_charts.charts(points, range(window.start, window.end, metric_charts.STEP), now)}

    async def _overview(self, asked: str, environment: str, now: float) -> dict[str, Any]:
        releases = dict(await self._reader.releases())
        deploys = await self._reader.deploys()
        services = overview.services(releases, deploys)
        service = asked or (services[0] if services else "")
        place = Place(frozenset([environment] if environment else []), frozenset())
        end = int(now) // overview.STEP * overview.STEP + overview.STEP
        window = Window(end - overview.WINDOW, end, keys.SECOND)
        anywhere = Place(frozenset(), frozenset())

        steps: defaultdict[int, list[dict[bytes, bytes]]] = defaultdict(list)
        for second, counters in await self._reader.counters(keys.SPANS, window):
            steps[second // overview.STEP * overview.STEP].append(counters)
        environments: set[str] = {deploy["environment"] for deploy in deploys}
        points: dict[int, list[Cell]] = {}
        for start, hashes in steps.items():
            found = cells(keys.SPANS, hashes, anywhere)
            environments |= {row["environment"] for row, _ in found}
            points[start] = [
                (row, n)
                for row, n in found
                if service_of(row["release"]) == service and place.holds(row["environment"], row["project"])
            ]
        of_window = overview.by_release(cell for found in points.values() for cell in found)
        errors = overview.by_release(await self._reader.cells(keys.ERRORS, window, place))
        sessions = overview.by_release(
            cell for _, cell in await self._reader.sessions(Window.between(now - DAY, now, now).hours(), place)
        )
        profiled = await self._reader.cells(keys.PROFILES, window, place)
        return {
            "now": now,
            "services": services,
            "service": service,
            "environments": sorted(filter(None, environments)),
            "environment": environment,
            "deploys": [
                overview.deploy(deploy)
                for deploy in deploys
                if service_of(deploy["release"]) == service and environment in ("", deploy["environment"])
            ],
            "start": window.start,
            "step": overview.STEP,
            "points": overview.points(points, range(window.start, window.end, overview.STEP)),
            "releases": [
                overview.release(
                    version,
                    fields,
                    of_window.get(version, []),
                    sessions.get(version, []),
                    total(errors.get(version, [])),
                )
                for version, fields in releases.items()
                if service_of(version) == service
            ],
            "issues": await self._issues(service, place),
            "replays": await self._replays(service, place),
            "feedback": await self._feedback(service, place),
            "functions": hot_functions.shares(cell for cell in profiled if service_of(cell[0]["release"]) == service),
            "drops": [
                {**row, "quantity": n}
                for row, n in await self._reader.cells(
                    keys.DROPS, Window.between(now - DAY, now, now).hours(), anywhere
                )
            ],
        }

    async def _issues(self, service: str, place: Place) -> list[dict[str, Any]]:
        stored = await self._reader.issues(await self._reader.issue_numbers())
        found = [load(number, fields, place.environments) for number, fields in stored]
        own = [issue for issue in found if issue.count and service in map(service_of, issue.releases)]
        return [overview.issue(issue, self._names) for issue in own[:MAX_ISSUES]]

    async def _replays(self, service: str, place: Place) -> list[dict[str, Any]]:
        return [
            replay
            for replay in await self._archive.newest(MAX_REPLAYS)
            if service in map(service_of, replay["releases"])
            and place.holds(replay["environment"] or "", replay["project_id"])
        ]

    async def _feedback(self, service: str, place: Place) -> list[dict[str, Any]]:
        return [
            overview.feedback(said)
            for said in await self._said.newest(MAX_FEEDBACK)
            if service_of(said["origin"]["release"]) == service
            and place.holds(said["origin"]["environment"], said["origin"]["project"])
        ]

    async def replay(self, replay_id: str) -> dict[str, Any] | None:
        """A replay with what failed meanwhile, and the numbers of its segments; None when there is none."""
        found = await self._archive.replay(replay_id)
        if not found:
            return None
        start, end = seconds(found["started_at"]) or 0.0, seconds(found["finished_at"]) or 0.0
        window = Window(int(start) - AROUND, int(end) + AROUND, keys.SECOND)
        rows = await self._reader.rows_of(found["error_ids"], window)
        return found | {
            "errors": [{**row, "issue": str(row["issue"])} for row in reversed(rows.values())],
            "segments": await self._archive.numbers(replay_id),
        }

    async def recording(self, replay_id: str, segment: str) -> bytes | None:
        """What was recorded in one segment, a list of rrweb's events as JSON; None when it is not here (any more)."""
        if not segment.isdigit() or int(segment) not in await self._archive.numbers(replay_id):
            return None
        [events] = await self._archive.recordings(replay_id, [int(segment)])
        return events

    async def issue(self, number: str) -> dict[str, Any] | None:
        """An issue with its latest event and the commits that it points at; None when there is none."""
        for found, fields in await self._reader.issues([number] if number.isdigit() else []):
            loaded = load(found, fields, frozenset())
            release = await self._reader.release(loaded.first_release) if loaded.first_release else None
            exceptions, problems = await self._stacks.of_kept(loaded.latest["detail"]["exceptions"])
            suspects = commits.suspects(exceptions, commits.of(release or {}))
            said = [one for one in await self._said.newest() if one["issue"] == int(number)]
            return overview.issue(loaded, self._names) | {
                "attachments": await self._attachments.of(loaded.latest["id"]),
                "feedback": [overview.feedback(one) for one in said],
                "event": shapes.event(loaded, exceptions, problems),
                "suspects": [overview.suspect(commit) for commit in suspects],
            }
        return None
