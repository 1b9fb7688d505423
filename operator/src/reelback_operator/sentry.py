"""A client for the part of Sentry's API that a rollout needs: sentry.io, self-hosted and minisentry alike."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class SentryError(Exception):
    """Sentry did not answer, or not with what was asked for. The message is one line."""


class Sentry:
    """One organization of one Sentry, one environment of it. An async context manager."""

    def __init__(self, url: str, organization: str, project: str, token: str, environment: str) -> None:
        """`url` without a path: http://host:8090."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
