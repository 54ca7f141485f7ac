"""Engines turn requests into answers: llama.cpp with continuous batching, or a recording."""
