"""What a report tells: the run itself, what its checks saw over time, and what Sentry has of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from reelback_operator.engine.model.resource import Status
from reelback_operator.sentry import Sentry, SentryError
from reelback_operator.sentry.api import quoted

# Before the run, so that one sees what was normal.
BEFORE = timedelta(seconds=20)
STEP = 2

Points = list[tuple[float, float]]
"""Seconds since 1970, and a figure."""


@dataclass
class Evidence:
    """How certain the checks were at each look, as powers of ten, by their names."""

    points: dict[str, Points] = field(default_factory=dict)

    def add(self, status: Status) -> None:
        """Take in what the checks say now."""
        at = (status.looked_at or datetime.now(UTC)).timestamp()
        for check in status.checks:
            if check.evidence is not None and check.evidence > 0:
                known = self.points.setdefault(check.name, [])
                if not known or known[-1][0] < at:
                    known.append((at, math.log10(check.evidence)))


@dataclass(frozen=True)
class Run:
    """A run that is over. `rates` has the share of failed requests by release, in percent; `event` and `trace` are
    Sentry's own JSON, None where it has none."""

    manifest: Mapping[str, Any]
    status: Status
    evidence: Evidence
    rates: Mapping[str, Points]
    event: Mapping[str, Any] | None
    trace: list[dict[str, Any]] | None

    @property
    def name(self) -> str:
        """The scenario's."""
        return str(self.manifest["metadata"]["name"])

    @property
    def end(self) -> str:
        """The verdict, or where there is none the phase."""
        return self.status.verdict.value if self.status.verdict else self.status.phase.value

    @property
    def met(self) -> bool:
        """Whether it ended as the scenario expects; one that expects nothing has to succeed."""
        if self.manifest["spec"].get("expect"):
            return self.status.expectation == "Met"
        return self.status.phase.value == "Succeeded"

    @property
    def threshold(self) -> float:
        """The evidence at which a check fails, as a power of ten."""
        alphas = [float(check.get("alpha") or 0.001) for check in self.manifest["spec"]["analysis"].get("checks", ())]
        return -math.log10(min(alphas, default=0.001))


async def gather(manifest: Mapping[str, Any], status: Status, evidence: Evidence, sentry: Sentry) -> Run:
    """What there is to tell of a run; what Sentry does not say is left out."""
    rates: dict[str, Points] = {}
    event = trace = None
    for release in _releases(status):
        with suppress(SentryError):
            rates[release] = await _rate(release, status, sentry)
    if number := _last_part(status.sentry.issue_url):
        with suppress(SentryError):
            event = await sentry.get(f"issues/{number}/events/latest/")
    if number := _last_part(status.sentry.trace_url):
        with suppress(SentryError):
            trace = await sentry.get(f"trace/{number}/")
    return Run(manifest, status, evidence, {name: points for name, points in rates.items() if points}, event, trace)


def _releases(status: Status) -> Iterable[str]:
    for target in status.targets:
        yield target.old_release
        if target.new_release:
            yield target.new_release
    yield from (fault.release for fault in status.faults)


async def _rate(release: str, status: Status, sentry: Sentry) -> Points:
    begun = (status.times.applied_at or datetime.now(UTC)) - BEFORE
    series = await sentry.get(
        "events-timeseries/",
        dataset="spans",
        query=f"is_transaction:true release:{quoted(release)}",
        yAxis="failure_rate()",
        interval=f"{STEP}s",
        start=begun.isoformat(),
        end=datetime.now(UTC).isoformat(),
    )
    values = [point for each in series["timeSeries"] for point in each["values"]]
    return [(point["timestamp"] / 1000, 100 * point["value"]) for point in values if point["value"] is not None]


def _last_part(url: str | None) -> str:
    return url.rstrip("/").rpartition("/")[2] if url else ""
