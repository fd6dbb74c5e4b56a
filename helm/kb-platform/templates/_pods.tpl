{{/* Where and as whom a pod runs. Takes (list $ part), the part with nodeSelector, tolerations and so on. */}}
{{- define "kb.podSpec" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
enableServiceLinks: false
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $root.Values.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with index $part $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A kubelet's probe goes to the pod's address, unless a server in the node's network listens on another one. Takes (list $ listens). */}}
{{- define "kb.probeHost" -}}
{{- if (index . 0).Values.hostNetwork }}
host: {{ include "kb.answersOn" (index . 1) | quote }}
{{- end }}
{{- end -}}

{{/* Where a server answers that listens on an address: loopback, where it listens on all. */}}
{{- define "kb.answersOn" -}}
{{- if eq . "0.0.0.0" -}}127.0.0.1{{- else if eq . "::" -}}::1{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* In the node's network a pod's ports are the node's: the old pod has to leave them before a new one finds a node. */}}
{{- define "kb.strategy" -}}
{{- if .Values.hostNetwork }}
strategy:
  rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
{{- end }}
{{- end -}}

{{- define "kb.probes" -}}
{{- $root := index . 0 -}}
{{- $port := index . 1 -}}
startupProbe:
  httpGet:
    path: /healthz
    port: {{ $port }}
    {{- include "kb.probeHost" (list $root (include "kb.monitorListens" $root)) | nindent 4 }}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 90
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ $port }}
    {{- include "kb.probeHost" (list $root (include "kb.monitorListens" $root)) | nindent 4 }}
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ $port }}
    {{- include "kb.probeHost" (list $root (include "kb.monitorListens" $root)) | nindent 4 }}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* A pod's annotations and labels, as nothing else than `template.metadata`. Takes (list $ component part). */}}
{{- define "kb.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $part := index . 2 -}}
labels:
  {{- $labels := include "kb.labels" (list $root (index . 1)) | fromYaml }}
  {{- mergeOverwrite $labels (dict "kb-platform/release" $root.Release.Name) ($part.podLabels | default dict) | toYaml | nindent 2 }}
{{- if or $part.podAnnotations $part.checksums }}
annotations:
  {{- with $part.checksums }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with $part.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
