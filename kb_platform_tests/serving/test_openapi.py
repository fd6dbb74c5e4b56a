"""Requests of every kind that the OpenAPI description allows, and of every kind that it does not: the server answers each as it says, and never fails."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from kb_platform_tests.serving.apis import TIMEOUT, Api
from kb_platform_tests.serving.conftest import WARDS

CHECKS: list[Any] = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.mark.parametrize("examples", [8, pytest.param(100, marks=pytest.mark.endurance)])
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_as_it_says(open_api: Api, mode: GenerationMode, examples: int) -> None:
    """`examples` of each operation."""
    schema = schemathesis.openapi.from_url(f"{open_api.url}/v1/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 8
    for operation in operations:
        _try(operation, mode, examples, {})
        if operation.path_parameters and mode is GenerationMode.POSITIVE:
            _try(operation, mode, examples, {"kb": WARDS})


def _try(operation: Any, mode: GenerationMode, examples: int, known: dict[str, str]) -> None:
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.path_parameters):
        return  # nothing of it can be wrong

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=known or None) if known else operation.as_strategy(generation_mode=mode), _seed=st.none())
    def answers(case: Any, _seed: None) -> None:
        case.validate_response(case.call(timeout=TIMEOUT), checks=CHECKS)

    answers()
