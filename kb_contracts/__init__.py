"""The wire between the platform, the review worker and its gateway: messages, names, the workflow-id rule.

Messages lie in Temporal's history for weeks and are read by another release than the one that wrote them. So:

- fields are only ever added, with a default; a renamed field is a new field, and a change of meaning is a new workflow type;
- unknown fields are ignored on read, so that an older reader takes what a newer writer sends;
- a value that a reader does not know (a new verdict) is an error: nobody may act on a decision that they do not understand;
- `schema_version` says which shape the writer knew. It is there for people and for queries; no reader refuses a higher one;
- a JSON sample of each released shape is kept and must still parse (`kb_review_worker_tests/contracts/samples`).

pydantic and the standard library only.
"""
