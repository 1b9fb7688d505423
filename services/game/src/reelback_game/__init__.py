"""The slot machine and its rounds."""
