"""Training a counter on crowds."""
