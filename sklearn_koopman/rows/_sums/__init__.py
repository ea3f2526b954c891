"""What is summed over rows: means, Gram matrices, and sums of powers that these are read from."""
