{{- define "akprox.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "akprox.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "akprox.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "akprox.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "akprox.selector" -}}
app.kubernetes.io/name: {{ include "akprox.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "akprox.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "akprox.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "akprox.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "akprox.storeKind" -}}
{{- default "embedded" (default dict .Values.config.store).kind }}
{{- end }}

{{/* akprox.yaml: what `config` says, and what a pod needs besides. */}}
{{- define "akprox.config" -}}
{{- $config := deepCopy .Values.config }}
{{- range $config.providers }}
{{- range $secret := list .cookie_secret (default dict .oidc).client_secret (default dict .oidc).private_key }}
{{- if kindIs "string" $secret }}
{{- fail "config.providers: a secret is written out, and a ConfigMap is none: put it into the Secret that secretName names, and say { file: /run/secrets/akprox/KEY }" }}
{{- end }}
{{- end }}
{{- end }}
{{- $store := default dict $config.store }}
{{- if or (kindIs "string" $store.password) (kindIs "string" $store.sentinel_password) (regexMatch "^[a-z]+://[^/?#]*:[^/?#]*@" (toString (default "" $store.url))) }}
{{- fail "config.store: a password is written out, and a ConfigMap is no place for it: put it into the Secret that secretName names, and say password: { file: /run/secrets/akprox/KEY }" }}
{{- end }}
{{- if and (not $config.providers) (not .Values.authentik.host) }}
{{- fail "no providers: set config.providers, or authentik.host" }}
{{- end }}
{{- if eq (include "akprox.storeKind" .) "embedded" }}
{{- $_ := set $config "store" (merge (dict "kind" "embedded") (default dict $config.store) (dict "path" "/data")) }}
{{- end }}
{{- if not (hasKey $config "workers") }}
{{- $_ := set $config "workers" (ternary "auto" 2 (hasKey (default dict .Values.resources.limits) "cpu")) }}
{{- end }}
{{- $listen := dict "http" "[::]:9000" "https" "[::]:9443" "metrics" "[::]:9300" }}
{{- if .Values.https.secretName }}
{{- $_ := set $listen "tls" (dict "cert" "/run/tls/tls.crt" "key" "/run/tls/tls.key") }}
{{- end }}
{{- $_ := set $config "listen" (mergeOverwrite (default dict $config.listen) $listen) }}
{{- toYaml $config }}
{{- end }}

{{/* JSON of [{host, whole}]: the hosts that the outpost serves paths of; all of them where it is the login host. */}}
{{- define "akprox.hosts" -}}
{{- $hosts := list }}
{{- range .root.Values.config.providers }}
{{- $hosts = append $hosts (dict "host" (regexReplaceAll ":[0-9]+$" (urlParse .external_host).host "") "whole" (eq .mode "forward_domain")) }}
{{- end }}
{{- range .more }}
{{- $hosts = append $hosts (dict "host" . "whole" false) }}
{{- end }}
{{- toJson (uniq $hosts) }}
{{- end }}
