"""Redis: what is written into it, what bounds it, and what is read from it."""
