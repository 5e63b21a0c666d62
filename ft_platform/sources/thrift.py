"""Thrift's compact protocol, as far as Parquet uses it: structs as mappings of field numbers, read within bounds.

Source: Apache Thrift, `doc/specs/thrift-compact-protocol.md`.
"""

from typing import Any

MOST_DEPTH = 24
MOST_ITEMS = 1_000_000
"""Items of one list: the limit of Thrift's own readers."""


class BrokenStruct(ValueError):
    """Bytes that are no such struct."""


def read_struct(data: memoryview, place: int = 0) -> tuple[dict[int, Any], int]:
    """Fields by their number, and the place behind them. Strings are bytes; doubles and UUIDs are left out (None).

    Raises:
        EOFError: the data ends before the struct does.
        BrokenStruct: they are no struct.
    """
    try:
        return _struct(data, place, 0)
    except IndexError:
        raise EOFError from None


def _struct(data: memoryview, place: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth > MOST_DEPTH:
        raise BrokenStruct("nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while (head := data[place]) != 0:
        place += 1
        if head >> 4:
            number += head >> 4
        else:
            number, place = _integer(data, place)
        kind = head & 15
        if kind in (1, 2):
            fields[number] = kind == 1
        else:
            fields[number], place = _value(data, place, kind, depth)
    return fields, place + 1


def _value(data: memoryview, place: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (4, 5, 6):
        return _integer(data, place)
    if kind == 8:
        length, place = _unsigned(data, place)
        if place + length > len(data):
            raise EOFError
        return bytes(data[place : place + length]), place + length
    if kind == 12:
        return _struct(data, place, depth + 1)
    if kind == 9 or kind == 10:
        return _list(data, place, depth + 1)
    if kind in (1, 2):  # of a list: a byte each
        return data[place] == 1, place + 1
    if kind == 3:
        return data[place], place + 1
    if kind == 7 or kind == 13:
        return None, place + (8 if kind == 7 else 16)
    raise BrokenStruct("a field of a kind that it cannot have")


def _list(data: memoryview, place: int, depth: int) -> tuple[list[Any], int]:
    if depth > MOST_DEPTH:
        raise BrokenStruct("nested too deeply")
    size, kind = data[place] >> 4, data[place] & 15
    place += 1
    if size == 15:
        size, place = _unsigned(data, place)
    if size > MOST_ITEMS:
        raise BrokenStruct("a list that is too long")
    items = []
    for _ in range(size):
        item, place = _value(data, place, kind, depth)
        items.append(item)
    return items, place


def _integer(data: memoryview, place: int) -> tuple[int, int]:
    zigzag, place = _unsigned(data, place)
    return (zigzag >> 1) ^ -(zigzag & 1), place


def _unsigned(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = data[place]
        place += 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise BrokenStruct("a number that is too long")
