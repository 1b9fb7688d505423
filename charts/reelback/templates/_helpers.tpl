{{/*
The services that this release runs, each with its defaults filled in: minisentry only without a DSN, and one that
serves a store only while that has no URL. `serves` is those stores.
*/}}
{{- define "reelback.services" -}}
{{- $services := dict }}
{{- $serves := dict }}
{{- $replaced := list }}
{{- if .Values.sentry.dsn }}{{- $replaced = list "minisentry" }}{{- end }}
{{- range $name, $store := .Values.stores }}
{{- with $store.service }}
{{- if not (hasKey $.Values.services .) }}
{{- fail (printf "stores.%s.service: there is no service %s" $name .) }}
{{- end }}
{{- if $store.url }}{{- $replaced = append $replaced . }}{{- else }}{{- $_ := set $serves . (list $name) }}{{- end }}
{{- end }}
{{- end }}
{{- range $name, $service := .Values.services }}
{{- range $service.calls }}
{{- if ne (dig . "protocol" "none" $.Values.services) "grpc" }}
{{- fail (printf "services.%s.calls: %s is no gRPC service" $name .) }}
{{- end }}
{{- end }}
{{- if not (has $name $replaced) }}
{{- $more := dict "serves" (index $serves $name | default list) }}
{{- $_ := set $services $name (mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $service) $more) }}
{{- end }}
{{- end }}
{{- toYaml $services }}
{{- end }}

{{/* The stores that this chart runs servers of: those without a URL that a service uses and none serves. */}}
{{- define "reelback.stores" -}}
{{- $stores := dict }}
{{- range $service := include "reelback.services" . | fromYaml }}
{{- range $name := $service.stores }}
{{- $store := index $.Values.stores $name }}
{{- if not (or $store.url $store.service) }}{{- $_ := set $stores $name $store }}{{- end }}
{{- end }}
{{- end }}
{{- toYaml $stores }}
{{- end }}

{{/* The Secret of list (services, variable): services that name the same variable share it, the first of them has it. */}}
{{- define "reelback.secretOf" -}}
{{- $variable := index . 1 }}
{{- $found := list }}
{{- range $name, $service := index . 0 }}
{{- if has $variable ($service.secrets | default list) }}{{- $found = append $found $name }}{{- end }}
{{- end }}
{{- first $found }}
{{- end }}

{{/*
The value of list (root, Secret, key), in base64: the cluster's, or one that is drawn now. It is drawn once a rendering,
wherever it is asked for, so that a pod's checksum is of what is installed.
*/}}
{{- define "reelback.drawn" -}}
{{- $values := (index . 0).Values }}
{{- if not $values.drawn }}{{- $_ := set $values "drawn" dict }}{{- end }}
{{- $id := rest . | join "/" }}
{{- if not (hasKey $values.drawn $id) }}
{{- $kept := (lookup "v1" "Secret" (index . 0).Release.Namespace (index . 1)).data | default dict }}
{{- $_ := set $values.drawn $id (index $kept (index . 2) | default (randAlphaNum 48 | b64enc)) }}
{{- end }}
{{- index $values.drawn $id }}
{{- end }}

{{/* The variable that holds the address of a store, and what kind of server it is: redis-telemetry is a redis. */}}
{{- define "reelback.storeVariable" -}}
{{ upper . | replace "-" "_" }}_URL
{{- end }}
{{- define "reelback.storeKind" -}}
{{ splitList "-" . | first }}
{{- end }}

{{/* The DSN of every service but minisentry: the team's own, or minisentry's with the key that was drawn. */}}
{{- define "reelback.dsn" -}}
{{- if .Values.sentry.dsn }}
{{- .Values.sentry.dsn }}
{{- else }}
{{- $owner := include "reelback.secretOf" (list (include "reelback.services" . | fromYaml) "MINISENTRY_KEY") }}
{{- $key := include "reelback.drawn" (list . $owner "MINISENTRY_KEY") | b64dec }}
{{- printf "http://%s@minisentry-ingest:%v/1" $key .Values.services.minisentry.ingestPort }}
{{- end }}
{{- end }}

{{/* The DSN for what browsers report, of list (root, project at minisentry); empty where nothing takes it. */}}
{{- define "reelback.browserDsn" -}}
{{- $root := index . 0 }}
{{- if or $root.Values.sentry.browserDsn $root.Values.sentry.dsn }}
{{- $root.Values.sentry.browserDsn }}
{{- else }}
{{- $owner := include "reelback.secretOf" (list (include "reelback.services" $root | fromYaml) "MINISENTRY_BROWSER_KEY") }}
{{- $key := include "reelback.drawn" (list $root $owner "MINISENTRY_BROWSER_KEY") | b64dec }}
{{- printf "http://%s@minisentry-ingest:%v/%v" $key $root.Values.services.minisentry.ingestPort (index . 1) }}
{{- end }}
{{- end }}

{{/* Where people look at Sentry, with the organization; empty where that is not known. */}}
{{- define "reelback.webUrl" -}}
{{- if or .Values.sentry.webUrl .Values.sentry.dsn }}
{{- .Values.sentry.webUrl }}
{{- else }}
{{- printf "http://127.0.0.1:%v/organizations/reelback/" .Values.services.minisentry.port }}
{{- end }}
{{- end }}

{{/* The image of list (root, name, image of its own or nothing). */}}
{{- define "reelback.image" -}}
{{- $values := (index . 0).Values }}
{{- index . 2 | default (printf "%s%s:%s" $values.image.registry (index . 1) ($values.image.tag | default $values.version)) }}
{{- end }}

{{/* What selects the pods of list (root, name), of every track. */}}
{{- define "reelback.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- define "reelback.labels" -}}
{{ include "reelback.selector" . }}
app.kubernetes.io/part-of: reelback
app.kubernetes.io/version: {{ (index . 0).Values.version | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{/* The metadata of an object of list (root, name). */}}
{{- define "reelback.metadata" -}}
name: {{ index . 1 }}
namespace: {{ (index . 0).Release.Namespace }}
labels: {{- include "reelback.labels" . | nindent 2 }}
{{- end }}

{{/* What every pod has, of list (root, name, user id). */}}
{{- define "reelback.pod" -}}
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ index . 2 }}
  runAsGroup: {{ index . 2 }}
  fsGroup: {{ index . 2 }}
  seccompProfile: {type: RuntimeDefault}
{{- with (index . 0).Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What every container has. */}}
{{- define "reelback.container" -}}
imagePullPolicy: IfNotPresent
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The ports of a rule for where a URL leads: each of its hosts has its own, or its scheme's. */}}
{{- define "reelback.urlPorts" -}}
{{- $schemes := dict
  "https" 443 "http" 80 "redis" 6379 "rediss" 6379 "mongodb" 27017 "mongodb+srv" 27017 "kafka" 9092 "smtp" 25 "smtps" 465
}}
{{- $scheme := regexFind "^[a-z+]+" . }}
{{- $hosts := regexReplaceAll "^[a-z+]+://([^/?]*@)?([^/?]*).*$" . "${2}" }}
{{- $ports := list }}
{{- range splitList "," $hosts }}
{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default (index $schemes $scheme) | int) }}
{{- end }}
{{- range uniq $ports }}
- port: {{ . }}
{{- end }}
{{- end }}
