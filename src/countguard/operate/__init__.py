"""What an operator does with one counter: train it, measure it, repair it, count with it."""
