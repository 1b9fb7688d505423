"""What the local stack consists of, worked out from the chart's values and the environment."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reelback_local.layout.home import Home
from reelback_local.layout.values import Service, Values
from reelback_local.stores import access
from reelback_local.stores.servers import SERVERS

HOST = "127.0.0.1"
MINISENTRY = "minisentry"
MAILBOX = "mailbox"
WEB = "web"
ADMIN = "admin"
LOADGEN = "loadgen"
STACK = "REELBACK_PORT_OFFSET"
OFFSET = 3000


@dataclass(frozen=True, slots=True)
class Spec:
    """One process: how it is started, and how it is seen to be ready.

    `needs` are the stores that must be ready before it starts; `deadline` is seconds until it must be ready
    itself. Without a `probe` it counts as ready once it runs.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)  # has secrets
    port: int | None = None
    metrics_port: int | None = None
    probe: Literal["redis", "mongodb", "kafka", "http", "grpc"] | None = None
    needs: frozenset[str] = frozenset()
    deadline: float = 120
    release: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The stack: its stores, its services, and what every process of a service is given.

    `environment` is Sentry's; `dsn` is where telemetry goes; `own_stores` are those that it was given the address of;
    `more_ports` are those beside requests and metrics, each with what listens on it.
    """

    stores: Mapping[str, Spec]
    services: Mapping[str, Service]
    version: str
    environment: str
    dsn: str
    own_stores: tuple[str, ...]
    more_ports: Mapping[int, str]
    _given: Mapping[str, Mapping[str, str]] = field(repr=False)
    _offset: int

    @property
    def minisentry(self) -> bool:
        """Whether telemetry stays here."""
        return MINISENTRY in self.services

    def ports(self, service: str) -> tuple[int, int]:
        """The service's own ports: requests, metrics."""
        return self.services[service].port + self._offset, self.services[service].metrics_port + self._offset

    def fronted(self, service: str) -> bool:
        """Whether a port in front of its processes shares its connections out: browsers look nothing up."""
        return self.services[service].pages is not None

    def instance(
        self,
        service: str,
        name: str,
        release: str,
        env: Mapping[str, str],
        ports: tuple[int, int],
        *,
        sources: Path | None = None,
    ) -> Spec:
        """A process of a service that serves `release` with the variables `env` on `ports`.

        `sources` are found before those of the project.
        """
        kind = self.services[service]
        return Spec(
            name=name,
            command=_module(WEB if kind.pages else service),
            env={
                **self._given[service],
                **env,
                "PORT": str(ports[0]),
                "METRICS_PORT": str(ports[1]),
                "SENTRY_RELEASE": release,
                **({"PYTHONPATH": str(sources)} if sources else {}),
            },
            port=ports[0],
            metrics_port=ports[1],
            probe=kind.protocol,
            # Not the services it calls: all start at once, as they do on Kubernetes, and find each other.
            needs=frozenset(kind.stores) & self.stores.keys(),
            release=release,
        )

    def players(self, rps: float, browsers: int) -> Spec:
        """The load: players that send so many requests a second to the gateway, and so many that play in a browser."""
        gateway = f"http://{HOST}:{self.ports('gateway')[0]}"
        env = {"GATEWAY_URL": gateway, "LOAD_RPS": f"{rps:g}", "LOAD_BROWSERS": str(browsers)}
        if WEB in self.services:
            env["WEB_URL"] = f"http://{HOST}:{self.ports(WEB)[0]}"
        return Spec(LOADGEN, _module(LOADGEN), env)


def plan(
    values: Values,
    environ: Mapping[str, str],
    home: Home,
    sites: Mapping[str, Path] | None = None,
    player: Path | None = None,
) -> Plan:
    """The stack of these values. What `environ` holds of a service's own variables replaces what they say.

    `sites` are the builds of what serves pages; what has none stays out. `player` is the folder of rrweb's player.

    SENTRY_DSN is the team's own Sentry, and then minisentry stays out; so does a store whose address it holds, such as
    REDIS_URL. Raises ValueError for a port offset that is none.
    """
    offset = _offset(environ.get(STACK) or str(OFFSET))
    own = environ.get("SENTRY_DSN") or values.sentry.dsn
    urls = {name: environ.get(_variable(name)) or store.url for name, store in values.stores.items()}
    out = {store.service for name, store in values.stores.items() if urls[name]}
    sites = sites or {}
    out |= {MINISENTRY} if own else set()
    out |= {name for name, service in values.services.items() if service.pages and name not in sites}
    services = {
        name: service.model_copy(
            update={"env": {key: environ.get(key) or _moved(text, offset) for key, text in service.env.items()}}
        )
        for name, service in values.services.items()
        if name not in out
    }
    secrets = home.secrets(secret for service in services.values() for secret in service.secrets)
    ingest = None if own else (services[MINISENTRY].ingest_port or 0) + offset
    dsn = own or f"http://{secrets['MINISENTRY_KEY']}@{HOST}:{ingest}/1"
    browser_dsn = environ.get("BROWSER_DSN") or values.sentry.browser_dsn
    browsers = "" if own else f"http://{secrets['MINISENTRY_BROWSER_KEY']}@{HOST}:{ingest}"
    web_url = environ.get("SENTRY_WEB_URL") or values.sentry.web_url
    if not own and not web_url:
        web_url = f"http://{HOST}:{services[MINISENTRY].port + offset}/organizations/reelback/"
    common = {
        "HOST": HOST,
        "SENTRY_DSN": dsn,
        "SENTRY_ENVIRONMENT": environ.get("SENTRY_ENVIRONMENT") or values.environment,
        "OTLP_ENDPOINT": environ.get("OTLP_ENDPOINT") or values.otlp.endpoint,
        "DRAIN_SECONDS": "0",
    }
    used = sorted({store for service in services.values() for store in service.stores})
    own_stores = tuple(name for name in used if urls[name])
    stores, more_ports = {}, {ingest: f"{MINISENTRY} (telemetry)"} if ingest else {}
    for name in used:
        if name in own_stores:
            continue
        port = values.stores[name].port + offset
        if service := values.stores[name].service:
            urls[name] = f"{access.kind(name)}://{HOST}:{port}"
            more_ports[port] = f"{service} ({name})"
            continue
        password = home.password(name)
        urls[name] = access.url(name, HOST, port, password)
        server = SERVERS[access.kind(name)](HOST, port, home.data(name))
        stores[name] = Spec(
            name,
            server.command,
            {access.VARIABLE: password},
            port,
            probe=server.probe,
            deadline=server.deadline,
            note=server.note,
        )
        if server.inner_port:
            more_ports[server.inner_port] = f"{name} (its own)"
    given = {
        name: {
            **common,
            **{f"{callee.upper()}_TARGET": f"endpoints:{home.endpoints(callee)}" for callee in service.calls},
            **{_variable(store): urls[store] for store in service.stores},
            **({"INGEST_PORT": str(service.ingest_port + offset)} if service.ingest_port else {}),
            **{
                f"{store.upper()}_PORT": str(values.stores[store].port + offset)
                for store in used
                if values.stores[store].service == name
            },
            **{secret: secrets[secret] for secret in service.secrets},
            **(
                {
                    "BROWSER_DSN": browser_dsn or (browsers and f"{browsers}/{service.pages}"),
                    "SENTRY_WEB_URL": web_url,
                    "SITE_FOLDER": str(sites[name]),
                }
                if service.pages
                else {}
            ),
            **({"PLAYER_FOLDER": str(player)} if player and name == MINISENTRY else {}),
        }
        for name, service in services.items()
    }
    environment = common["SENTRY_ENVIRONMENT"]
    return Plan(stores, services, values.version, environment, dsn, own_stores, more_ports, given, offset)


def _variable(store: str) -> str:
    """The variable with the address of a store: REDIS_TELEMETRY_URL."""
    return f"{store.upper().replace('-', '_')}_URL"


def _moved(text: str, offset: int) -> str:
    """A variable's text with the ports of this machine that it names moved as all are."""
    return re.sub(r"\b(127\.0\.0\.1|localhost):(\d+)", lambda found: f"{found[1]}:{int(found[2]) + offset}", text)


def _offset(text: str) -> int:
    if not text.isdecimal() or int(text) > 30_000:
        raise ValueError(f"{STACK}: must be a number from 0 to 30000, not {text!r}")
    return int(text)


def _module(service: str) -> tuple[str, ...]:
    return sys.executable, "-m", f"reelback_{service}"
