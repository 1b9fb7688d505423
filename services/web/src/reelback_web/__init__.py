"""Web: the pages of the game as files, their settings, and the way out for what browsers report."""
