"""Samples of metrics, out of the SDKs' `trace_metric` item: {"items": [{"name", "type", "value", "attributes"}]}."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from reelback_minisentry.store.records import METRIC_TYPES, Origin, Sample
from reelback_minisentry.timestamps import near, seconds
from reelback_minisentry.untrusted import obj, objects, text

MAX_SAMPLES = 10_000
"""Samples of an item: the SDK sends those of 5 s, and drops what is over this itself."""

MAX_ATTRIBUTES = 8
MAX_VALUE = 64
"""Attributes of a sample, the first by name, and characters of the value of one."""

_OF_THE_SENDER = ("sentry.", "process.", "server.", "user.", "os.", "device.", "thread.", "telemetry.", "code.")
"""Attributes that say who sent it, not what is measured: one more series for each process, or even for each player."""


def read(payload: dict[str, Any], project: str, now: float) -> list[Sample]:
    """The samples of an item. Those without a name, a known type or a finite number are left out."""
    samples: list[Sample] = []
    for row in objects(payload.get("items"), MAX_SAMPLES):
        name, kind, value = text(row.get("name")), row.get("type"), row.get("value")
        if not name or kind not in METRIC_TYPES or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if not math.isfinite(value):
            continue
        attributes = {key: obj(typed).get("value") for key, typed in obj(row.get("attributes")).items()}
        unit = text(row.get("unit"), 32)
        samples.append(
            Sample(
                name=name,
                type=kind,
                unit="" if unit == "none" else unit,
                value=float(value),
                at=near(seconds(row.get("timestamp")), now),
                origin=Origin(
                    text(attributes.get("sentry.environment"), 64), project, text(attributes.get("sentry.release"))
                ),
                attributes=_tags(attributes),
            )
        )
    return samples


def _tags(attributes: Mapping[str, object]) -> str:
    """The attributes that tell one series from another, as JSON in the order of their names; "" for none."""
    named = sorted(key for key in attributes if not key.startswith(_OF_THE_SENDER))
    kept = {key[:MAX_VALUE]: tag for key in named if (tag := _tag(attributes[key]))}
    return orjson.dumps(dict(list(kept.items())[:MAX_ATTRIBUTES])).decode() if kept else ""


def _tag(value: object) -> str:
    """A value as text; "" for one that is no tag: lists, and floats, of which each sample would have another."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return text(value, MAX_VALUE) if isinstance(value, (str, int)) else ""
