"""From an envelope to records: one reader for each item type."""

from __future__ import annotations

from typing import Any

from reelback_minisentry.ingest import error_events, kept_items, metric_samples, profile_chunks
from reelback_minisentry.ingest.envelope import Item
from reelback_minisentry.spans import sdk, web_vitals
from reelback_minisentry.stats import sampling
from reelback_minisentry.store.records import FAILED_SESSIONS, Origin, Records, Session, SessionCounts
from reelback_minisentry.timestamps import near, seconds
from reelback_minisentry.untrusted import count, json_object, obj, objects, text

OUTCOMES = ("exited", "errored", *FAILED_SESSIONS)

LISTS = frozenset({"span", "log", "trace_metric"})
"""Items that carry many of their kind: what is counted is the header's item_count."""

COUNTED = frozenset(
    {
        *("check_in", "profile", "profile_chunk", "replay_event", "replay_recording", "attachment", "feedback"),
        *("log", "trace_metric", "client_report", "event", "transaction", "session", "sessions", "span"),
    }
)
"""Known item types; any other is counted as "unknown"."""


def read(header: dict[str, Any], items: list[Item], project: str, now: float) -> Records:
    """What an envelope brings. Raises Rejected (400) for a payload of a known type that is not JSON."""
    records = Records(now)
    sample_rate = _sample_rate(obj(header.get("trace")))
    for item in items:
        kind = item.type if item.type in COUNTED else "unknown"
        records.items[kind] += max(1, count(item.header.get("item_count"))) if kind in LISTS else 1
        match kind:
            case "event":
                event = json_object(item.payload, "event")
                records.errors.append(error_events.read(event, project, now, header.get("event_id")))
            case "transaction":
                if span := sdk.transaction(json_object(item.payload, "transaction"), project, now, sample_rate):
                    records.spans.append(span)
            case "span":
                spans = sdk.span_item(json_object(item.payload, "span"), project, now)
                records.spans += spans
                records.samples += web_vitals.samples(spans)
            case "session":
                if session := _session(json_object(item.payload, "session"), project, now):
                    records.sessions.append(session)
            case "sessions":
                records.session_counts += _aggregates(json_object(item.payload, "sessions"), project, now)
            case "trace_metric":
                records.samples += metric_samples.read(json_object(item.payload, "trace_metric"), project, now)
            case "profile_chunk":
                records.profiles += profile_chunks.read(json_object(item.payload, "profile_chunk"), project, now)
            case "client_report":
                for drop in objects(json_object(item.payload, "client_report").get("discarded_events"), 100):
                    reason, category = text(drop.get("reason"), 64), text(drop.get("category"), 64)
                    records.drops[reason or "unknown", category or "unknown"] += count(drop.get("quantity"))
    kept_items.add(records, header, items, project)
    return records


def _sample_rate(trace: dict[str, Any]) -> float:
    """The rate in an envelope's trace header, which SDKs write as text."""
    named = trace.get("sample_rate")
    try:
        return sampling.rate(float(named) if isinstance(named, str) else named)
    except ValueError:
        return 1.0


def _session(payload: dict[str, Any], project: str, now: float) -> Session | None:
    """One update. A session without an id cannot be told from another and is left out."""
    sid, attrs = text(payload.get("sid"), 64), obj(payload.get("attrs"))
    if not sid:
        return None
    status = text(payload.get("status"))
    outcome = status if status in FAILED_SESSIONS else "errored" if count(payload.get("errors")) else ""
    return Session(
        sid=sid,
        user=text(payload.get("did")),
        started=near(seconds(payload.get("started")), now),
        origin=Origin(text(attrs.get("environment"), 64), project, text(attrs.get("release"))),
        init=payload.get("init") is True,
        outcome=outcome,
    )


def _aggregates(payload: dict[str, Any], project: str, now: float) -> list[SessionCounts]:
    attrs = obj(payload.get("attrs"))
    origin = Origin(text(attrs.get("environment"), 64), project, text(attrs.get("release")))
    return [
        SessionCounts(
            started=near(seconds(bucket.get("started")), now),
            origin=origin,
            counts={outcome: n for outcome in OUTCOMES if (n := count(bucket.get(outcome)))},
        )
        for bucket in objects(payload.get("aggregates"), 1000)
    ]
