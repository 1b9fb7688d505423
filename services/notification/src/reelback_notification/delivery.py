"""One delivery: what is tried, and what becomes of the messages."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter
from pymongo.errors import PyMongoError
from reelback_telemetry.request import request

from reelback_notification.failures import Deferred, Later, Refused, Unreachable, Unverified
from reelback_notification.messages import Message
from reelback_notification.routes import Route
from reelback_notification.store import Outcome, State

ATTEMPT = 8.0
"""Seconds a delivery may take."""

MESSAGES = Counter(
    "notification_messages_total", "Deliveries: sent, failed for ever, or put off", ["channel", "template", "outcome"]
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a delivery is tried, and how long it waits in between: about two hours in all."""

    attempts: int = 20
    first: float = 1
    longest: float = 900

    def pause(self, failed: int) -> timedelta:
        """How long to wait after so many failures: twice as long each time, less a random part."""
        seconds = min(self.longest, self.first * 2 ** (failed - 1))
        return timedelta(seconds=seconds * random.uniform(0.5, 1))  # noqa: S311 - jitter


class Attempt(NamedTuple):
    """What became of the messages; and whether their provider works, None when that was not seen."""

    outcomes: list[Outcome]
    provider_works: bool | None = None


async def attempt(route: Route, group: Sequence[Message], retries: Retries) -> Attempt:
    """Deliver a group of messages as one. Raises nothing: a message that fails stops no other."""
    try:
        await _traced(route, group)
    except Later as later:
        return Attempt(_put_off(group, later.due_at))
    except PyMongoError:
        return Attempt(_put_off(group, datetime.now(UTC) + retries.pause(1)))
    except Deferred as error:
        return Attempt(_again(group, retries, str(error)), False if isinstance(error, Unreachable) else None)
    except Refused as error:
        silent = isinstance(error, Unverified)  # an address that waits for its owner is nothing to look into
        return Attempt(_over(group, State.FAILED, str(error)) if silent else _failed(group, str(error)))
    except Exception as error:  # a mistake of ours, which Sentry has
        return Attempt(_failed(group, type(error).__name__))
    return Attempt(_over(group, State.SENT), provider_works=True)


async def _traced(route: Route, group: Sequence[Message]) -> None:
    """Deliver inside the trace of the event that made the first message."""
    first = group[0]
    attributes: dict[str, str | int] = {
        "notification.channel": first.channel,
        "notification.template": first.template,
        "messaging.batch.message_count": len(group),
    }
    expected = (Refused, Deferred, Later, PyMongoError)
    with request(f"send {first.channel}", first.headers, attributes, expected, SpanKind.CLIENT) as span:
        try:
            async with asyncio.timeout(ATTEMPT):
                await route.deliver(group)
        except (TimeoutError, Unreachable) as error:
            reason = str(error) or "no answer"
            span.set_status(Status(StatusCode.ERROR, reason))
            raise Unreachable(reason) from error


def _again(group: Sequence[Message], retries: Retries, reason: str) -> list[Outcome]:
    """Another attempt later, unless this was the last."""
    tried = group[0].attempts + 1
    if tried >= retries.attempts:
        return _failed(group, reason)
    _count(group, "put off")
    return _put_off([_tried(message) for message in group], datetime.now(UTC) + retries.pause(tried), reason)


def _put_off(group: Sequence[Message], due_at: datetime, reason: str = "") -> list[Outcome]:
    return [Outcome(message, State.PENDING, reason, due_at) for message in group]


def _failed(group: Sequence[Message], reason: str) -> list[Outcome]:
    for message in group:
        log.warning("message %s cannot be delivered: %s", message.id, reason)
    return _over(group, State.FAILED, reason)


def _over(group: Sequence[Message], state: State, reason: str = "") -> list[Outcome]:
    _count(group, state)
    return [Outcome(_tried(message), state, reason, datetime.now(UTC)) for message in group]


def _count(group: Sequence[Message], outcome: str) -> None:
    MESSAGES.labels(group[0].channel, group[0].template, outcome).inc(len(group))


def _tried(message: Message) -> Message:
    return replace(message, attempts=message.attempts + 1)
