"""The environment of a service, read once and refused by name."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from sentry_sdk.utils import Dsn

from reelback_common import faults

Secret = Annotated[SecretStr, Field(min_length=32)]
"""A secret that is made up, not chosen."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port; 0 takes a free one."""

T = TypeVar("T", bound=BaseSettings)


class ServiceSettings(BaseSettings):
    """The variables every service has; a service adds its own in a subclass. An empty variable counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    port: Port
    metrics_port: Port
    sentry_dsn: str = ""
    sentry_release: str = ""
    sentry_environment: str = "local"
    otlp_endpoint: str = ""
    otel_sdk_disabled: bool = False
    traces_sample_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    profiles: bool = False
    grpc_reflection: bool = False
    reelback_faults: dict[str, float] = {}
    debug_token: Secret | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 0

    @field_validator("sentry_dsn")
    @classmethod
    def _is_dsn(cls, value: str) -> str:
        if value:
            Dsn(value)  # raises BadDsn, a ValueError, which says what is missing
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("not an HTTP URL")
        return value

    @field_validator("reelback_faults")
    @classmethod
    def _known_faults(cls, values: dict[str, float]) -> dict[str, float]:
        return faults.check(values)


def load(cls: type[T]) -> T:
    """The settings of this process, from its environment and from files of the same names in SECRETS_DIR.

    A bad variable ends it: one line a variable on stderr, exit status 2.
    """
    try:
        return cls(_secrets_dir=os.environ.get("SECRETS_DIR"))
    except ValidationError as error:
        lines = [f"{str(e['loc'][0]).upper() if e['loc'] else cls.__name__}: {e['msg']}" for e in error.errors()]
    except SettingsError as error:  # a value that is not even JSON; the text names the field in quotes
        field = str(error).split('"')[1]
        lines = [f"{field.upper()}: not valid JSON"]
    print("\n".join(lines), file=sys.stderr)
    raise SystemExit(2)
