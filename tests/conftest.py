"""How the tests are shared out where they run in several processes."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A file's tests stay together, as they share fixtures; so do those of all files that share the one stack.

    xdist's own `loadgroup` does not see its groups with pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "the stack" if file.startswith("tests/local/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """How pytest-xdist shares the tests out."""
    return _ByFile(config, log)
