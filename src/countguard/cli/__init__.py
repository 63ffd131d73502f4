"""The command line."""

from countguard.cli.app import app, main

__all__ = ["app", "main"]
