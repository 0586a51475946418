"""Instances as pods: watches what the operator declares, asks for pods by a number, and talks to their agents."""
