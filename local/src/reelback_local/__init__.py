"""The embedded default: the whole stack as processes of this machine, owned by one supervisor."""
