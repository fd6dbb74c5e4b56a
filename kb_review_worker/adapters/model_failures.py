"""What a failed request to a model is worth: the table behind `draft_brief` in retries.py.

    what came back                              becomes          tried again
    no connection, reset, no answer in time     LlmTransient     yes
    408, 502, 503, 504, 529                     LlmTransient     yes, as Retry-After says if it does
    429                                         LlmRateLimited   yes, as Retry-After says, else by the policy
    429 with code insufficient_quota            LlmBudget        no
    401, 403                                    LlmAuth          no
    400, 404, 422, 500 and any other status     LlmModelError    no: a model that fails on a prompt fails on it again
    cut off, refused, not the asked-for JSON    LlmModelError    no

Messages name a status, never a body: it may quote the prompt, and Temporal keeps it.
"""

import openai
from temporalio.exceptions import ApplicationError

from kb_review_worker.adapters.retry_headers import retry_after

GATEWAYS = frozenset({408, 502, 503, 504, 529})


def failure(error: openai.OpenAIError) -> ApplicationError:
    """Return what the activity raises for an error of the client."""
    if isinstance(error, openai.APITimeoutError):  # a kind of APIConnectionError: first
        return ApplicationError("the model did not answer in time", type="LlmTransient")
    if isinstance(error, openai.APIConnectionError):
        return ApplicationError("the connection to the model failed", type="LlmTransient")
    if not isinstance(error, openai.APIStatusError):
        return model_error(type(error).__name__)
    return _of_status(error)


def _of_status(error: openai.APIStatusError) -> ApplicationError:
    status, wait = error.status_code, retry_after(error.response.headers)
    if status == 429:
        if error.code == "insufficient_quota":
            return ApplicationError("429: the quota is used up", type="LlmBudget", non_retryable=True)
        return ApplicationError("429: rate limited", type="LlmRateLimited", next_retry_delay=wait)
    if status in GATEWAYS:
        return ApplicationError(f"{status} before the model", type="LlmTransient", next_retry_delay=wait)
    if status in {401, 403}:
        return ApplicationError(f"{status}: check KB_REVIEW_BRIEF_API_KEY", type="LlmAuth", non_retryable=True)
    return model_error(f"{status} from the model")


def model_error(found: str) -> ApplicationError:
    """Return the failure of a request that reached the model and came to nothing."""
    return ApplicationError(found, type="LlmModelError", non_retryable=True)
