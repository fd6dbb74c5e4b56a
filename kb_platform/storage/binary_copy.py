"""Values in the format of Postgres' binary COPY, for the two types whose text is slow to write and slow to read.

A chunk has some 70 terms and as many weights: as text they are most of what writing an index costs the two processors.
"""

from collections.abc import Sequence

import numpy as np

from kb_platform.storage.search import TERM_SPACE

INT4_OID = 23


def int_array(values: Sequence[int]) -> bytes:
    """Return an `int[]` without nulls (array_send in Postgres' arrayfuncs.c)."""
    if not values:
        return np.array([0, 0, INT4_OID], ">i4").tobytes()
    items = np.empty((len(values), 2), ">i4")
    items[:, 0], items[:, 1] = 4, values  # each with its length in bytes
    return np.array([1, 0, INT4_OID, len(values), 1], ">i4").tobytes() + items.tobytes()


def sparse_vector(terms: Sequence[int], weights: Sequence[float]) -> bytes:
    """Return a `sparsevec` over the term ids, ascending from 1 (sparsevec_send in pgvector's sparsevec.c counts from 0)."""
    header = np.array([TERM_SPACE, len(terms), 0], ">i4")
    return header.tobytes() + (np.array(terms, ">i4") - 1).astype(">i4").tobytes() + np.array(weights, ">f4").tobytes()
