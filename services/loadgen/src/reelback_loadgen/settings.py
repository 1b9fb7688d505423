"""The variables of the load generator."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LoadSettings(BaseSettings):
    """Where the players go, how many requests a second they send in all, and for how long (for ever if unset).

    Beside them `load_browsers` play in a Chromium at `web_url`, where there is one. Where the pages have another
    address for the world outside, `web_shown_as` is that.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    gateway_url: Annotated[str, Field(pattern="^https?://")]
    load_rps: Annotated[float, Field(gt=0, le=10_000)] = 10
    load_browsers: Annotated[int, Field(ge=0, le=20)] = 0
    web_url: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    web_shown_as: Annotated[str, Field(pattern="^(https?://.*)?$")] = ""
    load_seconds: Annotated[float, Field(gt=0)] | None = None
