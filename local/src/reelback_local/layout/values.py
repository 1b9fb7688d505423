"""The chart's values as the local stack reads them: the one list of services, ports and variables."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from reelback_local.layout.home import PROJECT

FILE = PROJECT / "charts" / "reelback" / "values.yaml"


class _Values(BaseModel):
    # What only concerns Kubernetes is let go.
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore", frozen=True)


class Service(_Values):
    """One service; `pages` is the project for what browsers report, of one that serves pages."""

    protocol: Literal["http", "grpc"]
    port: int
    metrics_port: int
    ingest_port: int | None = None
    calls: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    env: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    pages: int | None = None


class Store(_Values):
    """One server that services keep things in or send them to; with a `url` it is the team's own and none is started.

    `service` is the one of this stack that serves it on the store's port, beside its own.
    """

    url: str = ""
    service: str = ""
    port: int


class Sentry(_Values):
    """Where telemetry goes; empty for minisentry. `browser_dsn` is for what browsers report, `web_url` for links."""

    dsn: str = ""
    browser_dsn: str = ""
    web_url: str = ""


class Otlp(_Values):
    """Where spans go instead of the DSN's own path."""

    endpoint: str = ""


class Values(_Values):
    """All of them."""

    version: str
    environment: str
    sentry: Sentry
    otlp: Otlp
    stores: dict[str, Store]
    services: dict[str, Service]


def load(file: Path = FILE) -> Values:
    """The chart's values."""
    return Values.model_validate(yaml.safe_load(file.read_text()))
