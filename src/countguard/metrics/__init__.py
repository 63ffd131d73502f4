"""How well a counter counts, how well an attack on it works, and how sure that is."""
