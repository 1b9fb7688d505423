"""Web and admin: their pages as files, the settings of these, and the way out for what browsers report."""
