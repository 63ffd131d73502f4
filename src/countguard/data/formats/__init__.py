"""Data sets of the field, one file a format; `countguard.data.sources` knows all of them."""
