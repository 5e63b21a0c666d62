"""Texts repaired and unusable records removed, each with its reason."""
