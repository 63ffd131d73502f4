"""Crowd counters, and how they are built, saved and loaded."""
