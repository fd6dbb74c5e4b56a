"""The review worker: a process of its own that carries reviews by people through days, on Temporal.

It knows the platform only by `kb_contracts`. Read `workflows/human_review.py` first.
"""
