"""How the tests are shared out where they run in several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

LOCAL = Path(__file__).parent / "local"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests stay together, as they share fixtures and tell on each other; so do all those of the one stack."""
    for item in items:
        group = "stack" if item.path.is_relative_to(LOCAL) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
