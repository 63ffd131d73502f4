"""Tables of a run, as CSV, LaTeX and HTML."""
