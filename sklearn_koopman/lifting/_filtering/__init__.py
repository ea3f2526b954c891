"""Filters on images: which there are, where they are laid, and their responses, pooled."""
