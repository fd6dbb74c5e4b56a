{{/* What leads from a host's name to the Service of a part. Takes (list $ component ingress host). */}}
{{- define "kb.ingress" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $ingress := index . 2 -}}
{{- $host := index . 3 -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "kb.metadata" (list $root $component) | nindent 2 }}
  {{- with $ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with $ingress.tlsSecret }}
  tls:
    - hosts: [{{ $host | quote }}]
      secretName: {{ . }}
  {{- end }}
  rules:
    - host: {{ $host | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ include "kb.fullname" $root }}-{{ $component }}
                port:
                  name: http
{{- end -}}
