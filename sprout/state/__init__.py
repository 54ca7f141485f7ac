"""The state store: one SQLite file that every command shares, and the only SQL of the package."""
