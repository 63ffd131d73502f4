"""Repairs: an attacked counter and clean crowds in, a repaired counter out."""
