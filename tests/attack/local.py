"""The stack of local processes as a system to be attacked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import psutil
from reelback_local.layout import values

from tests.attack.attacks import Target
from tests.local.stack import Stack


class Local:
    """A stack that runs."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        known = values.load()
        redis = known.stores["redis"].port + stack.offset
        ingest = f"http://127.0.0.1:{(known.services['minisentry'].ingest_port or 0) + stack.offset}"
        self.target = Target(stack.url("gateway"), ingest, ("127.0.0.1", redis))

    def failures(self, since: float) -> Mapping[str, int]:
        """From minisentry, as the operator asks."""
        window = {
            "start": datetime.fromtimestamp(since, UTC).isoformat(),
            "end": datetime.now(UTC).isoformat(),
            "environment": "local",
        }
        spans = self._stack.sentry(
            "events/", dataset="spans", field=["release", "failure_count()"], query="is_transaction:true", **window
        )
        errors = self._stack.sentry("events/", dataset="errors", field=["release", "count()"], **window)
        failed = {f"{row['release']} requests": int(row["failure_count()"]) for row in spans["data"]}
        return failed | {f"{row['release']} errors": int(row["count()"]) for row in errors["data"]}

    def memory(self) -> Mapping[str, int]:
        """Resident bytes of each process."""
        return {
            name: psutil.Process(process.pid).memory_info().rss
            for name, process in self._stack.processes().items()
            if process.pid
        }
