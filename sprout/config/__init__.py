"""Settings and keys: what can be set, and where its value comes from."""
