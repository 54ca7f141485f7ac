"""What a run came to: the arithmetic, and how people see it."""
