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
