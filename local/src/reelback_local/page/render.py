"""Runs as one page of HTML with all that it shows in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from reelback_operator.engine.model.resource import Status

from reelback_local.page import charts
from reelback_local.page.facts import Run

MAX_FRAMES = 8

_pages = Environment(
    loader=PackageLoader("reelback_local.page", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(runs: Sequence[Run]) -> str:
    """The page."""
    return _pages.get_template("report.html").render(
        runs=[_shown(run) for run in runs],
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )


def _shown(run: Run) -> Mapping[str, Any]:
    status, times = run.status, run.status.times
    began = times.applied_at or datetime.now(UTC)
    marks = {
        "serving": times.serving_at,
        "detected": times.detected_at,
        "rolled back": times.rolled_back_at,
        "recovered": times.recovered_at,
    }
    return {
        "name": run.name,
        "verdict": run.end,
        "expectation": status.expectation or "none",
        "good": run.met,
        "message": status.message,
        "figures": _figures(status),
        "timeline": [
            (f"{(event.at - began).total_seconds():.1f} s", event.event, event.detail) for event in status.timeline
        ],
        "checks": [(check.name, check.outcome, check.detail) for check in status.checks],
        "found": [(found.name, found.outcome, found.detail) for found in status.evidence],
        "charts": [
            (title, chart)
            for title, chart in (
                ("Failed requests, in percent", charts.chart(run.rates, " %", marks)),
                (
                    "Evidence against the release, in powers of ten; at the dashed line it is enough",
                    charts.chart(run.evidence.points, "", marks, run.threshold),
                ),
            )
            if chart
        ],
        "event": _event(run.event) if run.event else None,
        "bars": charts.bars(run.trace or []),
    }


def _figures(status: Status) -> list[tuple[str, str]]:
    took = status.durations
    named = (
        ("time to detect", took.time_to_detect_seconds),
        ("rollback", took.rollback_seconds),
        ("MTTR", took.mttr_seconds),
    )
    return [(name, f"{seconds:.1f} s") for name, seconds in named if seconds is not None]


def _event(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The title, the innermost frames of the last exception, the tags and what happened before."""
    entries = {entry.get("type"): entry.get("data") or {} for entry in event.get("entries") or []}
    exceptions = (entries.get("exception") or {}).get("values") or []
    frames = ((exceptions[-1].get("stacktrace") or {}).get("frames") or []) if exceptions else []
    crumbs = (entries.get("breadcrumbs") or {}).get("values") or []
    return {
        "title": event.get("title") or "",
        "frames": [
            {
                "where": f"{frame.get('filename')}:{frame.get('lineNo') or '?'}",
                "function": frame.get("function") or "",
                "line": dict(frame.get("context") or []).get(frame.get("lineNo"), "").strip(),
                "own": bool(frame.get("inApp")),
            }
            for frame in reversed(frames[-MAX_FRAMES:])
        ],
        "tags": [f"{tag['key']}: {tag['value']}" for tag in event.get("tags") or []],
        "crumbs": [(crumb.get("category") or "", crumb.get("message") or "") for crumb in crumbs[-10:]],
    }
