"""How far rows are from other classes: exactly, by bounds, and by attacks."""
