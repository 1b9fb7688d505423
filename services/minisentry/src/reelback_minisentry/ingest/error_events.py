"""Error events: the group (issue) an event belongs to, its title and its culprit."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import replace
from typing import Any

from reelback_minisentry.spans.sdk import user_of
from reelback_minisentry.stats import distinct
from reelback_minisentry.store import event_detail
from reelback_minisentry.store.records import Error, Origin
from reelback_minisentry.timestamps import near, seconds
from reelback_minisentry.untrusted import hex_id, obj, text

LEVELS = frozenset({"fatal", "error", "warning", "info", "debug"})

_VARYING = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|\d+")
_DEFAULT = re.compile(r"\{\{\s*default\s*\}\}")


def read(event: dict[str, Any], project: str, now: float, fallback_id: object = None) -> Error:
    """An event as an Error. Fields that are missing or of a wrong type are left empty, as at Sentry."""
    exceptions = event_detail.exceptions(event)
    trace = obj(obj(event.get("contexts")).get("trace"))
    level = text(event.get("level")) or "error"
    platform = text(event.get("platform"), 64) or "other"
    transaction = text(event.get("transaction"))
    message = _message(event)
    last = exceptions[-1] if exceptions else {}
    frame = _in_app(last)[-1:] or [{}]
    where = frame[0]
    metadata = _metadata(last, where, message)
    culprit = transaction or " in ".join(
        part for part in (text(where.get("module")), text(where.get("function"))) if part
    )
    return Error(
        event_id=hex_id(event.get("event_id"), 32) or hex_id(fallback_id, 32) or uuid.uuid4().hex,
        at=near(seconds(event.get("timestamp")), now),
        origin=Origin(text(event.get("environment"), 64), project, text(event.get("release"))),
        level=level if level in LEVELS else "error",
        transaction=transaction,
        trace_id=hex_id(trace.get("trace_id"), 32),
        span_id=hex_id(trace.get("span_id"), 16),
        user=f"{distinct.hashed(user):08x}" if (user := user_of(event)) else "",
        platform=platform,
        title=_title(last, message),
        culprit=culprit,
        handled=all(obj(entry.get("mechanism")).get("handled") is not False for entry in exceptions),
        metadata=metadata,
        issue=_group(project, event.get("fingerprint"), exceptions, event, message),
        tags=event_detail.tags_of(event),
        event=event,
    )


def regrouped(error: Error, event: dict[str, Any]) -> Error:
    """An error in the group that it belongs to as this `event`, which is its own with a stack trace that says more."""
    as_read = read(event, error.origin.project, error.at, error.event_id)
    return replace(error, issue=as_read.issue, culprit=as_read.culprit, metadata=as_read.metadata)


def _message(event: dict[str, Any]) -> str:
    entry = event.get("logentry") or event.get("message")
    if isinstance(entry, dict):
        return text(entry.get("formatted"), 1000) or text(entry.get("message"), 1000)
    return text(entry, 1000)


def _in_app(exception: dict[str, Any]) -> list[dict[str, Any]]:
    """The frames of the application itself; all of them when none is marked."""
    frames = event_detail.frames(exception)
    return [frame for frame in frames if frame.get("in_app") is True] or frames


def _title(exception: dict[str, Any], message: str) -> str:
    if not exception:
        return message.partition("\n")[0][:200] or "<unlabeled event>"
    kind, value = text(exception.get("type")) or "Error", text(exception.get("value")).partition("\n")[0]
    return f"{kind}: {value}" if value else kind


def _metadata(exception: dict[str, Any], frame: dict[str, Any], message: str) -> dict[str, str]:
    if not exception:
        return {"title": message.partition("\n")[0][:200]}
    found = {
        "type": text(exception.get("type")) or "Error",
        "value": text(exception.get("value"), 1000),
        "filename": text(frame.get("filename")),
        "function": text(frame.get("function")),
    }
    return {key: value for key, value in found.items() if value}


def _group(
    project: str, fingerprint: object, exceptions: list[dict[str, Any]], event: dict[str, Any], message: str
) -> int:
    """The issue's number: a hash, so that finding or making an issue needs no look at the store. 48 bits."""
    own = (
        [text(part) for part in fingerprint[:20]]
        if isinstance(fingerprint, list) and fingerprint
        else ["{{ default }}"]
    )
    parts: list[str] = []
    for part in own:
        parts += _default_group(exceptions, event, message) if _DEFAULT.fullmatch(part) else [part]
    digest = hashlib.blake2b("\x1f".join([project, *parts]).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def _default_group(exceptions: list[dict[str, Any]], event: dict[str, Any], message: str) -> list[str]:
    """What events of one bug have in common: types and own frames; without frames the words, without numbers."""
    if not exceptions:
        template = text(obj(event.get("logentry")).get("message"), 1000)
        return [template or _VARYING.sub("<n>", message)]
    parts: list[str] = []
    for exception in exceptions:
        parts.append(text(exception.get("type")))
        frames = _in_app(exception)
        parts += [
            f"{text(frame.get('module')) or text(frame.get('filename'))}:{text(frame.get('function'))}"
            for frame in frames
        ]
        if not frames:
            parts.append(_VARYING.sub("<n>", text(exception.get("value"), 1000)))
    return parts
