"""Judging answers: which level's answer people would prefer, how sure that is, when to ask."""
