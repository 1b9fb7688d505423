"""A trace as Sentry's API shows it: spans nested below their parents, each with its errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from reelback_minisentry import issues

MAX_DEPTH = 100
"""Deeper nesting goes on at the top level: what writes and reads the answer recurses."""


def shape(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The roots, ordered by their start. A span whose parent did not come (yet) is a root, and so is a lost error."""
    spans: dict[str, dict[str, Any]] = {}
    errors: dict[str, Mapping[str, Any]] = {}
    for line in lines:  # what was sent twice stands twice, and is shown once
        if line["t"] == "span":
            spans[line["id"]] = _span(line)
        else:
            errors[line["id"]] = line
    roots = _nest(spans)
    for error in sorted(errors.values(), key=lambda error: float(error["timestamp"])):
        home = spans.get(error["span"])
        (home["errors"] if home else roots).append(_error(error))
    return roots


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


def _span(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "event_id": line["id"],
        "event_type": "span",
        "transaction_id": line["id"],
        "project_id": int(line["project"]) if line["project"].isdigit() else 0,
        "project_slug": line["project"],
        "transaction": line["name"] if line["segment"] else "",
        "description": line["name"],
        "op": line["op"],
        "name": line["name"],
        "parent_span_id": line["parent"] or None,
        "profile_id": "",
        "profiler_id": "",
        "sdk_name": "",
        "is_transaction": line["segment"],
        "start_timestamp": line["start"],
        "end_timestamp": line["end"],
        "duration": (line["end"] - line["start"]) * 1000,
        "measurements": {},
        "additional_attributes": {
            **line["attributes"],
            "release": line["release"],
            "environment": line["environment"],
            "service.name": line["service"],
            "span.status": line["status"],
        },
        "children": [],
        "errors": [],
        "occurrences": [],
    }


def _error(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "event_id": line["id"],
        "event_type": "error",
        "project_id": int(line["project"]) if line["project"].isdigit() else 0,
        "project_slug": line["project"],
        "transaction": line["transaction"],
        "description": line["title"],
        "culprit": line["culprit"],
        "issue_id": line["issue"],
        "level": line["level"],
        "start_timestamp": line["timestamp"],
        "short_id": issues.short_id(line["project"], line["issue"]),
        "issue_type": 1,
    }
