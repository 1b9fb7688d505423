"""Arithmetic on what was counted: durations, metrics, sampled requests. No I/O, and nothing of what is stored where."""
