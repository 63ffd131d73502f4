"""The figures of a run, one file each, drawn from its folder alone."""
