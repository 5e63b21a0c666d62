"""A Merkle tree of entries that grows (RFC 6962, 2.1), kept as the roots of its full subtrees, the largest first.

Any witness of transparency logs computes the same root."""

import hashlib


def leaf(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def add(tree: list[bytes], size: int, hashed: bytes) -> None:
    """Adds a leaf to a tree that has `size` leaves."""
    while size & 1:
        hashed = _node(tree.pop(), hashed)
        size >>= 1
    tree.append(hashed)


def root(tree: list[bytes]) -> bytes:
    if not tree:
        return hashlib.sha256().digest()
    found = tree[-1]
    for left in reversed(tree[:-1]):
        found = _node(left, found)
    return found


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
