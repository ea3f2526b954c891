"""Polynomial students as exact sums of products, for formulas and Shapley values."""
