"""The environment of minisentry, read once. It does not report to itself: no DSN and no OTLP endpoint here."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, DirectoryPath, Field, RedisDsn, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from reelback_common.settings import Port

from reelback_minisentry.ingest.public_keys import BROWSER_PROJECTS, PublicKeys
from reelback_minisentry.store.records import Kind


def _is_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\w-]{8,}", value.get_secret_value()):
        raise ValueError("must be at least 8 letters, digits, _ and -")
    return value


Key = Annotated[SecretStr, AfterValidator(_is_key)]
"""A DSN's public key."""


class Settings(BaseSettings):
    """HOST, PORT and so on: the variables are the names below, in capitals."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    port: Port
    """The board and Sentry's API."""
    ingest_port: Port
    """Where DSNs lead."""
    metrics_port: Port
    redis_telemetry_url: RedisDsn
    minisentry_token: Annotated[SecretStr, Field(min_length=8)]
    """Who has it may ask the API."""
    minisentry_key: Key
    """The public key of the servers' DSN: what is sent with it counts."""
    minisentry_browser_key: Key | None = None
    """The public key of what passes on what browsers send; it counts for BROWSER_PROJECTS alone."""
    minisentry_projects: dict[str, str] = {"1": "reelback", **BROWSER_PROJECTS}
    """The names of projects, by the id in their DSN, as JSON."""
    minisentry_sender_limit: Annotated[float, Field(ge=1)] = 1000
    """Requests a second of one key at one address; one of 16 KiB counts as two, and so on."""
    player_folder: DirectoryPath | None = None
    """rrweb's player as it was built: rrweb-player.js and style.css. Without it replays are listed and not played."""
    allowed_hosts: str = ""
    """Names of an ingress to the board, with commas between."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 0

    def keys(self) -> PublicKeys:
        """The keys of both kinds."""
        known: dict[str, Kind] = {self.minisentry_key.get_secret_value(): "server"}
        if self.minisentry_browser_key:
            known[self.minisentry_browser_key.get_secret_value()] = "browser"
        return PublicKeys(known)
