{{/* Labels that name a component and never change: what selectors select by. Takes (list $ "gateway"). */}}
{{- define "mayfly.selectorLabels" -}}
app.kubernetes.io/name: mayfly
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of every object. Takes (list $ "gateway"). */}}
{{- define "mayfly.labels" -}}
{{ include "mayfly.selectorLabels" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mayfly
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{/* Reference of an image of ours. Takes (list $ "control-plane"). */}}
{{- define "mayfly.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/%s:%s" (trimSuffix "/" $root.Values.images.registry) (index . 1) ($root.Values.images.tag | default $root.Chart.AppVersion) -}}
{{- end }}

{{- define "mayfly.controlPlaneImage" -}}
{{- .Values.images.controlPlane | default (include "mayfly.image" (list . "control-plane")) -}}
{{- end }}

{{- define "mayfly.natsImage" -}}
{{- .Values.images.nats | default (include "mayfly.image" (list . "nats")) -}}
{{- end }}

{{- define "mayfly.natsUrl" -}}
{{- .Values.nats.url | default (printf "nats://mayfly-nats.%s.svc:4222" .Release.Namespace) -}}
{{- end }}

{{/* Where pods of the cluster find the gateway. */}}
{{- define "mayfly.endpoint" -}}
{{- $port := int .Values.gateway.service.port -}}
{{- printf "http://mayfly-gateway.%s%s" .Release.Namespace (ternary "" (printf ":%d" $port) (eq $port 80)) -}}
{{- end }}

{{- define "mayfly.keysSecret" -}}
{{- .Values.gateway.keys.existingSecret | default "mayfly-gateway-keys" -}}
{{- end }}

{{/* Name of the Secret that opens NATS; empty where a NATS of one's own asks for none. */}}
{{- define "mayfly.natsSecret" -}}
{{- .Values.nats.auth.existingSecret | default (ternary "" "mayfly-nats-auth" (ne .Values.nats.url "")) -}}
{{- end }}

{{/*
The content of a Secret that the chart makes: what the cluster has, else what is made now, once per rendering, since the
Secret and the checksum of its readers must agree. Takes (list $ name (dict of key: function of the content)); yields JSON.
*/}}
{{- define "mayfly.kept" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}{{- $maker := index . 2 -}}
{{- if not (hasKey $root.Values "-kept") }}{{ $_ := set $root.Values "-kept" dict }}{{ end -}}
{{- $kept := index $root.Values "-kept" -}}
{{- if not (hasKey $kept $name) -}}
{{- $there := (lookup "v1" "Secret" $root.Release.Namespace $name).data | default dict -}}
{{- $made := include $maker $root | fromJson -}}
{{- $complete := true -}}
{{- range $key, $_ := $made }}{{ if not (hasKey $there $key) }}{{ $complete = false }}{{ end }}{{ end -}}
{{- $_ := set $kept $name (ternary $there $made $complete) -}}
{{- end -}}
{{- index $kept $name | toJson -}}
{{- end }}

{{- define "mayfly.makeKeys" -}}
{{- $pair := genSelfSignedCert "mayfly-gateway" nil nil 36500 -}}
{{- dict "tls.key" ($pair.Key | b64enc) "tls.crt" ($pair.Cert | b64enc) | toJson -}}
{{- end }}

{{/* NATS reads them out of its environment as words of its own configuration: a letter first, so that none is a number. */}}
{{- define "mayfly.makeNatsAuth" -}}
{{- dict "username" ("mayfly" | b64enc) "password" (printf "p%s" (randAlphaNum 40) | b64enc) "routePassword" (printf "r%s" (randAlphaNum 40) | b64enc) | toJson -}}
{{- end }}

{{- define "mayfly.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "mayfly.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where the pods of a component go: apart if that can be, nowhere else only if the values say so. Takes (list $ "gateway"). */}}
{{- define "mayfly.placement" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}{{- $values := index $root.Values $component -}}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "mayfly.selectorLabels" . | nindent 14 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "mayfly.selectorLabels" . | nindent 8 }}
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels and annotations of a component's pods besides its own. */}}
{{- define "mayfly.podLabels" -}}
{{- $root := index . 0 -}}{{- $values := index $root.Values (index . 1) -}}
{{ include "mayfly.labels" . }}
{{- with $values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Variables that say which pod a process is. */}}
{{- define "mayfly.podEnvironment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
{{- end }}
