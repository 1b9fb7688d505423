"""minisentry: Sentry's ingest and the part of its API that a rollout needs, for people without a Sentry account."""
