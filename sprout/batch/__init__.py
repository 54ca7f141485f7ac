"""The files of a batch: prompts in, answers and failed lines out."""
