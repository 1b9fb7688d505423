"""Spans: in the forms that senders have for them, and as a trace."""
