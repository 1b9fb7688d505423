"""A mail server for those without one: it takes every message, and shows it in a browser."""
