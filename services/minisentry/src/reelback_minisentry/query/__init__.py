"""Questions about what was counted: Sentry's search language, its datasets and its aggregates."""
