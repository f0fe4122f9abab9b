"""Data that ship inside the package."""
