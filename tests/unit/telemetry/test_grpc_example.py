"""The library in gRPC services that are not this project's: docs/examples/prices.py, one in front of another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

from tests.unit.common import collector as collecting
from tests.unit.common.ports import free_port

EXAMPLE = Path(__file__).parents[3] / "docs/examples/prices.py"
CLIENT, SERVER = 3, 2
"""Kinds of spans in OTLP."""


@dataclass
class Shop:
    channel: grpc.Channel
    collector: collecting.Collector

    def get(self, article: str) -> int:
        method = self.channel.unary_unary("/shop.Prices/Get", StringValue.SerializeToString, Int64Value.FromString)
        return method(StringValue(value=article), timeout=10).value

    def follow(self, article: str) -> list[int]:
        method = self.channel.unary_stream("/shop.Prices/Follow", StringValue.SerializeToString, Int64Value.FromString)
        return [price.value for price in method(StringValue(value=article), timeout=10)]

    def trace(self, method: str, spans: int) -> list[collecting.ReceivedSpan]:
        """The spans of the trace in which a method was called, once there are so many."""

        def all_there() -> list[collecting.ReceivedSpan]:
            traces = {span.trace_id for span in self.collector.spans if span.name == f"shop.Prices/{method}"}
            found = [span for trace in traces for span in self.collector.trace(trace)]
            return found if len(found) == spans else []

        return self.collector.wait(all_there)


@contextmanager
def serving(**variables: str) -> Iterator[str]:
    """The address of one that serves."""
    address = f"127.0.0.1:{variables['PORT']}"
    process = subprocess.Popen([sys.executable, str(EXAMPLE)], env={**os.environ, **variables})
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(60)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with ExitStack() as stack:
        collector = stack.enter_context(collecting.running())
        upstream = stack.enter_context(serving(PORT=str(free_port()), SENTRY_DSN=collector.dsn))
        front = serving(PORT=str(free_port()), SENTRY_DSN=collector.dsn, UPSTREAM=upstream)
        yield Shop(stack.enter_context(grpc.insecure_channel(stack.enter_context(front))), collector)


def test_a_call_is_one_trace_through_both(shop: Shop) -> None:
    assert shop.get("tea") == 300
    spans = shop.trace("Get", 5)
    assert [span.kind for span in _chain(spans)] == [SERVER, 1, CLIENT, SERVER, 1]
    assert [span.name for span in _chain(spans)] == [
        "shop.Prices/Get",
        "price",
        "shop.Prices/Get",
        "shop.Prices/Get",
        "price",
    ]
    assert {span.status for span in spans} == {0}


def test_a_stream_is_a_span_that_ends_with_it(shop: Shop) -> None:
    assert shop.follow("cake") == [450] * 3
    spans = shop.trace("Follow", 6)
    assert [span.kind for span in _chain(spans)][:3] == [SERVER, CLIENT, SERVER]
    assert [span.name for span in spans].count("price") == 3


@pytest.mark.parametrize("method", ["get", "follow"])
def test_a_failure_is_one_event_where_it_happened_and_marks_every_span_above(shop: Shop, method: str) -> None:
    with pytest.raises(grpc.RpcError):
        getattr(shop, method)("gold")
    spans = shop.trace(method.title(), 5 if method == "get" else 4)
    assert {span.status for span in spans if span.name != "price" or method == "follow"} == {2}
    (event,) = shop.collector.wait(lambda: shop.collector.of("event"))
    assert event["fingerprint"] == ["{{ default }}", "price", "KeyError", ""]
    assert event["contexts"]["trace"]["trace_id"] == spans[0].trace_id


def _chain(spans: list[collecting.ReceivedSpan]) -> list[collecting.ReceivedSpan]:
    """The spans from the first to the last, each a child of the one before."""
    chain = [span for span in spans if not span.parent_id]
    while children := [span for span in spans if span.parent_id == chain[-1].span_id]:
        chain.append(children[0])
    return chain
