"""Energy counters, and the curve that their samples draw."""
