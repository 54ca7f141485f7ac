"""Planning: which level serves what, and when; one linear programme, many schemes."""
