"""What Prometheus is told: counts and times, never an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Histogram("kb_review_gateway_request_seconds", "Requests by route", ["method", "route", "status"], registry=REGISTRY,
                     buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10))
ANSWERS = Counter("kb_review_gateway_answers", "Answers to requests to reviews: accepted, ignored, or the refusal", ["source", "answer"], registry=REGISTRY)
DENIED = Counter("kb_review_gateway_denied", "Attempts denied before any review was asked", ["reason"], registry=REGISTRY)
WAITING = Gauge("kb_review_gateway_waiting_events", "Events that have no answer yet", registry=REGISTRY)
WAITING_AGE = Gauge("kb_review_gateway_oldest_event_seconds", "Age of the oldest of them", registry=REGISTRY)
