"""`python -m kb_review_worker`."""

from kb_review_worker.process import command

command()
