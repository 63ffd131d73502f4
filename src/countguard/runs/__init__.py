"""The folder of a run: what is in it, written and read by the same code."""
