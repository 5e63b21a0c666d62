"""Arithmetic on tensors: attention over packed rows, fused layers, losses, recomputation.

`acceleration` chooses between them for a machine."""
