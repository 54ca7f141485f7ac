"""`sprout run`: serve a batch of prompts."""
