"""Sums over rows: means, Gram matrices, and sums of powers that contain them."""
