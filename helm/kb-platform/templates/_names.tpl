{{- define "kb.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "kb.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "kb.name" . -}}
{{- (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: selectors of Deployments may not. Takes (list $ component). */}}
{{- define "kb.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "kb.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "kb.labels" -}}
{{- $root := index . 0 -}}
{{ include "kb.selector" . }}
app.kubernetes.io/part-of: {{ include "kb.name" $root }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Takes (list $ component), and makes name, namespace and labels of an object. */}}
{{- define "kb.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "kb.fullname" $root }}-{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "kb.labels" . | nindent 2 }}
{{- end -}}

{{/* Takes (list $ kind): code, run, step or review. */}}
{{- define "kb.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $account := index $root.Values.serviceAccounts (index . 1) -}}
{{- $account.name | default ($account.create | ternary (printf "%s-%s" (include "kb.fullname" $root) (index . 1)) "default") -}}
{{- end -}}

{{/* Takes (list $ image), and wants a tag that says what it is. */}}
{{- define "kb.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $tag := $image.tag | default $root.Chart.AppVersion -}}
{{- if and (eq $tag "latest") (not $image.digest) -}}
{{- fail (printf "image %s: the tag `latest` says nothing of what runs: name a version, or a digest" $image.repository) -}}
{{- end -}}
{{- $name := $root.Values.images.registry | empty | ternary $image.repository (printf "%s/%s" (trimSuffix "/" $root.Values.images.registry) $image.repository) -}}
{{- $image.digest | empty | ternary (printf "%s:%s" $name $tag) (printf "%s@%s" $name $image.digest) -}}
{{- end -}}

{{/* Whether this release itself makes the database or its Secrets: then nothing can be migrated before it. */}}
{{- define "kb.bringsItsOwn" -}}
{{- if or .Values.postgresCluster.enabled .Values.externalSecrets.enabled -}}true{{- end -}}
{{- end -}}

{{- define "kb.stepsInPods" -}}
{{- if eq .Values.runs.steps "kubernetes" -}}true{{- end -}}
{{- end -}}

{{- define "kb.gpuPriorityClass" -}}
{{- printf "%s-%s-gpu" (include "kb.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "kb.objectsClaim" -}}
{{- .Values.objectStore.volume.existingClaim | default (printf "%s-objects" (include "kb.fullname" .)) -}}
{{- end -}}

{{- define "kb.gatewayIsTrial" -}}
{{- if not .Values.gateway.oidc.issuer -}}true{{- end -}}
{{- end -}}

{{- define "kb.gatewayListens" -}}
{{- .Values.gateway.listen | default (or (include "kb.gatewayIsTrial" .) .Values.hostNetwork | empty | ternary "0.0.0.0" "127.0.0.1") -}}
{{- end -}}

{{- define "kb.codeListens" -}}
{{- .Values.codeLocation.listen | default (.Values.hostNetwork | ternary "127.0.0.1" "0.0.0.0") -}}
{{- end -}}

{{- define "kb.servingListens" -}}
{{- .Values.serving.listen | default (.Values.hostNetwork | ternary "127.0.0.1" "0.0.0.0") -}}
{{- end -}}

{{- define "kb.monitorListens" -}}
{{- .Values.monitoring.listen | default (.Values.hostNetwork | ternary "127.0.0.1" "0.0.0.0") -}}
{{- end -}}
