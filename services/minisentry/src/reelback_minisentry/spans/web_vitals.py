"""Web vitals: how a page loads and feels, which browsers measure and send as attributes of spans."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import orjson

from reelback_minisentry.store.records import VITALS, Sample, Span
from reelback_minisentry.untrusted import text


def samples(spans: Iterable[Span]) -> Iterator[Sample]:
    """Each vital of the spans as a sample of a metric with its attribute's name, with the page as `transaction`."""
    for span in spans:
        for name, unit in VITALS.items():
            value = span.attributes.get(name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
                continue
            page = text(span.attributes.get("sentry.segment.name"), 64)
            attributes = orjson.dumps({"transaction": page}).decode() if page else ""
            yield Sample(name, "distribution", unit, float(value), span.end, span.origin, attributes)
