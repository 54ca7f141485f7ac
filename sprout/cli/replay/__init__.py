"""`sprout replay`: what a policy would have done in recorded hours."""
