"""One user's list as a few hundred bytes.

A record is a header of 12 bytes (version, layout, length, best score, step between scores), the items' rows in a table
that the whole generation shares, a byte for each score, and a checksum of 4 bytes. Little-endian throughout.
Decoding runs no code and trusts nothing: a damaged record is an error, never another list.
"""
from __future__ import annotations

import struct
import zlib

import numpy as np

from ..errors import CorruptRecord, InvalidInput

VERSION = 1
_HEADER = struct.Struct("<BBHff")
# The checksum stands at the end: bytes that are followed by their own CRC-32 all have the same CRC-32.
_CHECKSUM, _RESIDUE = 4, 0x2144DF1C
_ROWS = {2: np.dtype("<u2"), 4: np.dtype("<u4")}
# Layouts: how many bits the row of an item takes. 20 bits are 16 bits and a shared byte for every two items.
_SHORT, _MIDDLE, _LONG = 16, 20, 32
_LARGEST = float(np.finfo(np.float32).max) / 2
# The high bits of two rows that share a byte.
_HIGH = np.stack([np.arange(256) & 15, np.arange(256) >> 4], axis=1).astype(np.uint32) << 16


def encode(rows: np.ndarray, scores: np.ndarray, n_items: int) -> list[bytes]:
    """Encode a batch of lists.

    Parameters
    ----------
    rows : array-like of int, shape (n_users, n)
        Positions in the table of items, best first; n from 1 to 65,535.
    scores : array-like of float, shape (n_users, n)
        Never rising within a list; −inf from where a list is exhausted (its rows are ignored from there on).
    n_items : int
        Length of the table.

    Returns
    -------
    list of bytes, length n_users
        16 bytes and 3 for each item of a table up to 65,536 items, 3.5 up to 1,048,576, and 5 beyond.

    Raises
    ------
    InvalidInput
        For rows outside the table, and for scores that are NaN, rise, or do not fit into single precision.
    """
    rows, scores = np.asarray(rows, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    if rows.ndim != 2 or rows.shape != scores.shape or not 0 < rows.shape[1] < 2**16:
        raise InvalidInput(f"rows and scores must be 2-D and alike, got {rows.shape}, {scores.shape}: a row a user")
    present = scores != -np.inf
    if not (np.abs(scores[present]) <= _LARGEST).all():
        raise InvalidInput("scores holds NaN or values beyond single precision: they can't be stored; rescale them")
    rows, lengths = np.where(present, rows, 0), present.sum(axis=1)
    if (np.diff(np.maximum(scores, -2 * _LARGEST), axis=1) > 0).any():
        raise InvalidInput("scores rise within a list: pass the best item first, exhausted places (−inf) last")
    if rows.size and not 0 <= rows.min() <= rows.max() < n_items:
        raise InvalidInput(f"rows must lie in 0 … {n_items - 1}, got {rows.min()} … {rows.max()}: use the table's rows")
    layout = _SHORT if n_items <= 2**16 else _MIDDLE if n_items <= 2**20 else _LONG
    best = np.where(lengths > 0, scores[:, 0], 0.0)
    scores = np.where(present, scores, best[:, None])
    step = (best - scores.min(axis=1)) / 255
    steps_down = (best[:, None] - scores) / np.where(step > 0, step, 1.0)[:, None]
    quantised = np.rint(steps_down).astype(np.uint8)
    low = rows.astype(_ROWS[4 if layout == _LONG else 2])  # the low bits
    shared = rows >> 16
    shared = np.pad(shared, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    shared = (shared[:, :, 0] | shared[:, :, 1] << 4).astype(np.uint8)
    records = []
    for i, n in enumerate(lengths.tolist()):
        high = shared[i, : (n + 1) // 2].tobytes() if layout == _MIDDLE else b""
        body = low[i, :n].tobytes() + high + quantised[i, :n].tobytes()
        record = _HEADER.pack(VERSION, layout, n, best[i], step[i]) + body
        records.append(record + zlib.crc32(record).to_bytes(_CHECKSUM, "little"))
    return records


def decode(record: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Rows and scores of one list.

    Returns
    -------
    rows : ndarray of unsigned integers, shape (n,)
    scores : ndarray of float32, shape (n,)
        Off by at most 1/510 of the distance between the list's best and last score.

    Raises
    ------
    CorruptRecord
        For damaged bytes and for a record of another version.
    """
    if len(record) < _HEADER.size + _CHECKSUM or zlib.crc32(record) != _RESIDUE:
        raise CorruptRecord(f"record of {len(record)} bytes: its checksum does not fit; write the generation again")
    version, layout, n, best, step = _HEADER.unpack_from(record)
    if version != VERSION or layout not in (_SHORT, _MIDDLE, _LONG):
        raise CorruptRecord(f"record of version {version}, layout {layout}: this code reads {VERSION}; update it")
    width = 4 if layout == _LONG else 2
    rows, start = np.frombuffer(record, _ROWS[width], n, _HEADER.size), _HEADER.size + width * n
    if layout == _MIDDLE:
        rows = _HIGH.take(np.frombuffer(record, np.uint8, (n + 1) // 2, start), axis=0).ravel()[:n] + rows
        start += (n + 1) // 2
    scores = np.frombuffer(record, np.uint8, n, start).astype(np.float32)
    scores *= -step
    scores += best
    return rows, scores
