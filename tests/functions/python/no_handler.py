"""A module without the function that its handler setting names."""
