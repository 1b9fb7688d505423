"""Replays: what somebody saw and did in a browser."""
