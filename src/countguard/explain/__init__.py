"""Explanations: where in a picture a counter sees people."""
