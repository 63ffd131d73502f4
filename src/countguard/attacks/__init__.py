"""Backdoor attacks on training crowds: a trigger times a strategy at a rate."""
