"""The mayfly command: arguments and printing only."""
