"""What a counter looks at."""
