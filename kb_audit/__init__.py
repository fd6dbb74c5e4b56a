"""The audit trail as a chain of hashes, sealed by a key outside the database: how it is written down, and how anybody checks it.

The worker appends, the `kb audit` command verifies, and neither imports the other: both import this. Read `chain.py` first.
"""
