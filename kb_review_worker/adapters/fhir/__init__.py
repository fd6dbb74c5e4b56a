"""The EHR as the task system: FHIR R4 `Task` over HTTP (hl7.org/fhir/R4/task.html)."""
