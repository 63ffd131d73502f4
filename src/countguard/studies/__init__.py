"""Whole studies: recipes, their cells, and running them."""
