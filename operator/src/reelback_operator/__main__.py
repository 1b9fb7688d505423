"""The operator on Kubernetes: `python -m reelback_operator`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Annotated, Literal

import kopf
from httpx2 import HTTPError
from lightkube import AsyncClient, ConfigError
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelback_operator import scrapes
from reelback_operator.controller import Controller
from reelback_operator.engine.model.bounds import NARROW, Bounds
from reelback_operator.handlers import registry_of
from reelback_operator.platforms.kubernetes import KubernetesPlatform
from reelback_operator.platforms.manifests import FIELD_MANAGER
from reelback_operator.runner import Runner
from reelback_operator.sentry import Sentry
from reelback_operator.store import GROUP, PLURAL, Resource, Store

# How long a definition that was installed a moment ago may take to be served.
CRD_SECONDS = 20.0
# They tell of every request and every event.
CHATTY = ("aiohttp.access", "httpx2", "kopf.objects")
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """The variables of the operator; those of Sentry have sentry-cli's names. An empty variable counts as unset.

    What is no variable is looked for in files of the same names in SECRETS_DIR.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    port: Port = 8080
    metrics_port: Port = 9080
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    watch_namespace: str = Field(default="", description="empty for the operator's own, * for all")
    pod_name: str = "reelback-operator"
    board_url: str = Field(default="", description="Sentry or the release board as a browser reaches it")
    sentry_url: str
    sentry_org: str
    sentry_project: str
    sentry_auth_token: str
    sentry_environment: str
    allowed_variables: tuple[str, ...] = tuple(NARROW.variables)
    allowed_images: tuple[str, ...] = tuple(NARROW.images)


async def run(settings: Settings) -> None:
    """Watch scenarios until SIGTERM."""
    everywhere = settings.watch_namespace == "*"
    sentry_settings = (
        settings.sentry_url,
        settings.sentry_org,
        settings.sentry_project,
        settings.sentry_auth_token,
        settings.sentry_environment,
    )
    async with (
        AsyncClient(field_manager=FIELD_MANAGER) as client,
        Sentry(*sentry_settings, web_url=settings.board_url) as sentry,
    ):

        def controller_of(resource: Resource) -> Controller:
            platform = KubernetesPlatform(client, resource.namespace, resource.owner)
            return Controller(platform, sentry, settings.board_url, bounds)

        bounds = Bounds(settings.allowed_variables, settings.allowed_images)
        store = Store(client, settings.pod_name)
        namespace = settings.watch_namespace or client.namespace
        if not await store.served(namespace, CRD_SECONDS):
            raise SystemExit(f"the CRD {PLURAL}.{GROUP} is not installed in this cluster")
        runner = Runner(store, controller_of)
        async with await scrapes.serve(settings.host, settings.metrics_port):
            await kopf.operator(
                registry=registry_of(runner),
                standalone=True,
                clusterwide=everywhere,
                namespaces=[] if everywhere else [namespace],
                liveness_endpoint=f"http://{settings.host}:{settings.port}/healthz",
            )


def main() -> None:
    """Read the settings, refuse bad ones by name, run."""
    try:
        settings = Settings(_secrets_dir=os.environ.get("SECRETS_DIR"))
    except ValidationError as error:
        for problem in error.errors():
            print(f"{str(problem['loc'][0]).upper()}: {problem['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
    kopf.configure(
        debug=settings.log_level == "DEBUG",
        quiet=settings.log_level in ("WARNING", "ERROR"),
        log_format=kopf.LogFormat.JSON,
    )
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(run(settings))
    except ConfigError as error:
        raise SystemExit(f"no cluster: {error}") from None
    except (OSError, HTTPError) as error:  # a port in use, an API server that does not answer
        raise SystemExit(f"{type(error).__name__}: {error}") from None


if __name__ == "__main__":
    main()
