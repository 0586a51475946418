"""HTTP in, invocation out."""
