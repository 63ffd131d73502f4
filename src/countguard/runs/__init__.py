"""The folder of a run, written and read by the same code."""
