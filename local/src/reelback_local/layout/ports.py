"""Ports of this machine: whether they are free, and free ones."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from reelback_local.layout.plan import HOST, STACK, Plan


def taken(plan: Plan) -> str | None:
    """One line that names the first port of the stack that something else holds, None when all are free."""
    wanted = {spec.port: name for name, spec in plan.stores.items() if spec.port}
    for service in plan.services:
        port, metrics = plan.ports(service)
        wanted |= {port: service, metrics: f"{service} (metrics)"}
    return _taken({**wanted, **plan.more_ports})


def _taken(wanted: Mapping[int, str]) -> str | None:
    for port, name in wanted.items():
        try:
            _bind(port).close()
        except OSError as error:
            return f"port {port} of {name} cannot be had ({error.strerror}): set {STACK} to move every port"
    return None


def free() -> tuple[int, int]:
    """Two ports that nothing listens on: for requests, for metrics."""
    with _bind(0) as first, _bind(0) as second:
        return first.getsockname()[1], second.getsockname()[1]


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As the servers do: connections that still linger after their end do not count.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound
