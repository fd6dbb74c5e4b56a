"""Which build new reviews begin on. Running ones stay on theirs (PINNED), so an old worker runs on until its reviews have ended."""

import asyncio
import logging

from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest, SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from kb_contracts.names import DEPLOYMENT

LOG = logging.getLogger(__name__)
NOT_YET = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
ATTEMPTS, PAUSE = 100, 0.1  # a build is known to the server soon after its first poll


async def make_current(client: Client, build: str, *, always: bool) -> None:
    """Make a build that polls the current one: always, or only if the deployment has none, without which no review would begin."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            current = await _current(client)
            if current and (current == build or not always):
                LOG.info("new reviews begin on build %s", current)
                return
            await client.workflow_service.set_worker_deployment_current_version(SetWorkerDeploymentCurrentVersionRequest(
                namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build, identity=client.identity,
            ))
        except RPCError as error:
            if error.status not in NOT_YET or attempt == ATTEMPTS:
                raise
            await asyncio.sleep(PAUSE)
        else:
            LOG.info("new reviews begin on this build")
            return


async def _current(client: Client) -> str:
    described = await client.workflow_service.describe_worker_deployment(
        DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=DEPLOYMENT))
    return described.worker_deployment_info.routing_config.current_deployment_version.build_id
