{{/*
What Dagster's launcher gives the pod of every run of this code location, and runs give their steps' pods.

Dagster reads it from DAGSTER_CONTAINER_CONTEXT of the code location, so that it needs no copy in the values of Dagster's own chart.
*/}}
{{- define "kb.containerContext" -}}
{{- $variables := include "kb.platformEnvironment" . | fromYamlArray -}}
{{- $resources := deepCopy .Values.runs.resources -}}
{{- if include "kb.stepsInPods" . -}}
{{- /* Put together with what a step asks for: a limit that it does not name could be lower than what it asks for. */ -}}
{{- $_ := unset $resources.limits "cpu" -}}
{{- end -}}
{{- $container := dict
  "env" (concat $variables .Values.runs.extraEnv)
  "volume_mounts" (include "kb.platformMounts" . | fromYamlArray)
  "resources" $resources
  "security_context" .Values.containerSecurityContext -}}
{{- with include "kb.platformEnvironmentSources" . | fromYamlArray -}}
{{- $_ := set $container "env_from" . -}}
{{- end -}}
{{- $pod := include "kb.podSpec" (list . .Values.runs) | fromYaml -}}
{{- $_ := set $pod "volumes" (include "kb.platformVolumes" . | fromYamlArray) -}}
{{- $metadata := dict "labels" (merge (dict "kb-platform/release" .Release.Name "kb-platform/calls-api" "true") .Values.runs.podLabels .Values.commonLabels) -}}
{{- with .Values.runs.podAnnotations -}}
{{- $_ := set $metadata "annotations" . -}}
{{- end -}}
{{- dict "k8s" (dict
  "namespace" .Release.Namespace
  "service_account_name" (include "kb.serviceAccount" (list . "run"))
  "image_pull_policy" .Values.images.pullPolicy
  "run_k8s_config" (dict
    "container_config" $container
    "pod_spec_config" $pod
    "pod_template_spec_metadata" $metadata
    "job_spec_config" (dict "ttl_seconds_after_finished" (int .Values.runs.ttlSecondsAfterFinished)))) | toJson -}}
{{- end -}}
