{{/* A duration of the resource, such as 500ms, 2s, 3m; the argument describes the field. */}}
{{- define "reelback-operator.duration" -}}
type: string
description: {{ . | quote }}
maxLength: 20
pattern: '^[0-9]+(\.[0-9]+)?(ms|s|m|h)$'
x-kubernetes-validations:
  - {rule: "duration(self) > duration('0s')", message: must be more than nothing}
{{- end }}

{{/* A DNS label; the argument describes the field. */}}
{{- define "reelback-operator.dnsLabel" -}}
type: string
description: {{ . | quote }}
maxLength: 63
pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'
{{- end }}

{{- define "reelback-operator.selector" -}}
app.kubernetes.io/name: reelback-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "reelback-operator.labels" -}}
{{ include "reelback-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
