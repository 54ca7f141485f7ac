"""llama.cpp by its C functions; `library` has them, and nothing outside this folder uses it."""
