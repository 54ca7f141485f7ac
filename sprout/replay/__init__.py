"""Replaying recorded hours under any scheme: section 5 of the paper, and beyond."""
