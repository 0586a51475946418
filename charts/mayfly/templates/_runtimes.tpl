{{/* The runtimes as the programs read them, in order of their names. */}}
{{- define "mayfly.runtimes" -}}
{{- range $name, $runtime := .Values.runtimes }}
{{- if $runtime }}
- name: {{ $name }}
  family: {{ $runtime.family }}
  version: {{ $runtime.version | quote }}
  image: {{ $runtime.image | default (include "mayfly.image" (list $ (printf "runtime-%s" (trimSuffix ".x" $name)))) }}
  bootstrap: {{ $runtime.bootstrap | default "/var/runtime/bootstrap" }}
{{- end }}
{{- end }}
{{- end }}
