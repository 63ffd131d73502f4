"""The page to try counters on."""
