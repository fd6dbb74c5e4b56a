"""`python -m kb_review_worker.gateway`."""

from kb_review_worker.gateway.process import command

command()
