{{/* A variable from a Secret's key. Takes (dict name secret key optional). */}}
{{- define "kb.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{- define "kb.databaseVariable" -}}
{{- $cluster := .Values.postgresCluster.enabled -}}
{{- $secret := $cluster | ternary (printf "%s-postgres-app" (include "kb.fullname" .)) .Values.database.existingSecret -}}
{{- include "kb.secretVariable" (dict "name" "KB_DATABASE_URL" "secret" $secret "key" ($cluster | ternary "uri" .Values.database.urlKey)) -}}
{{- end -}}

{{/* What the code location, its runs and the migrations have in common. */}}
{{- define "kb.platformEnvironment" -}}
- name: HOME
  value: /var/lib/kb
- name: KB_HOME
  value: /var/lib/kb/home
{{ include "kb.databaseVariable" . }}
- name: KB_DAGSTER_DATABASE
  value: {{ .Values.database.dagsterDatabase | quote }}
- name: KB_OBJECT_STORE
  value: {{ .Values.objectStore.url | default "/srv/objects" | quote }}
{{- if or .Values.knowledgeBases.inline .Values.knowledgeBases.volume }}
- name: KB_DEFS
  value: /etc/kb/knowledge-bases
{{- end }}
- name: KB_STEPS
  value: {{ .Values.runs.steps | quote }}
{{- if include "kb.stepsInPods" . }}
- name: KB_COMPUTE
  value: /etc/kb/compute/compute.yaml
{{- end }}
{{- with .Values.gpu.window }}
{{- if .hours }}
- name: KB_GPU_HOURS
  value: {{ .hours | quote }}
- name: KB_GPU_TIMEZONE
  value: {{ .timezone | quote }}
{{- end }}
{{- if .country }}
- name: KB_GPU_COUNTRY
  value: {{ .country | quote }}
{{- end }}
- name: KB_GPU_SLOTS
  value: {{ .slots | quote }}
{{- end }}
{{- $secret := .Values.platform.existingSecret }}
{{ include "kb.secretVariable" (dict "name" "KB_GATE_KEYS" "secret" $secret "key" "gate-keys") }}
{{- if or .Values.worker.enabled .Values.gateway.enabled }}
- name: KB_REVIEW_TEMPORAL_ADDRESS
  value: {{ .Values.temporal.address | quote }}
- name: KB_REVIEW_TEMPORAL_NAMESPACE
  value: {{ .Values.temporal.namespace | quote }}
- name: KB_REVIEW_TEMPORAL_TLS
  value: {{ .Values.temporal.tls | quote }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_TEMPORAL_API_KEY" "secret" $secret "key" "temporal-api-key" "optional" true) }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_KEYS" "secret" $secret "key" "review-keys" "optional" true) }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_DATABASE_URL" "secret" $secret "key" "review-database-url" "optional" true) }}
{{- with .Values.gateway.url }}
- name: KB_REVIEW_GATEWAY_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{ include "kb.secretVariable" (dict "name" "KB_JUDGE_API_KEY" "secret" $secret "key" "judge-api-key" "optional" true) }}
{{ include "kb.secretVariable" (dict "name" "KB_ANSWER_API_KEY" "secret" $secret "key" "answer-api-key" "optional" true) }}
{{- with .Values.platform.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "kb.platformEnvironmentSources" -}}
{{- with .Values.objectStore.existingSecret }}
- secretRef:
    name: {{ . }}
{{- end }}
{{- with .Values.platform.extraEnvFrom }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The root file system is read-only: these are the only places that can be written. What a step's pod asks for has `kb-tmp`, too, in the same words. */}}
{{- define "kb.platformVolumes" -}}
- name: kb-tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- if not .Values.objectStore.url }}
- name: objects
  persistentVolumeClaim:
    claimName: {{ include "kb.objectsClaim" . }}
{{- end }}
{{- with include "kb.definitionsVolume" . }}
{{ . }}
{{- end }}
{{- if include "kb.stepsInPods" . }}
- name: compute
  configMap:
    name: {{ include "kb.fullname" . }}-compute
{{- end }}
{{- with .Values.platform.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "kb.platformMounts" -}}
- name: kb-tmp
  mountPath: /tmp
- name: home
  mountPath: /var/lib/kb
{{- if not .Values.objectStore.url }}
- name: objects
  mountPath: /srv/objects
{{- end }}
{{- with include "kb.definitionsMount" . }}
{{ . }}
{{- end }}
{{- if include "kb.stepsInPods" . }}
- name: compute
  mountPath: /etc/kb/compute
  readOnly: true
{{- end }}
{{- with .Values.platform.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The knowledge bases' YAML, where values give any: else the image's own is meant. */}}
{{- define "kb.definitionsVolume" -}}
{{- with .Values.knowledgeBases.volume -}}
- name: knowledge-bases
  {{- toYaml . | nindent 2 }}
{{- else }}
{{- if .Values.knowledgeBases.inline -}}
- name: knowledge-bases
  configMap:
    name: {{ include "kb.fullname" . }}-knowledge-bases
    items:
      {{- include "kb.inlineItems" . | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kb.definitionsMount" -}}
{{- if or .Values.knowledgeBases.inline .Values.knowledgeBases.volume -}}
- name: knowledge-bases
  mountPath: /etc/kb/knowledge-bases
  readOnly: true
  {{- with .Values.knowledgeBases.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A ConfigMap's keys hold no slash: `handbook/golden/queries.yaml` is kept under `handbook..golden..queries.yaml`. */}}
{{- define "kb.inlineData" -}}
{{- range $name, $files := .Values.knowledgeBases.inline }}
{{- range $path, $content := $files }}
{{ dict (printf "%s/%s" $name $path | replace "/" "..") $content | toYaml }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kb.inlineItems" -}}
{{- range $name, $files := .Values.knowledgeBases.inline }}
{{- range $path, $_ := $files }}
- key: {{ printf "%s/%s" $name $path | replace "/" ".." }}
  path: {{ printf "%s/%s" $name $path }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What worker and gateway have in common. Takes (list $ secret). */}}
{{- define "kb.reviewEnvironment" -}}
{{- $root := index . 0 -}}
{{- $secret := index . 1 -}}
- name: HOME
  value: /tmp
- name: KB_REVIEW_TEMPORAL_ADDRESS
  value: {{ $root.Values.temporal.address | quote }}
- name: KB_REVIEW_TEMPORAL_NAMESPACE
  value: {{ $root.Values.temporal.namespace | quote }}
- name: KB_REVIEW_TEMPORAL_TLS
  value: {{ $root.Values.temporal.tls | quote }}
- name: KB_REVIEW_MONITOR_HOST
  value: {{ include "kb.monitorListens" $root | quote }}
{{- if $root.Values.postgresCluster.enabled }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_DATABASE_URL" "secret" (printf "%s-postgres-app" (include "kb.fullname" $root)) "key" "uri") }}
{{- else }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_DATABASE_URL" "secret" $secret "key" "database-url") }}
{{- end }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_KEYS" "secret" $secret "key" "keys") }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_TEMPORAL_API_KEY" "secret" $secret "key" "temporal-api-key" "optional" true) }}
{{- with $root.Values.worker.fhir }}
{{- if .url }}
- name: KB_REVIEW_FHIR_URL
  value: {{ .url | quote }}
{{- if .tokenUrl }}
- name: KB_REVIEW_FHIR_TOKEN_URL
  value: {{ .tokenUrl | quote }}
- name: KB_REVIEW_FHIR_CLIENT_ID
  value: {{ .clientId | quote }}
- name: KB_REVIEW_FHIR_SCOPE
  value: {{ .scope | quote }}
{{ include "kb.secretVariable" (dict "name" "KB_REVIEW_FHIR_CLIENT_SECRET" "secret" $secret "key" "fhir-client-secret") }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
