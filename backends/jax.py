"""Placeholder while its author writes it."""
