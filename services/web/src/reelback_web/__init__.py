"""Web: the pages of the game or of the back office as files, their settings, and the way out for what browsers report."""
