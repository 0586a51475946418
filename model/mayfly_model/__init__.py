"""The nouns that every part of Mayfly agrees on: plain data, no I/O, no framework."""
