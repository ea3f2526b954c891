"""Filters on images: how they are found, where they are placed, and their pooled responses."""
