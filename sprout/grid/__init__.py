"""Carbon intensity of the electricity grid: records, traces, imports and the yearly table."""
