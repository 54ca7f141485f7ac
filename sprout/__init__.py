"""Sprout: carbon-friendly LLM batches on llama.cpp."""

__version__ = "0.1.0"
