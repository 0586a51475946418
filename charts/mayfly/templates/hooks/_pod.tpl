{{/* The pod of a hook: one of the scripts in files/hooks. Takes (list $ component script environment). */}}
{{- define "mayfly.hookPod" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}
restartPolicy: Never
serviceAccountName: mayfly-{{ $component }}
automountServiceAccountToken: true
enableServiceLinks: false
securityContext:
  {{- include "mayfly.podSecurityContext" $root | nindent 2 }}
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.operator.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.operator.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ $component }}
    image: {{ include "mayfly.controlPlaneImage" $root }}
    imagePullPolicy: {{ $root.Values.images.pullPolicy }}
    command: [python, -B, /hooks/{{ index . 2 }}]
    env:
      - name: POD_NAMESPACE
        valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
      {{- range $name, $value := index . 3 }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
      limits: {cpu: 500m, memory: 128Mi}
    securityContext:
      {{- include "mayfly.containerSecurityContext" $root | nindent 6 }}
    volumeMounts:
      - {name: hooks, mountPath: /hooks, readOnly: true}
volumes:
  - name: hooks
    configMap: {name: mayfly-{{ $component }}}
{{- end }}

{{/* What a hook needs besides: its scripts and its account, made and removed with it. Takes (list $ component hook). */}}
{{- define "mayfly.hookCompany" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: mayfly-{{ $component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "mayfly.labels" . | nindent 4 }}
  annotations:
    {{- include "mayfly.hookAnnotations" (list (index . 2) -10) | nindent 4 }}
data:
  {{- range $path, $_ := $root.Files.Glob "files/hooks/*.py" }}
  {{ base $path }}: |
    {{- $root.Files.Get $path | nindent 4 }}
  {{- end }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: mayfly-{{ $component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "mayfly.labels" . | nindent 4 }}
  annotations:
    {{- include "mayfly.hookAnnotations" (list (index . 2) -10) | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{- define "mayfly.hookAnnotations" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
{{- end }}
