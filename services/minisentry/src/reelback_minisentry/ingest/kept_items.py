"""Items that are kept whole: replays, feedback, attachments."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from reelback_minisentry.ingest import replay_segments
from reelback_minisentry.ingest.envelope import Item
from reelback_minisentry.store.records import Attachment, Feedback, Origin, Records
from reelback_minisentry.timestamps import near, seconds
from reelback_minisentry.untrusted import hex_id, json_object, obj, text

MAX_MESSAGE = 4096
"""Characters of what somebody says, as at Sentry."""


def add(records: Records, header: dict[str, Any], items: list[Item], project: str) -> None:
    """Add what an envelope has of them. Raises Rejected (400) for an event that is not JSON."""
    recording = next((item.payload for item in items if item.type == "replay_recording"), b"")
    for item in items:
        match item.type:
            case "replay_event":
                event = json_object(item.payload, item.type)
                if segment := replay_segments.read(event, recording, project, records.now):
                    records.replays.append(segment)
            case "feedback":
                records.feedback.append(_feedback(json_object(item.payload, item.type), project, records.now))
            case "attachment":
                if event_id := hex_id(header.get("event_id"), 32):
                    records.attachments.append(_attachment(item, event_id, records.now))


def _feedback(event: dict[str, Any], project: str, now: float) -> Feedback:
    contexts = obj(event.get("contexts"))
    said = obj(contexts.get("feedback"))
    origin = Origin(text(event.get("environment"), 64), project, text(event.get("release")))
    feedback_id = hex_id(event.get("event_id"), 32) or uuid.uuid4().hex
    about = {
        "id": feedback_id,
        "at": near(seconds(event.get("timestamp")), now),
        "origin": origin,
        "message": text(said.get("message"), MAX_MESSAGE),
        "name": text(said.get("name")),
        "email": text(said.get("contact_email")),
        "url": text(said.get("url"), 1000) or text(obj(event.get("request")).get("url"), 1000),
        "event": hex_id(said.get("associated_event_id"), 32),
        "replay": hex_id(said.get("replay_id"), 32),
        "trace": hex_id(obj(contexts.get("trace")).get("trace_id"), 32),
    }
    return Feedback(feedback_id, origin, about)


def _attachment(item: Item, event_id: str, now: float) -> Attachment:
    name = text(item.header.get("filename")) or "unnamed"
    sha1 = hashlib.sha1(item.payload, usedforsecurity=False).hexdigest()
    # The same file sent twice is one.
    id_ = hashlib.blake2b(f"{event_id}{name}{sha1}".encode(), digest_size=6).digest()
    about = {
        "id": str(int.from_bytes(id_, "big")),
        "name": name,
        "type": text(item.header.get("attachment_type")) or "event.attachment",
        "mimetype": text(item.header.get("content_type")) or "application/octet-stream",
        "at": now,
        "size": len(item.payload),
        "sha1": sha1,
    }
    return Attachment(event_id, about, item.payload)
