"""A service without a backend, and with one that does not answer, does its work all the same."""

from __future__ import annotations

import json
import time
from typing import Any

import grpc
import pytest
from reelback.v1 import payment_pb2, payment_pb2_grpc

SPEAK_OF_IT = ("opentelemetry", "reelback_telemetry.exporter", "urllib3", "sentry")
"""Loggers that may say that the backend is away."""


@pytest.mark.parametrize("dsn", ["", "http://public@127.0.0.1:1/1"], ids=["no DSN", "backend away"])
def test_it_serves_and_ends_and_says_little(start: Any, dsn: str) -> None:
    process = start("back", SENTRY_DSN=dsn)
    with grpc.insecure_channel(f"127.0.0.1:{process.port}") as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)
        for _ in range(30):
            stub.Charge(payment_pb2.MoveRequest(amount=10), timeout=10)
            with pytest.raises(grpc.RpcError):
                stub.Charge(payment_pb2.MoveRequest(amount=13), timeout=10)
            time.sleep(0.05)  # long enough for several exports to be tried
    assert process.end() == 0
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    about_the_backend = [x for x in lines if x["logger"].startswith(SPEAK_OF_IT)]
    assert len(about_the_backend) <= (3 if dsn else 0), about_the_backend
    assert {x["logger"] for x in lines} <= {
        "chain", "reelback_common.server", "reelback_telemetry.request", *(x["logger"] for x in about_the_backend)
    }  # fmt: skip
