{{/* What the operator reads when it starts. */}}
{{- define "mayfly.operatorSettings" -}}
instances:
  {{- toYaml .Values.instances | nindent 2 }}
pools:
  {{- toYaml .Values.pools | nindent 2 }}
networkPolicy:
  enabled: {{ .Values.networkPolicy.enabled }}
  gatewayNamespace: {{ .Release.Namespace }}
  gatewayLabels:
    {{- include "mayfly.selectorLabels" (list . "gateway") | nindent 4 }}
{{- end }}
