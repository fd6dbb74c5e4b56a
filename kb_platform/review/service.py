"""The review service as the platform speaks to it: start a review, withdraw one. Both may be said again, and say nothing twice.

Starting: the id is the opening's (kb_contracts/workflow_ids.py), REJECT_DUPLICATE and USE_EXISTING: one review, however often it is
started. Withdrawing: the update's id is made of the review's, so that a second delivery gets the first one's receipt.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from kb_contracts.cases import ReviewCase
from kb_contracts.decisions import Receipt, Withdrawal
from kb_contracts.names import TASK_QUEUE, WORKFLOW_TYPE, Refusal, UpdateName
from kb_platform.knowledge.errors import ConfigError, KbError, StateError, TransientError
from kb_platform.review.encryption import data_converter

DENIED = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.NOT_FOUND}  # not found: the namespace
ENDED = {Refusal.ALREADY_DECIDED, Refusal.REVIEW_CLOSED}


@dataclass(frozen=True)
class Address:
    """Where the reviews run, and what their payloads are encrypted with."""

    frontend: str
    namespace: str
    tls: bool = False
    api_key: str | None = field(default=None, repr=False)
    keys: dict[str, bytes] | None = field(default=None, repr=False)
    task_queue: str = TASK_QUEUE
    patience: timedelta = timedelta(seconds=10)
    """How long one call may take."""


class ReviewService:
    """One connection to Temporal."""

    def __init__(self, client: Client, address: Address) -> None:
        self._client, self._address = client, address

    @classmethod
    async def connect(cls, address: Address) -> "ReviewService":
        """Return a connection.

        Raises:
            TransientError: Temporal does not answer.
            ConfigError: it does, and refuses this client.
        """
        try:
            client = await Client.connect(
                address.frontend, namespace=address.namespace, tls=address.tls or address.api_key is not None, api_key=address.api_key,
                data_converter=data_converter(address.keys), identity="kb-platform")
        except RuntimeError as error:  # all that the client says of a connection, in words alone
            denied = any(f"code: {status}" in str(error) for status in ("Unauthenticated", "PermissionDenied"))
            raise (refused if denied else unreachable)(address, str(error)) from None
        return cls(client, address)

    async def start(self, case: ReviewCase, review_id: str) -> None:
        """Start a review, or find that it runs or has ended.

        Raises:
            TransientError: Temporal does not answer.
            ConfigError: it refuses this client, or has no such namespace.
            StateError: it refuses this case.
        """
        try:
            await self._client.start_workflow(
                WORKFLOW_TYPE, case, id=review_id, task_queue=self._address.task_queue, rpc_timeout=self._address.patience,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
        except WorkflowAlreadyStartedError:
            return
        except RPCError as error:
            raise self._failure(error) from None

    async def withdraw(self, review_id: str, reason: str, newer: str | None) -> bool:
        """Tell a review that no decision is needed; False where no worker has taken it in yet.

        Raises:
            TransientError: Temporal does not answer.
            ConfigError: it refuses this client, or has no such namespace.
        """
        event = f"withdraw/{review_id}"
        message = Withdrawal(event_id=event, reason=reason, superseded_by=newer)
        handle: Any = self._client.get_workflow_handle(review_id)
        try:
            await handle.execute_update(UpdateName.WITHDRAW, message, id=event, result_type=Receipt, rpc_timeout=self._address.patience)
        except WorkflowUpdateFailedError as error:
            return isinstance(error.cause, ApplicationError) and error.cause.type in ENDED
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            return False
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND and not _lacks_namespace(error):  # it has ended, or was never started
                return True
            raise self._failure(error) from None
        return True

    def _failure(self, error: RPCError) -> KbError:
        said = f"{error.status.name}: {error}"
        if error.status in DENIED:
            return refused(self._address, said)
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return StateError(f"Temporal does not take it ({said})", where=f"namespace {self._address.namespace}")
        return unreachable(self._address, said)


def _lacks_namespace(error: RPCError) -> bool:
    return any(detail.type_url.endswith("NamespaceNotFoundFailure") for detail in error.grpc_status.details)


def refused(address: Address, reason: str) -> ConfigError:
    """Return the error that names a Temporal which answers, and does not let this platform start or end reviews."""
    return ConfigError(
        f"Temporal at {address.frontend} refuses this platform ({reason})", where=f"namespace {address.namespace}",
        expected="a namespace that exists, and a key that may write to it",
        action="check KB_REVIEW_TEMPORAL_NAMESPACE and KB_REVIEW_TEMPORAL_API_KEY; cases wait in the database meanwhile")


def unreachable(address: Address, reason: str) -> TransientError:
    """Return the error that names a Temporal which does not answer."""
    return TransientError(f"Temporal at {address.frontend} does not answer ({reason})", where=f"namespace {address.namespace}",
                          action="start it, or check KB_REVIEW_TEMPORAL_ADDRESS; cases wait in the database meanwhile")
