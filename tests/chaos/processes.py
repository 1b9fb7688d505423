"""The local stack as a system to be killed: its supervisor brings back what it loses."""

from __future__ import annotations

import os
import signal

from reelback_local.layout import values
from reelback_local.stores import access

from tests.local.stack import Stack


class Processes:
    """The processes of a running local stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._killed: dict[str, int] = {}
        self.gateway = stack.url("gateway")

    def kill(self, name: str) -> None:
        """SIGKILL, unless it is down already."""
        if pid := self._stack.processes()[name].pid:
            self._killed[name] = pid
            os.kill(pid, signal.SIGKILL)

    def back(self, name: str) -> bool:
        """Whether another process of this name is ready."""
        now = self._stack.processes()[name]
        return now.state == "ready" and now.pid != self._killed.get(name)

    def addresses(self) -> tuple[str, str]:
        """MongoDB's URL, and analytics' host and port."""
        known, offset = values.load(), self._stack.offset
        port = known.stores["mongodb"].port + offset
        mongodb = access.url("mongodb", "127.0.0.1", port, self._stack.home.password("mongodb"))
        return mongodb, f"127.0.0.1:{known.services['analytics'].port + offset}"

    def reconcile(self) -> tuple[int, str]:
        """Exit status and output of `reelback reconcile`."""
        done = self._stack.run("reconcile")
        return done.returncode, done.stdout
