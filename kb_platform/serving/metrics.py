"""What Prometheus is told: counts and times, never a question, a document or a key."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Histogram("kb_serve_request_seconds", "Requests by route", ["method", "route", "status"], registry=REGISTRY,
                     buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10))
QUESTIONS = Counter("kb_serve_questions", "Questions that were answered", ["knowledge_base"], registry=REGISTRY)
TOGETHER = Histogram("kb_serve_questions_together", "How many requests were answered together", registry=REGISTRY, buckets=(1, 2, 4, 8, 16, 32))
WAITING = Gauge("kb_serve_waiting_requests", "Requests that wait for their turn", registry=REGISTRY)
REFUSED = Counter("kb_serve_refused", "Requests refused before any work: no key, no grant, too many, too much to do", ["code"], registry=REGISTRY)
FEEDBACK = Counter("kb_serve_feedback", "Feedback kept", ["knowledge_base"], registry=REGISTRY)
