"""Students of polynomials, exactly: as sums of products, for formulas and Shapley values."""
