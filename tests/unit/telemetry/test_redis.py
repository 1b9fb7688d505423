"""Commands of Redis in the trace of the request that they are sent for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.common import collector as collecting

CACHER = Path(__file__).with_name("cacher.py")


def test_commands_are_spans_without_keys_and_a_cache_says_how_often_it_had_it(redis_url: str) -> None:
    with collecting.running() as collector:
        variables = {"REDIS_URL": redis_url, "SENTRY_DSN": collector.dsn}
        subprocess.run([sys.executable, str(CACHER)], env=variables, check=True, timeout=60)
        spans = {span.name: span for span in collector.spans}
        assert set(spans) == {"GET /ada", "GET", "PIPELINE", "INCRBY"}, "of what no request has sent there is none"
        assert {span.parent_id for span in collector.spans} == {"", spans["GET /ada"].span_id}
        assert (spans["GET"].status, spans["INCRBY"].status) == (0, 2)
        assert spans["PIPELINE"].attributes["db.system.name"] == "redis"
        (event,) = collector.of("event")
        crumbs = [(it["category"], it["message"], it.get("level")) for it in event["breadcrumbs"]["values"]]
        assert [it for it in crumbs if it[0] == "cache"] == [
            ("cache", "profiles: hit", None),
            ("cache", "profiles: miss", None),
        ]
        assert [(it[1].split(":")[0], it[2]) for it in crumbs if it[0] == "query"] == [
            ("GET redis", "info"),
            ("PIPELINE redis", "info"),
            ("INCRBY redis", "error"),
        ]
        counted: list[Any] = [it for item in collector.of("trace_metric") for it in item["items"]]
        assert {(it["name"], it["attributes"]["outcome"]["value"]) for it in counted} == {
            ("cache.lookups", "hit"),
            ("cache.lookups", "miss"),
        }
        told = str([collector.items, collector.spans])
        assert "of:ada" not in told
        assert "of:bob" not in told
