"""Instances as processes on this machine."""
