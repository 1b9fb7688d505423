"""The environment of minisentry, read once. It does not report to itself: no DSN and no OTLP endpoint here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RedisDsn, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from reelback_common.settings import Port


class Settings(BaseSettings):
    """HOST, PORT, METRICS_PORT, REDIS_URL, MINISENTRY_TOKEN, MINISENTRY_PROJECTS, LOG_LEVEL, DRAIN_SECONDS."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    port: Port
    metrics_port: Port
    redis_url: RedisDsn
    minisentry_token: Annotated[SecretStr, Field(min_length=8)]
    minisentry_projects: dict[str, str] = {"1": "reelback"}
    """The names of projects, by the id in their DSN, as JSON."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 0
