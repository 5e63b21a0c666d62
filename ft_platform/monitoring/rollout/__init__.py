"""Releases put on a target, rollouts that this process conducts, and the way back."""
