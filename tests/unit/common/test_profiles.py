"""A service is profiled where its variable PROFILES says so, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.common import collector as collecting


@pytest.mark.parametrize(
    ("variables", "profiled"), [({"PROFILES": "true"}, True), ({"PROFILES": "false"}, False), ({}, False)]
)
def test_a_service_is_profiled_where_it_is_asked_for(start: Any, variables: dict[str, str], profiled: bool) -> None:
    with collecting.running() as collector:
        process = start("back", SENTRY_DSN=collector.dsn, **variables)
        assert process.end() == 0  # whatever it had is sent by now
        chunks = collector.of("profile_chunk")
    assert {chunk["release"] for chunk in chunks} == ({"back@1.0.0"} if profiled else set())
    functions = {frame["function"] for chunk in chunks for frame in chunk["profile"]["frames"]}
    assert ("Thread.run" in functions) is profiled
