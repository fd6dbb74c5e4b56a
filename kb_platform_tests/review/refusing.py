"""A server that speaks gRPC as Temporal's frontend does, and refuses what it is told to: there is no real one that does on demand."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest, StartWorkflowExecutionResponse


class _Frontend(grpc.GenericRpcHandler):
    def __init__(self, refuse: Callable[[str, str], grpc.StatusCode | None]) -> None:
        self.refuse = refuse

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        call = handler_call_details.method.rsplit("/", 1)[-1]  # pyright: ignore[reportAttributeAccessIssue]

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            starts = call == "StartWorkflowExecution"
            if status := self.refuse(call, StartWorkflowExecutionRequest.FromString(request).workflow_id if starts else ""):
                context.abort(status, "said so")
            return StartWorkflowExecutionResponse(run_id="run").SerializeToString() if starts else b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def frontend(refuse: Callable[[str, str], grpc.StatusCode | None]) -> Iterator[str]:
    """Yield the address of a frontend that asks `refuse` about each call and the id of the review that it starts."""
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Frontend(refuse),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
