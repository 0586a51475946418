{{/* nats.conf. Names with a $ come out of the environment. */}}
{{- define "mayfly.natsConfiguration" -}}
server_name: $POD_NAME
listen: 0.0.0.0:4222
http: 0.0.0.0:8222
max_payload: 2MB
ping_interval: 20s
authorization {
  user: $NATS_USERNAME
  password: $NATS_PASSWORD
}
jetstream {
  store_dir: /data
  # What was acknowledged is on the disk: an event is answered with 202 only then.
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: {{ include "mayfly.bytes" .Values.nats.storage }}
}
{{- if gt (int .Values.nats.replicas) 1 }}
cluster {
  name: mayfly
  listen: 0.0.0.0:6222
  authorization {
    user: route
    password: $NATS_ROUTE_PASSWORD
  }
  routes: [{{ range $i := until (int .Values.nats.replicas) }}{{ if $i }}, {{ end }}$NATS_ROUTE_{{ $i }}{{ end }}]
}
{{- end }}
{{- end }}

{{/* Bytes of a quantity such as 10Gi, less a tenth that JetStream's own files may take. */}}
{{- define "mayfly.bytes" -}}
{{- $units := dict "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[MGT]i$" . -}}
{{- div (mul (trimSuffix $unit . | int64) (index $units $unit) 9) 10 -}}
{{- end }}
