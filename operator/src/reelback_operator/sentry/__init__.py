"""A client for the part of Sentry's API that a rollout needs: sentry.io, self-hosted and minisentry alike."""

from reelback_operator.sentry.api import SentryError
from reelback_operator.sentry.client import Sentry

__all__ = ["Sentry", "SentryError"]
