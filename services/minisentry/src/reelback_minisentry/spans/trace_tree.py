"""A trace as Sentry's API shows it: spans nested below their parents, each with its errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import chain
from typing import Any

from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.spans import otlp, sdk
from reelback_minisentry.store.records import TraceLine

MAX_DEPTH = 100
"""Deeper nesting goes on at the top level: what writes and reads the answer recurses."""


def shape(lines: Iterable[TraceLine], names: ProjectNames) -> list[dict[str, Any]]:
    """The roots, ordered by their start. A span whose parent did not come (yet) is a root, and so is a lost error."""
    stored = list(lines)
    spans = {span_id: _span(span, names) for span_id, span in flat(stored).items()}
    errors = {line["id"]: line for line in stored if not isinstance(line, list) and "otlp" not in line}
    roots = _nest(spans)
    for error in sorted(errors.values(), key=lambda error: float(error["timestamp"])):
        home = spans.get(error["span"])
        (home["errors"] if home else roots).append(_error(error, names))
    return roots


def flat(lines: Iterable[TraceLine]) -> dict[str, Mapping[str, Any]]:
    """The spans in the lines of a trace, by their ids: what was sent twice stands twice, and is here once."""
    spans: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        if isinstance(line, list):
            whole = chain.from_iterable((span, *sdk.inside(span)) for span in line)
            spans |= {span["span_id"]: span for span in whole}
        elif "otlp" in line:
            spans |= {span.span_id: asdict(span) for span in otlp.stored_spans(line)}
    return spans


def _nest(spans: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Hang every span below its parent, each exactly once, even if parents form a circle."""
    ordered = sorted(spans.values(), key=lambda span: float(span["start_timestamp"]))
    children: defaultdict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for span in ordered:
        children[span["parent_span_id"]].append(span)
    roots: list[dict[str, Any]] = []
    placed: set[str] = set()
    for root in sorted(ordered, key=lambda span: span["parent_span_id"] in spans):  # circles have no root: last
        if root["event_id"] in placed:
            continue
        placed.add(root["event_id"])
        roots.append(root)
        open_spans = [(root, 1)]
        while open_spans:
            span, depth = open_spans.pop()
            for child in children[span["event_id"]]:
                if child["event_id"] not in placed:
                    placed.add(child["event_id"])
                    (span["children"] if depth < MAX_DEPTH else roots).append(child)
                    open_spans.append((child, depth + 1 if depth < MAX_DEPTH else 1))
    return roots


def _span(span: Mapping[str, Any], names: ProjectNames) -> dict[str, Any]:
    origin = span["origin"]
    return {
        "event_id": span["span_id"],
        "event_type": "span",
        "transaction_id": span["span_id"],
        **_project(origin, names),
        "transaction": span["name"] if span["segment"] else "",
        "description": span["name"],
        "op": span["op"],
        "name": span["name"],
        "parent_span_id": span["parent_id"] or None,
        "profile_id": "",
        "profiler_id": "",
        "sdk_name": "",
        "is_transaction": span["segment"],
        "start_timestamp": span["start"],
        "end_timestamp": span["end"],
        "duration": (span["end"] - span["start"]) * 1000,
        "measurements": {},
        "additional_attributes": {
            **span["attributes"],
            "release": origin["release"],
            "environment": origin["environment"],
            "service.name": span["service"],
            "span.status": span["status"],
        },
        "children": [],
        "errors": [],
        "occurrences": [],
    }


def _error(error: Mapping[str, Any], names: ProjectNames) -> dict[str, Any]:
    return {
        "event_id": error["id"],
        "event_type": "error",
        **_project(error["origin"], names),
        "transaction": error["transaction"],
        "description": error["title"],
        "culprit": error["culprit"],
        "issue_id": error["issue"],
        "level": error["level"],
        "start_timestamp": error["timestamp"],
        "short_id": names.short_id(error["origin"]["project"], error["issue"]),
        "issue_type": 1,
    }


def _project(origin: Mapping[str, str], names: ProjectNames) -> dict[str, Any]:
    project = origin["project"]
    return {"project_id": int(project) if project.isdigit() else 0, "project_slug": names.slug(project)}
