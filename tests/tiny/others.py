"""Families that the generic adapter takes."""

RECIPES = {}
