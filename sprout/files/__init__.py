"""Whole text files: read, written, and the TOML in them."""
